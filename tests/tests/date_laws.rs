//! What the driver of a PC's clock makes of its registers.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use coldframe_abi::{Call, Error, Instant, Message, Reply, Request, Sys};
use coldframe_services::{ClockRegisters, Date, read_pc_clock};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn midnight(year: u32, month: u32, day: u32) -> Date {
    Date { year, month, day, hour: 0, minute: 0, second: 0 }
}

fn seconds(date: Date) -> Option<u64> {
    date.since_1970().map(|Instant(nanos)| nanos / SECOND)
}

#[test]
fn dates_are_where_others_put_them() {
    // By `date -u -d … +%s` of GNU coreutils.
    let known = [
        ((1970, 1, 1), 0),
        ((2000, 2, 29), 951_782_400),
        ((2000, 3, 1), 951_868_800),
        ((2026, 11, 23), 1_795_392_000),
        ((2100, 3, 1), 4_107_542_400),
        ((2400, 2, 29), 13_574_563_200),
        ((2499, 12, 31), 16_725_139_200),
    ];
    for ((year, month, day), expected) in known {
        assert_eq!(seconds(midnight(year, month, day)), Some(expected), "{year}-{month}-{day}");
    }
    for (year, month, day) in [(1969, 12, 31), (2100, 2, 29), (2026, 2, 29), (2026, 4, 31), (2026, 13, 1)] {
        assert_eq!(seconds(midnight(year, month, day)), None, "{year}-{month}-{day}");
    }
}

#[test]
fn days_follow_each_other() {
    let all = (1970..2500)
        .flat_map(|year| (0..=13).flat_map(move |month| (0..=32).map(move |day| (year, month, day))));
    let days: Vec<_> = all.filter_map(|(year, month, day)| seconds(midnight(year, month, day))).collect();
    // Five centuries and three decades; 129 years of them are leap years.
    assert_eq!(days.len(), 530 * 365 + 129);
    assert!(days.iter().zip(0..).all(|(seconds, day)| *seconds == day * 24 * 60 * 60));
}

/// A number in the registers of a clock that counts in binary or in decimal digits.
fn byte(number: u32, binary: bool) -> u8 {
    let digits = if binary { number } else { number / 10 * 16 + number % 10 };
    u8::try_from(digits).expect("it is below a hundred")
}

/// How a clock shows a date.
fn shown(date: Date, binary: bool, by_halves: bool) -> ClockRegisters {
    let hour = match (by_halves, date.hour) {
        (false, hour) => byte(hour, binary),
        (true, 0) => byte(12, binary),
        (true, hour @ 1..12) => byte(hour, binary),
        (true, 12) => byte(12, binary) | 0x80,
        (true, hour) => byte(hour - 12, binary) | 0x80,
    };
    let plain = |number| byte(number, binary);
    let date = [
        plain(date.second),
        plain(date.minute),
        hour,
        plain(date.day),
        plain(date.month),
        plain(date.year % 100),
        plain(date.year / 100),
    ];
    ClockRegisters { date, format: u8::from(!by_halves) << 1 | u8::from(binary) << 2 }
}

/// A clock that goes on to the next second after so many accesses, and says so while it does.
struct Changing {
    seconds: [Date; 2],
    accesses: Cell<u32>,
    change_at: u32,
    register: Cell<u8>,
}

const PORT: u64 = 0x70;
/// How many accesses a change takes.
const CHANGE: u32 = 5;

impl Changing {
    fn access(&self, call: &Call) -> Result<u64, Error> {
        let at = self.accesses.replace(self.accesses.get() + 1);
        match call {
            Call::PortWrite { port, value, .. } if port.0 == PORT => {
                self.register.set(value.0 as u8);
                Ok(0)
            }
            Call::PortRead { port, .. } if port.0 == PORT + 1 => {
                let now = shown(self.seconds[usize::from(at >= self.change_at)], false, false);
                let is_changing = at < self.change_at && at + CHANGE >= self.change_at;
                let registers = [(0x0a, u8::from(is_changing) << 7), (0x0b, now.format)];
                let dates = [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32].into_iter().zip(now.date);
                let mut all = registers.into_iter().chain(dates);
                let found = all.find(|(number, _)| *number == self.register.get());
                found.map(|(_, value)| value.into()).ok_or(Error::BadArgument)
            }
            _ => Err(Error::NotAllowed),
        }
    }
}

impl Sys for Changing {
    async fn request(&self, request: Request) -> Reply {
        let call = Call::decode(&request).expect("the driver makes calls of the table");
        self.access(&call).into()
    }

    async fn exchange(&self, _: Request, _: Message) -> (Reply, Message) {
        panic!("the driver sends no messages")
    }
}

#[test]
fn what_it_shows_while_it_changes_is_one_or_the_other() {
    let last = Date { year: 2099, month: 12, day: 31, hour: 23, minute: 59, second: 59 };
    let seconds = [last, midnight(2100, 1, 1)];
    for change_at in 0..100 {
        let clock = Changing { seconds, accesses: Cell::new(0), change_at, register: Cell::new(0) };
        let read = pin!(read_pc_clock(&clock, PORT)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(read) = read else { panic!("nothing here waits") };
        let moments = seconds.map(|date| date.since_1970());
        assert!(moments.contains(&read.unwrap_or(None)), "{change_at}: {read:?}, a moment it never showed");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read(
        (year, month, day) in (1970_u32..2500, 1_u32..=12, 1_u32..=28),
        (hour, minute, second) in (0_u32..24, 0_u32..60, 0_u32..60),
        binary: bool,
        by_halves: bool,
    ) {
        let date = Date { year, month, day, hour, minute, second };
        prop_assert_eq!(shown(date, binary, by_halves).date(), Some(date));
        let start = midnight(year, month, day);
        let since = u64::from((hour * 60 + minute) * 60 + second);
        prop_assert_eq!(seconds(date), seconds(start).map(|start| start + since));
    }

    #[test]
    fn whatever_it_shows_no_moment_comes_of_what_is_none(date: [u8; 7], format: u8) {
        let read = ClockRegisters { date, format }.date();
        if let Some((read, _)) = read.and_then(|read| Some((read, read.since_1970()?))) {
            prop_assert!(read.month >= 1 && read.month <= 12 && read.day >= 1 && read.day <= 31);
            prop_assert!(read.hour < 24 && read.minute < 60 && read.second < 60);
            let (binary, by_halves) = (format & 4 != 0, format & 2 == 0);
            let kept = format & 6;
            prop_assert_eq!(shown(read, binary, by_halves), ClockRegisters { date, format: kept });
        }
    }
}
