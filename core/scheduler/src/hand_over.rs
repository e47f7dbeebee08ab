//! The CPU passes from one thread to another without a run queue: from one that is about to wait to one that has waited
//! for just that. The context on which the one has run goes along, so that nobody else's turn comes any later.

use coldframe_abi::CpuId;

use crate::{NONE, Place, Scheduler};

/// In which direction a context goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// To one that will give it back.
    Out,
    /// Back to one that has lent it.
    Back,
}

impl Scheduler<'_> {
    /// Whether the running thread of a CPU can hand it over to a waiting one, with the context on which it runs: that is
    /// what the other one has lent, if it goes back, and the other is as urgent on it as this one is.
    #[must_use]
    #[inline(always)]
    pub fn can_hand_over(&self, cpu: CpuId, from: u32, to: u32, hand: Hand) -> bool {
        let queue = &self.cpus[usize::from(cpu.0)];
        let (leaving, coming) = (&self.rows[from as usize], &self.rows[to as usize]);
        queue.current == from
            && queue.online
            && coming.place == Place::Waiting
            && (coming.unbound || coming.affinity.contains(cpu))
            && (hand == Hand::Out || (coming.runs_on, coming.time) == (leaving.runs_on, leaving.time))
            && self.rows[leaving.runs_on as usize].own.level() == queue.level
            && coming.own.base() <= queue.level
    }

    /// Hands the CPU over: `from` waits, `to` runs, on what `from` has run on.
    ///
    /// Precondition: `can_hand_over`, and `from` has been charged. Postcondition: nothing has changed for any third thread (SCH-13).
    #[inline(always)]
    pub fn hand_over(&mut self, cpu: CpuId, from: u32, to: u32, hand: Hand) {
        let coming = &mut self.rows[to as usize];
        let spare = core::mem::replace(&mut coming.spare, NONE);
        coming.place = Place::Running;
        coming.cpu = cpu;
        (coming.next, coming.previous) = (to, to);
        let leaving = &mut self.rows[from as usize];
        let (turn, context, time) = (leaving.turn, leaving.runs_on, leaving.time);
        (leaving.turn, leaving.spare) = (NONE, spare);
        leaving.place = Place::Waiting;
        if hand == Hand::Back {
            (leaving.runs_on, leaving.time) = (from, leaving.own.time);
        }
        let coming = &mut self.rows[to as usize];
        (coming.turn, coming.runs_on, coming.time) = (turn, context, time);
        self.rows[context as usize].own.holder = to;
        self.cpus[usize::from(cpu.0)].current = to;
    }
}
