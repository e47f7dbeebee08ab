//! The alarm of a PC: the first comparator of the HPET (IA-PC HPET specification 1.0a), which the kernel leaves running.

use coldframe_abi::{DeviceMessage, UserAddress};
use coldframe_scenarios::Alarm;

use super::registers::{read, write};

/// Where PCs have it, and the line to which it can be led on all that QEMU makes.
pub(super) const ALARM: Alarm = Alarm { page: 0xfed0_0000, line: 2 };

const PERIOD: u64 = 0x04;
const STATUS: u64 = 0x20;
const COUNTER: u64 = 0xf0;
const CONFIGURATION: u64 = 0x100;
const COMPARATOR: u64 = 0x108;
const MESSAGE: u64 = 0x110;
const MESSAGE_TO: u64 = 0x114;

const LEVEL: u32 = 1 << 1;
const ENABLED: u32 = 1 << 2;
const WIDTH_32: u32 = 1 << 8;
const BY_MESSAGE: u32 = 1 << 14;
const KNOWS_MESSAGES: u32 = 1 << 15;
/// The last of the lines of a PC: none has wires for so many.
const LAST_LINE: u32 = 54;
const FEMTOS_PER_MILLISECOND: u64 = 1_000_000_000_000;

/// The line on which it can ask by a message, if it can.
pub(super) fn message_line(page: UserAddress) -> Option<u32> {
    (read(page, CONFIGURATION) & KNOWS_MESSAGES != 0).then_some(LAST_LINE)
}

/// It asks by this message from now on, or by its wire again if that goes nowhere.
pub(super) fn ask_by(page: UserAddress, message: DeviceMessage) {
    write(page, MESSAGE, message.data.into());
    write(page, MESSAGE_TO, message.address as u32);
}

fn asks_by_message(page: UserAddress) -> bool {
    read(page, MESSAGE_TO) != 0
}

/// How it asks.
fn means(page: UserAddress) -> u32 {
    WIDTH_32 | if asks_by_message(page) { BY_MESSAGE } else { LEVEL | ALARM.line << 9 }
}

/// It asks in a millisecond.
pub(super) fn start(page: UserAddress) {
    let means = means(page);
    let ticks = FEMTOS_PER_MILLISECOND / u64::from(read(page, PERIOD)).max(1);
    write(page, CONFIGURATION, means);
    write(page, COMPARATOR, read(page, COUNTER).wrapping_add(ticks as u32));
    write(page, CONFIGURATION, means | ENABLED);
}

/// It asks no more; says whether it did.
pub(super) fn stop(page: UserAddress) -> bool {
    let has_asked = if asks_by_message(page) {
        // A message leaves no trace.
        read(page, COUNTER).wrapping_sub(read(page, COMPARATOR)) as i32 >= 0
    } else {
        read(page, STATUS) & 1 == 1
    };
    write(page, CONFIGURATION, means(page));
    write(page, STATUS, 1);
    has_asked
}
