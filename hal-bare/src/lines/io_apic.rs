//! The interrupt controller of PCs (Intel 82093AA): a line each, routed to a CPU by an entry of its table.
//!
//! A level line is masked when it comes in, and lets go again when it is opened: its device asks on. An edge is gone
//! when it has come, so that an edge line stays unmasked, and one that comes while it is closed is kept for later.

use crate::boot::acpi::Triggers;

/// How many lines are served at most.
pub const MOST_LINES: u32 = 32;

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
    /// The lines that are let in, and those that have come although they are not: a bit each.
    open: u32,
    again: u32,
    /// The hardware id of the CPU to which each line goes.
    routes: [u32; MOST_LINES as usize],
}

impl IoApic {
    /// Lines that ask like this, all closed.
    #[must_use]
    pub const fn new(triggers: Triggers) -> Self {
        Self { triggers, open: 0, again: 0, routes: [0; MOST_LINES as usize] }
    }

    /// Masks the first lines of the table, as they are here.
    pub fn mask(&self, lines: u32, table: &mut impl Table) {
        (0..lines).for_each(|line| self.set(line, table, true));
    }

    fn set(&self, line: u32, table: &mut impl Table, masked: bool) {
        table.set(line, self.routes[line as usize], self.triggers, masked);
    }

    /// Lets a line in at a CPU; what has come meanwhile comes now.
    pub fn open(&mut self, line: u32, cpu: u32, table: &mut impl Table) {
        let bit = 1 << line;
        self.open |= bit;
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
        self.open &= !(1 << line);
        self.again &= !(1 << line);
        self.set(line, table, true);
    }

    /// The interrupt of a line has come to a CPU, which has not told its end to its local controller; says whether the
    /// kernel has to hear of it.
    pub fn arrives(&mut self, line: u32, table: &mut impl Table) -> bool {
        let bit = 1 << line;
        let is_open = self.open & bit != 0;
        self.open &= !bit;
        if self.triggers.level >> line & 1 == 1 {
            self.set(line, table, true);
        } else if !is_open {
            // Nobody has answered to the one before. That another has come is all there is to know.
            self.again |= bit;
            self.set(line, table, true);
        }
        is_open
    }
}
