//! The interrupt controller of PCs (Intel 82093AA): a line each, routed to a CPU by an entry of its table.
//!
//! A level line is masked when it comes in, and lets go again when it is opened: its device asks on. An edge is gone
//! when it has come, so that an edge line stays unmasked, and one that comes while it is closed is kept for later.
//!
//! Behind the lines of the controller are some that have no wire: their devices write messages to the controllers of
//! CPUs. Each is an edge, and there is nothing to mask.

use crate::boot::acpi::Triggers;

/// How many lines are served, messages included: as many as there are vectors for.
pub const MOST_LINES: u32 = 55;

/// The table of the controller, and the way to a CPU.
pub trait Table {
    /// Says where the interrupts of a line go, how it asks, and whether it is masked.
    fn set(&mut self, line: u32, cpu: u32, triggers: Triggers, masked: bool);

    /// Has the interrupt of a line come to a CPU without its device.
    fn send(&mut self, line: u32, cpu: u32);
}

/// The lines of the controller; who changes them has a lock.
#[derive(Clone, Debug)]
pub struct IoApic {
    triggers: Triggers,
    /// How many lines have a wire: the first.
    wires: u32,
    /// The lines that are let in, those that have come since and have not been opened again, and those of them that
    /// have come once more: a bit each.
    open: u64,
    held: u64,
    again: u64,
    /// The hardware id of the CPU to which each line goes.
    routes: [u32; MOST_LINES as usize],
}

impl IoApic {
    /// Lines that ask like this, so many by wires and the others by messages, all closed.
    #[must_use]
    pub const fn new(triggers: Triggers, wires: u32) -> Self {
        Self { triggers, wires, open: 0, held: 0, again: 0, routes: [0; MOST_LINES as usize] }
    }

    /// Whether a line is one of the controller's.
    #[must_use]
    pub const fn has_wire(&self, line: u32) -> bool {
        line < self.wires
    }

    /// Masks the lines of the table, as they are here.
    pub fn mask(&self, table: &mut impl Table) {
        (0..self.wires).for_each(|line| self.set(line, table, true));
    }

    fn set(&self, line: u32, table: &mut impl Table, masked: bool) {
        if self.has_wire(line) {
            table.set(line, self.routes[line as usize], self.triggers, masked);
        }
    }

    /// Lets a line in at a CPU; what has come meanwhile comes now.
    pub fn open(&mut self, line: u32, cpu: u32, table: &mut impl Table) {
        let bit = 1 << line;
        self.open |= bit;
        self.held &= !bit;
        self.routes[line as usize] = cpu;
        self.set(line, table, false);
        let has_come = self.again & bit != 0;
        self.again &= !bit;
        if has_come {
            table.send(line, cpu);
        }
    }

    /// Keeps a line out.
    pub fn close(&mut self, line: u32, table: &mut impl Table) {
        let others = !(1 << line);
        (self.open, self.held, self.again) = (self.open & others, self.held & others, self.again & others);
        self.set(line, table, true);
    }

    /// The interrupt of a line has come to a CPU, which has not told its end to its local controller; says whether the
    /// kernel has to hear of it.
    pub fn arrives(&mut self, line: u32, table: &mut impl Table) -> bool {
        let bit = 1 << line;
        let is_level = self.has_wire(line) && self.triggers.level >> line & 1 == 1;
        let is_open = self.open & bit != 0;
        if is_open {
            self.open &= !bit;
            self.held |= bit;
        } else if !is_level {
            // If somebody has not answered to the one before: that another has come is all there is to know.
            self.again |= self.held & bit;
        }
        if is_level || !is_open {
            self.set(line, table, true);
        }
        is_open
    }
}
