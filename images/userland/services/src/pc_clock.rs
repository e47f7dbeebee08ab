//! The clock of a PC that goes on while the machine is off (Motorola MC146818): registers of a byte behind two ports.

use coldframe_abi::{Calls, Error, Instant, Word};

use crate::Date;

/// Seconds, minutes, hours, day, month, year, century: where PCs have them.
const DATE: [u8; 7] = [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32];
/// The register whose highest bit says that the others are being changed.
const STATUS: u8 = 0x0a;
const IS_CHANGING: u8 = 1 << 7;
/// The register that says how the others are to be read.
const FORMAT: u8 = 0x0b;
const COUNTS_24_HOURS: u8 = 1 << 1;
const IS_BINARY: u8 = 1 << 2;
/// In the register of hours, of those who count twelve.
const AFTERNOON: u8 = 1 << 7;

/// How often it is looked at before it is given up: a change takes about two milliseconds, and comes once a second.
const LOOKS: u32 = 10_000;

/// What the registers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRegisters {
    /// Seconds, minutes, hours, day, month, year in the century, century.
    pub date: [u8; 7],
    /// How they are to be read.
    pub format: u8,
}

impl ClockRegisters {
    /// The date that they show, if it can be one.
    #[must_use]
    pub fn date(self) -> Option<Date> {
        let number = |byte: u8| match (byte >> 4, byte & 0xf) {
            _ if self.format & IS_BINARY != 0 => Some(u32::from(byte)),
            (tens @ 0..=9, ones @ 0..=9) => Some(u32::from(tens) * 10 + u32::from(ones)),
            _ => None,
        };
        let [second, minute, hour, day, month, year, century] = self.date;
        let hour = if self.format & COUNTS_24_HOURS != 0 {
            number(hour)?
        } else {
            // Twelve is the hour after noon, or after midnight, and comes before one.
            let shown = number(hour & !AFTERNOON).filter(|hour| (1..=12).contains(hour))?;
            shown % 12 + if hour & AFTERNOON == 0 { 0 } else { 12 }
        };
        Some(Date {
            year: number(century)? * 100 + number(year).filter(|year| *year < 100)?,
            month: number(month)?,
            day: number(day)?,
            hour,
            minute: number(minute)?,
            second: number(second)?,
        })
    }
}

/// What time the clock behind these ports shows, which the caller must have authority over; nothing if it shows none.
///
/// # Errors
/// What the calls say.
pub async fn read_pc_clock<S: Calls>(sys: &S, port: u64) -> Result<Option<Instant>, Error> {
    let mut before = None;
    for _ in 0..LOOKS {
        if register(sys, port, STATUS).await? & IS_CHANGING != 0 {
            continue;
        }
        let mut read = ClockRegisters { date: [0; 7], format: register(sys, port, FORMAT).await? };
        for (value, number) in read.date.iter_mut().zip(DATE) {
            *value = register(sys, port, number).await?;
        }
        // A change can begin while they are read: what is seen twice is what was there.
        if before == Some(read) {
            return Ok(read.date().and_then(Date::since_1970));
        }
        before = Some(read);
    }
    Ok(None)
}

async fn register<S: Calls>(sys: &S, port: u64, number: u8) -> Result<u8, Error> {
    sys.port_write(Word(port), Word(1), Word(number.into())).await?;
    let value = sys.port_read(Word(port + 1), Word(1)).await?;
    Ok(value.0 as u8)
}
