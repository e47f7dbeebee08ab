//! The thread that runs on a CPU: it is charged, it stops, it gives way to the others of its level.

use coldframe_abi::{CpuId, Instant, Nanos};

use crate::{Loose, NONE, Place, Scheduler};

/// Why a thread that ran is queued again.
pub(crate) enum PutBack {
    Exhausted,
    Preempted,
    Yielded,
}

/// The running thread of a CPU, the one that it can yield to, and the turn that they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    leaving: u32,
    coming: u32,
    turn: u32,
}

impl Swap {
    /// Who runs next.
    #[must_use]
    pub const fn coming(self) -> u32 {
        self.coming
    }
}

impl Scheduler<'_> {
    /// Charges the running thread for the time since it was charged last; says whom, and how much of its time nobody has
    /// put to an account yet.
    #[inline(always)]
    pub fn charge(&mut self, cpu: CpuId, now: Instant) -> (u32, Nanos) {
        let queue = self.queue(cpu);
        match queue.current {
            NONE => {
                queue.since = now;
                (NONE, Nanos::ZERO)
            }
            thread => (thread, self.charge_running(cpu, thread, now)),
        }
    }

    /// The same for a CPU of which one knows who runs there.
    #[inline(always)]
    pub fn charge_running(&mut self, cpu: CpuId, thread: u32, now: Instant) -> Nanos {
        let queue = self.queue(cpu);
        let spent = now.since(queue.since);
        queue.since = now;
        let unaccounted = core::mem::take(&mut queue.unaccounted);
        let due = Nanos(core::mem::take(&mut queue.owed).0 + spent.0);
        if due.0 == 0 {
            return unaccounted;
        }
        let row = &mut self.rows[thread as usize];
        row.run_time.0 += spent.0;
        let (turn, context) = (row.turn, row.runs_on);
        let turn = &mut self.turns[turn as usize];
        turn.left = turn.left.minus(due);
        let context = &mut self.rows[context as usize].own;
        context.slice_left = context.slice_left.minus(due);
        Nanos(unaccounted.0 + spent.0)
    }

    /// The same where there is no account at hand: whoever charges it next is told.
    #[inline]
    pub(crate) fn charge_unaccounted(&mut self, cpu: CpuId, now: Instant) {
        let (_, spent) = self.charge(cpu, now);
        self.queue(cpu).unaccounted = spent;
    }

    /// Takes the running thread off its CPU: it waits, ends or is held.
    #[inline]
    pub fn stop(&mut self, cpu: CpuId, now: Instant) -> Loose {
        self.charge_unaccounted(cpu, now);
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        assert_ne!(thread, NONE, "an idle CPU has nobody to stop");
        let turn = self.rows[thread as usize].turn;
        self.leave_turn(thread);
        if self.turns[turn as usize].members > 0 && self.rows[thread as usize].spare != turn {
            self.pass_on_if_over(turn);
        }
        self.rows[thread as usize].place = Place::Moving;
        self.loosen(thread)
    }

    /// Lets the others of the running thread's level go first. Precondition: it has been charged.
    #[inline]
    pub fn yield_now(&mut self, cpu: CpuId) {
        if !self.swap_with_next(cpu) {
            self.give_way(cpu);
        }
    }

    #[inline(never)]
    fn give_way(&mut self, cpu: CpuId) {
        let thread = self.cpus[usize::from(cpu.0)].current;
        if self.turns[self.rows[thread as usize].turn as usize].first != NONE
            && let Some(swap) = self.next_of_turn(cpu, Nanos::ZERO)
        {
            self.swap(cpu, swap);
        } else if self.may_stay(thread, cpu) {
            // One that may not be here any more is not queued here: `settle` takes it elsewhere.
            self.put_back(cpu, PutBack::Yielded);
        }
    }

    /// The common yield: the next thread of the same turn runs, and the running one takes the last place, which is
    /// the one that the next has left in the ring. Nothing else changes. False if it is not that simple.
    #[inline(always)]
    fn swap_with_next(&mut self, cpu: CpuId) -> bool {
        let swap = self.first_of_turn(cpu, Nanos::ZERO).filter(|swap| self.are_unbound(*swap, cpu));
        if let Some(swap) = swap {
            self.swap(cpu, swap);
        }
        swap.is_some()
    }

    /// Who runs next on a CPU if its running thread has had so much more time and yields, and nothing changes by that but
    /// the places of those two.
    #[must_use]
    #[inline(always)]
    pub fn next_of_turn(&self, cpu: CpuId, spent: Nanos) -> Option<Swap> {
        self.first_of_turn(cpu, spent)
            .filter(|swap| self.are_unbound(*swap, cpu) || self.stay_together(*swap, cpu))
    }

    /// Whether two may run everywhere. When `settle` last looked, no other CPU had time for the one that waits, so
    /// none has for the other.
    #[inline(always)]
    fn are_unbound(&self, swap: Swap, cpu: CpuId) -> bool {
        let unbound = |thread: u32| self.rows[thread as usize].unbound;
        unbound(swap.leaving) && unbound(swap.coming) && self.cpus[usize::from(cpu.0)].online
    }

    /// Whether two of which one may not run everywhere may both be on this CPU, and no CPU would find anything else to do.
    #[inline(always)]
    fn stay_together(&self, swap: Swap, cpu: CpuId) -> bool {
        let class = self.turns[swap.turn as usize].level().class_index();
        !self.state.is_less_urgent_cpu(class)
            && !self.state.is_waiting_above(class)
            && self.may_stay(swap.leaving, cpu)
            && self.may_stay(swap.coming, cpu)
    }

    /// The same, whether the two may be on this CPU or not.
    #[inline(always)]
    fn first_of_turn(&self, cpu: CpuId, spent: Nanos) -> Option<Swap> {
        let leaving = self.cpus[usize::from(cpu.0)].current;
        let row = &self.rows[leaving as usize];
        let turn = &self.turns[row.turn as usize];
        let coming = turn.first;
        let time_left = turn.left > spent && self.rows[row.runs_on as usize].own.slice_left > spent;
        (coming != NONE && time_left).then_some(Swap { leaving, coming, turn: row.turn })
    }

    /// The running thread of a CPU yields to the next one.
    ///
    /// Precondition: these are the ones of `next_of_turn`, and the running one has been charged.
    #[inline(always)]
    pub fn swap(&mut self, cpu: CpuId, swap: Swap) {
        let Swap { leaving: thread, coming: next, turn } = swap;
        let turn = &mut self.turns[turn as usize];
        let coming = &mut self.rows[next as usize];
        coming.place = Place::Running;
        let (behind, last) = (coming.next, coming.previous);
        self.cpus[usize::from(cpu.0)].current = next;
        let alone = behind == next;
        let (behind, last) = if alone { (thread, thread) } else { (behind, last) };
        turn.first = behind;
        if !alone {
            self.rows[behind as usize].previous = thread;
            self.rows[last as usize].next = thread;
        }
        let row = &mut self.rows[thread as usize];
        row.place = Place::Queued;
        (row.next, row.previous) = (behind, last);
    }

    #[inline]
    fn pass_on_if_over(&mut self, turn: u32) {
        let record = &mut self.turns[turn as usize];
        if record.left.0 == 0 {
            self.pass_on(turn);
        }
    }

    #[inline]
    fn pass_on(&mut self, turn: u32) {
        let class = self.turns[turn as usize].level().class();
        self.turns[turn as usize].left = crate::slice_of(class);
        self.turn_last(turn);
    }

    /// Queues the running thread again on its own CPU.
    #[inline]
    pub(crate) fn put_back(&mut self, cpu: CpuId, why: PutBack) {
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        let row = &self.rows[thread as usize];
        let (mut turn, context) = (row.turn, row.runs_on);
        let context = &mut self.rows[context as usize].own;
        let slice_over = context.slice_left.0 == 0;
        if slice_over {
            context.refill(self.turns[turn as usize].level().class());
        }
        if slice_over && self.level_of(thread) != self.turns[turn as usize].level() {
            self.leave_turn(thread);
            (turn, _) = self.join_turn(thread, cpu, self.level_of(thread));
        }
        let alone = self.turns[turn as usize].first == NONE;
        self.link(thread, turn, !slice_over && !matches!(why, PutBack::Yielded));
        match why {
            PutBack::Yielded if alone => self.pass_on(turn),
            _ => self.pass_on_if_over(turn),
        }
    }

    /// Whether somebody else at the running thread's level waits for the end of its slice or of its group's turn.
    #[inline]
    pub(crate) fn rivals(&self, cpu: CpuId) -> (bool, bool) {
        let thread = self.cpus[usize::from(cpu.0)].current;
        let turn = self.rows[thread as usize].turn;
        let record = &self.turns[turn as usize];
        (record.next != turn, record.first != NONE)
    }

    /// When the scheduler wants this CPU back: nothing is armed that would change nothing (SCH-6).
    #[must_use]
    #[inline]
    pub fn next_event(&self, cpu: CpuId) -> Option<Instant> {
        let queue = &self.cpus[usize::from(cpu.0)];
        if queue.current == NONE {
            return None;
        }
        let row = &self.rows[queue.current as usize];
        let context = &self.rows[row.runs_on as usize].own;
        let (groups, threads) = self.rivals(cpu);
        let slice = queue.since.after(context.slice_left);
        if groups {
            Some(slice.min(queue.since.after(self.turns[row.turn as usize].left)))
        } else if threads || (context.boost > 0 && queue.queued() > 0) {
            Some(slice)
        } else {
            None
        }
    }
}
