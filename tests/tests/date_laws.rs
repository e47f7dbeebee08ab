//! What the driver of a PC's clock makes of its registers.

use coldframe_abi::Instant;
use coldframe_services::{ClockRegisters, Date};
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
