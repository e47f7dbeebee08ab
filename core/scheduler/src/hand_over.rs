//! The CPU passes from one thread to another without a run queue: from one that is about to wait to one that has waited
//! for just that.

use coldframe_abi::{CpuId, Instant};

use crate::{Context, NONE, Place, Scheduler};

/// Whether one thread can take the place of another where that is: nobody would see a difference but who it is.
#[inline]
fn is_equal(one: &Context, other: &Context) -> bool {
    (one.class, one.priority, one.boost, one.group) == (other.class, other.priority, other.boost, other.group)
}

impl Scheduler<'_> {
    /// Whether the running thread of a CPU can hand it over to a waiting one: nobody else waits for that CPU, nor
    /// elsewhere for any that does less, and the two are equals.
    #[must_use]
    #[inline(always)]
    pub fn can_hand_over(&self, cpu: CpuId, from: u32, to: u32) -> bool {
        let queue = &self.cpus[usize::from(cpu.0)];
        let (leaving, coming) = (&self.rows[from as usize], &self.rows[to as usize]);
        queue.current == from
            && queue.queued == [0; 4]
            && queue.online
            && !queue.kicked
            && coming.place == Place::Waiting
            && coming.cpu == cpu
            && coming.unbound
            && coming.runs_on == to
            && leaving.runs_on == from
            && is_equal(&leaving.own, &coming.own)
            && !self.state.is_waiting_above(queue.level.class_index())
    }

    /// Hands the CPU over: `from` waits, `to` runs.
    ///
    /// Precondition: `can_hand_over`. Postcondition: the same as if one had stopped and parked, and the other had been
    /// placed and chosen, but for which turn record each of them carries (SCH-13).
    #[inline(always)]
    pub fn hand_over(&mut self, cpu: CpuId, from: u32, to: u32, now: Instant) {
        self.charge(cpu, now);
        let coming = &mut self.rows[to as usize];
        let left = coming.own.slice_left;
        let spare = core::mem::replace(&mut coming.spare, NONE);
        coming.place = Place::Running;
        (coming.next, coming.previous) = (to, to);
        let leaving = &mut self.rows[from as usize];
        let turn = core::mem::replace(&mut leaving.turn, NONE);
        leaving.spare = spare;
        leaving.place = Place::Waiting;
        self.rows[to as usize].turn = turn;
        // A group that comes anew gets what its thread has left, as in `join_turn`.
        self.turns[turn as usize].left = left;
        self.cpus[usize::from(cpu.0)].current = to;
    }
}
