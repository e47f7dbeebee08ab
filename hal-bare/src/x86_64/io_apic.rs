//! The interrupt controller of devices (Intel 82093AA): a line each, routed to a CPU by an entry of its table.
//!
//! A level line is masked when it comes in, and lets go again when it is opened: its device asks on. An edge is gone
//! when it has come, so that an edge line stays unmasked, and one that comes while it is closed is kept for later.

use coldframe_sync::Lock;

use super::{DIRECT_WINDOW, LINE_VECTOR, MOST_LINES, apic};
use crate::boot::acpi::Triggers;

const VERSION: u32 = 1;
const TABLE: u32 = 0x10;
const LOW: u64 = 1 << 13;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;

/// The controller; only whoever has the lock uses the pair of registers through which all others are reached.
struct IoApic {
    base: u64,
    lines: u32,
    triggers: Triggers,
    /// The lines that are let in, and those that have come although they are not: a bit each.
    open: u64,
    again: u64,
    /// Where each line goes.
    routes: [u32; MOST_LINES as usize],
}

/// Taken with interrupts off, for a few accesses, and no other lock is taken under it.
static CONTROLLER: Lock<IoApic> = Lock::new(IoApic {
    base: 0,
    lines: 0,
    triggers: Triggers { level: 0, low: 0 },
    open: 0,
    again: 0,
    routes: [0; MOST_LINES as usize],
});

impl IoApic {
    fn register(&self, offset: u64) -> *mut u32 {
        core::ptr::with_exposed_provenance_mut((DIRECT_WINDOW + self.base + offset) as usize)
    }

    fn read(&self, index: u32) -> u32 {
        // SAFETY: the MADT says that the controller is there, the direct window maps it uncached, and the lock is held.
        unsafe {
            self.register(0).write_volatile(index);
            self.register(0x10).read_volatile()
        }
    }

    fn write(&self, index: u32, value: u32) {
        // SAFETY: as for `read`; only entries of the table are written.
        unsafe {
            self.register(0).write_volatile(index);
            self.register(0x10).write_volatile(value);
        }
    }

    fn set_entry(&self, line: u32, masked: bool) {
        let vector = u64::from(LINE_VECTOR) + u64::from(line);
        let bit = |bits: u64, flag: u64| if bits >> line & 1 == 1 { flag } else { 0 };
        let trigger = bit(self.triggers.level, LEVEL) | bit(self.triggers.low, LOW);
        let mask = if masked { MASKED } else { 0 };
        let entry = u64::from(self.routes[line as usize]) << 56 | mask | trigger | vector;
        // The half with the mask comes last: what is let in goes where it should.
        self.write(TABLE + line * 2 + 1, (entry >> 32) as u32);
        self.write(TABLE + line * 2, entry as u32);
    }

    fn is_level(&self, line: u32) -> bool {
        self.triggers.level >> line & 1 == 1
    }
}

/// Takes charge of the controller; all lines are closed.
pub(super) fn set_up(base: u64, triggers: Triggers) {
    let mut controller = CONTROLLER.lock();
    (controller.base, controller.triggers) = (base, triggers);
    controller.lines = ((controller.read(VERSION) >> 16 & 0xff) + 1).min(MOST_LINES);
    for line in 0..controller.lines {
        controller.set_entry(line, true);
    }
}

pub(super) fn lines() -> u32 {
    CONTROLLER.lock().lines
}

/// Lets a line in, at the CPU with this hardware id; what has come meanwhile comes now.
pub(super) fn open(line: u32, id: u32) {
    let mut controller = CONTROLLER.lock();
    let bit = 1 << line;
    controller.open |= bit;
    controller.routes[line as usize] = id;
    controller.set_entry(line, false);
    let has_come = controller.again & bit != 0;
    controller.again &= !bit;
    if has_come {
        apic::send(id, u32::from(LINE_VECTOR) + line);
    }
}

/// Keeps a line out.
pub(super) fn close(line: u32) {
    let mut controller = CONTROLLER.lock();
    controller.open &= !(1 << line);
    controller.again &= !(1 << line);
    controller.set_entry(line, true);
}

/// The interrupt of a line has come to this CPU, and its end has not been told to the local controller; says whether
/// the kernel has to hear of it.
pub(super) fn arrives(line: u32) -> bool {
    let mut controller = CONTROLLER.lock();
    let bit = 1 << line;
    let is_open = controller.open & bit != 0;
    controller.open &= !bit;
    if controller.is_level(line) {
        controller.set_entry(line, true);
    } else if !is_open {
        // Nobody has answered to the one before. That another has come is all there is to know.
        controller.again |= bit;
        controller.set_entry(line, true);
    }
    is_open
}
