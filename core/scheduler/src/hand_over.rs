//! The CPU passes from one thread to another without a run queue: from one that is about to wait to one that has waited
//! for just that. The context on which the one has run goes along, so that nobody else's turn comes any later.

use coldframe_abi::{CpuId, Instant, Nanos};

use crate::{Level, NONE, Place, Row, Scheduler};

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
    #[inline]
    pub fn can_hand_over(&self, cpu: CpuId, from: u32, to: u32, hand: Hand) -> bool {
        self.cpus[usize::from(cpu.0)].current == from
            && self.is_as_urgent_as_its_context(cpu)
            && self.waits_for_any(cpu, to)
            && may_run_on(
                &self.rows[to as usize],
                &self.rows[from as usize],
                self.cpus[usize::from(cpu.0)].level,
                hand,
            )
    }

    /// Whether what the running thread of an on-line CPU runs on is what makes it as urgent as it is: then whoever else runs on
    /// that may be as urgent. It stays so when the CPU is handed over.
    #[must_use]
    #[inline]
    pub fn is_as_urgent_as_its_context(&self, cpu: CpuId) -> bool {
        let queue = &self.cpus[usize::from(cpu.0)];
        let context = self.rows[queue.current as usize].runs_on;
        queue.online && self.rows[context as usize].own.level() == queue.level
    }

    /// Whether all that the running thread of a CPU has been charged for is in an account. It stays so when the CPU is handed
    /// over by `pass`.
    #[must_use]
    pub fn is_accounted(&self, cpu: CpuId) -> bool {
        self.cpus[usize::from(cpu.0)].unaccounted == Nanos::ZERO
    }

    /// Whether a thread waits, and may run on a CPU.
    #[must_use]
    #[inline]
    pub fn waits_for_any(&self, cpu: CpuId, thread: u32) -> bool {
        let row = &self.rows[thread as usize];
        row.place == Place::Waiting && (row.unbound || row.affinity.contains(cpu))
    }

    /// Whether a thread may run everywhere.
    #[must_use]
    #[inline(always)]
    pub fn is_unbound(&self, thread: u32) -> bool {
        self.rows[thread as usize].unbound
    }

    /// Hands the CPU over: `from` waits, `to` runs, on what `from` has run on.
    ///
    /// Precondition: `can_hand_over`, and `from` has been charged. Postcondition: nothing has changed for any third thread (SCH-13).
    pub fn hand_over(&mut self, cpu: CpuId, from: u32, to: u32, hand: Hand) {
        let Ok([leaving, coming]) = self.rows.get_disjoint_mut([from as usize, to as usize]) else {
            unreachable!("who waits does not run (SCH-1)")
        };
        let context = exchange(cpu, (leaving, from), coming, hand);
        self.rows[context as usize].own.holder = to;
        self.cpus[usize::from(cpu.0)].current = to;
    }

    /// Hands the CPU over if it is for the other one, and charges the one: what it has run on, and its turn, go on, and are
    /// charged when somebody looks at them.
    ///
    /// Precondition: what runs on the CPU is as urgent as its context and accounted, and the other one waits for any.
    #[inline(always)]
    pub fn pass(&mut self, cpu: CpuId, now: Instant, (from, to): (u32, u32), hand: Hand) -> Option<Passed> {
        let queue = &mut self.cpus[usize::from(cpu.0)];
        let [leaving, coming] = self.rows.get_disjoint_mut([from as usize, to as usize]).ok()?;
        if !may_run_on(coming, leaving, queue.level, hand) {
            return None;
        }
        let spent = now.since(queue.since);
        queue.since = now;
        queue.owed.0 += spent.0;
        queue.current = to;
        leaving.run_time.0 += spent.0;
        let passed = Passed { spent, unbound: leaving.unbound, level: leaving.own.base() };
        let context = exchange(cpu, (leaving, from), coming, hand);
        self.rows[context as usize].own.holder = to;
        Some(passed)
    }
}

/// What whoever passes a CPU on has to know of the one that leaves it.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// How long it has run.
    pub spent: Nanos,
    /// Whether it may run everywhere.
    pub unbound: bool,
    /// How urgent it is of its own.
    pub level: Level,
}

/// Whether one thread may run on what another runs on, at this level: it is no more urgent of its own, and has lent that, if it
/// goes back.
#[inline(always)]
fn may_run_on(coming: &Row, leaving: &Row, level: Level, hand: Hand) -> bool {
    (hand == Hand::Out || (coming.runs_on, coming.time) == (leaving.runs_on, leaving.time))
        && coming.own.base() <= level
}

/// One thread waits and the other runs; says on what.
#[inline(always)]
fn exchange(cpu: CpuId, (leaving, from): (&mut Row, u32), coming: &mut Row, hand: Hand) -> u32 {
    coming.place = Place::Running;
    coming.cpu = cpu;
    leaving.spare = core::mem::replace(&mut coming.spare, NONE);
    coming.turn = core::mem::replace(&mut leaving.turn, NONE);
    leaving.place = Place::Waiting;
    let context = leaving.runs_on;
    (coming.runs_on, coming.time) = (context, leaving.time);
    if hand == Hand::Back {
        (leaving.runs_on, leaving.time) = (from, leaving.own.time);
    }
    context
}
