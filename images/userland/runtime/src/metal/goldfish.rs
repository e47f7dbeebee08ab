//! The alarm of QEMU's RISC-V machine: the goldfish real-time clock (Android's goldfish virtual hardware guide).

use coldframe_abi::{DeviceMessage, Instant, UserAddress};
use coldframe_scenarios::Alarm;

use super::registers::{read, write};

/// Where the device tree of the machine says that it is.
pub(super) const ALARM: Alarm = Alarm { page: 0x10_1000, line: 11 };

const TIME_LOW: u64 = 0x00;
const TIME_HIGH: u64 = 0x04;
const ALARM_LOW: u64 = 0x08;
const ALARM_HIGH: u64 = 0x0c;
const LETS_ASK: u64 = 0x10;
const CLEAR_ALARM: u64 = 0x14;
const IS_SET: u64 = 0x18;
const CLEAR_INTERRUPT: u64 = 0x1c;

const NANOS_PER_MILLISECOND: u64 = 1_000_000;

/// What time it shows.
pub(super) fn time(page: UserAddress) -> Instant {
    // The lower half keeps the upper one still.
    Instant(u64::from(read(page, TIME_LOW)) | u64::from(read(page, TIME_HIGH)) << 32)
}

/// It has a wire and nothing else.
pub(super) const fn message_line(_: UserAddress) -> Option<u32> {
    None
}

/// See there.
pub(super) const fn ask_by(_: UserAddress, _: DeviceMessage) {}

/// It asks in a millisecond.
pub(super) fn start(page: UserAddress) {
    let at = time(page).0 + NANOS_PER_MILLISECOND;
    write(page, LETS_ASK, 1);
    write(page, ALARM_HIGH, (at >> 32) as u32);
    write(page, ALARM_LOW, at as u32);
}

/// It asks no more; says whether it did.
pub(super) fn stop(page: UserAddress) -> bool {
    let has_asked = read(page, IS_SET) == 0;
    write(page, CLEAR_ALARM, 1);
    write(page, CLEAR_INTERRUPT, 1);
    has_asked
}
