//! Dates of the calendar that clocks show.

use coldframe_abi::Instant;

/// A moment, to the second, as clocks show it that do not know of time zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year, counted as usual.
    pub year: u32,
    /// The month, from one.
    pub month: u32,
    /// The day in the month, from one.
    pub day: u32,
    /// The hour, from zero.
    pub hour: u32,
    /// The minute.
    pub minute: u32,
    /// The second.
    pub second: u32,
}

const FIRST_YEAR: u32 = 1970;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How many days of a year lie before each month, if it has no day too many.
const DAYS_BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/// Which month is longer now and then.
const FEBRUARY: u32 = 2;

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// How many years up to and with this one have a day too many.
const fn leaps(year: u32) -> u32 {
    year / 4 - year / 100 + year / 400
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    let index = month.checked_sub(1)? as usize;
    let start = *DAYS_BEFORE.get(index)?;
    let end = DAYS_BEFORE.get(index + 1).copied().unwrap_or(365);
    Some(end - start + u32::from(month == FEBRUARY && is_leap(year)))
}

impl Date {
    /// How long after the beginning of 1970 it is; nothing if there is no such date, or it lies before that, or centuries
    /// after.
    #[must_use]
    pub fn since_1970(self) -> Option<Instant> {
        let Self { year, month, day, hour, minute, second } = self;
        let is_date = (FIRST_YEAR..2_500).contains(&year) && (1..=days_in(year, month)?).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let before = (year - FIRST_YEAR) * 365 + leaps(year - 1) - leaps(FIRST_YEAR - 1);
        let in_year =
            DAYS_BEFORE[month as usize - 1] + u32::from(month > FEBRUARY && is_leap(year)) + day - 1;
        let days = u64::from(before + in_year);
        let seconds = ((days * 24 + u64::from(hour)) * 60 + u64::from(minute)) * 60 + u64::from(second);
        Some(Instant(seconds * NANOS_PER_SECOND))
    }
}
