//! The alarm of a PC: the first comparator of the HPET (IA-PC HPET specification 1.0a), which the kernel leaves running.

use coldframe_abi::UserAddress;
use coldframe_scenarios::Alarm;

use super::registers::{read, write};

/// Where PCs have it, and the line to which it can be led on all that QEMU makes.
pub(super) const ALARM: Alarm = Alarm { page: 0xfed0_0000, line: 2 };

const PERIOD: u64 = 0x04;
const STATUS: u64 = 0x20;
const COUNTER: u64 = 0xf0;
const CONFIGURATION: u64 = 0x100;
const COMPARATOR: u64 = 0x108;

const LEVEL: u32 = 1 << 1;
const ENABLED: u32 = 1 << 2;
const WIDTH_32: u32 = 1 << 8;
const FEMTOS_PER_MILLISECOND: u64 = 1_000_000_000_000;

/// It asks in a millisecond.
pub(super) fn start(page: UserAddress) {
    let ticks = FEMTOS_PER_MILLISECOND / u64::from(read(page, PERIOD)).max(1);
    write(page, CONFIGURATION, LEVEL | WIDTH_32 | ALARM.line << 9);
    write(page, COMPARATOR, read(page, COUNTER).wrapping_add(ticks as u32));
    write(page, CONFIGURATION, LEVEL | WIDTH_32 | ENABLED | ALARM.line << 9);
}

/// It asks no more; says whether it did.
pub(super) fn stop(page: UserAddress) -> bool {
    let has_asked = read(page, STATUS) & 1 == 1;
    write(page, CONFIGURATION, LEVEL | WIDTH_32 | ALARM.line << 9);
    write(page, STATUS, 1);
    has_asked
}
