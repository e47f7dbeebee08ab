//! The registers of the interrupt controller of devices, where the direct window shows them.

use coldframe_sync::Lock;

use super::{DIRECT_WINDOW, LINE_VECTOR, apic};
use crate::boot::acpi::Triggers;
use crate::lines::{IoApic, MOST_LINES, Table};

const VERSION: u32 = 1;
const TABLE: u32 = 0x10;
const LOW: u64 = 1 << 13;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;

/// The pair of registers through which all others are reached: only whoever has the lock uses it.
struct Hardware {
    base: u64,
}

/// Taken with interrupts off, for a few accesses, and no other lock is taken under it.
static CONTROLLER: Lock<(IoApic, Hardware)> =
    Lock::new((IoApic::new(Triggers { level: 0, low: 0 }, 0), Hardware { base: 0 }));

impl Hardware {
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
}

impl Table for Hardware {
    fn set(&mut self, line: u32, cpu: u32, triggers: Triggers, masked: bool) {
        let vector = u64::from(LINE_VECTOR) + u64::from(line);
        let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
        let trigger = flag(triggers.level >> line & 1 == 1, LEVEL) | flag(triggers.low >> line & 1 == 1, LOW);
        let entry = u64::from(cpu) << 56 | flag(masked, MASKED) | trigger | vector;
        // The half with the mask comes last: what is let in goes where it should.
        self.write(TABLE + line * 2 + 1, (entry >> 32) as u32);
        self.write(TABLE + line * 2, entry as u32);
    }

    fn send(&mut self, line: u32, cpu: u32) {
        apic::send(cpu, u32::from(LINE_VECTOR) + line);
    }
}

/// Takes charge of the controller; all lines are closed. Those behind its own are for messages.
pub(super) fn set_up(base: u64, triggers: Triggers) {
    let (lines, hardware) = &mut *CONTROLLER.lock();
    hardware.base = base;
    let wires = ((hardware.read(VERSION) >> 16 & 0xff) + 1).min(MOST_LINES);
    *lines = IoApic::new(triggers, wires);
    lines.mask(hardware);
}

/// How many lines there are: none without a controller.
pub(super) fn lines() -> u32 {
    if CONTROLLER.lock().1.base == 0 { 0 } else { MOST_LINES }
}

/// Whether devices ask on a line by messages.
pub(super) fn has_no_wire(line: u32) -> bool {
    !CONTROLLER.lock().0.has_wire(line)
}

/// Lets a line in, at the CPU with this hardware id.
pub(super) fn open(line: u32, id: u32) {
    let (lines, hardware) = &mut *CONTROLLER.lock();
    lines.open(line, id, hardware);
}

/// Keeps a line out.
pub(super) fn close(line: u32) {
    let (lines, hardware) = &mut *CONTROLLER.lock();
    lines.close(line, hardware);
}

/// The interrupt of a line has come to this CPU; says whether the kernel has to hear of it.
pub(super) fn arrives(line: u32) -> bool {
    let (lines, hardware) = &mut *CONTROLLER.lock();
    lines.arrives(line, hardware)
}
