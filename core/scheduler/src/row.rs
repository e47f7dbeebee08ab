//! What the scheduler keeps for each thread, and the right to put a thread somewhere.

use coldframe_abi::{CpuId, Nanos};
use coldframe_hal::CpuSet;

use crate::{Context, NONE, Scheduler};

/// Where a thread is: in exactly one place at every moment (SCH-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// The row belongs to no thread.
    #[default]
    Free,
    /// In nobody's queue: suspended, being built or being torn down.
    Held,
    /// In the run queue of its CPU.
    Queued,
    /// On its CPU.
    Running,
    /// Waiting for something that the kernel knows.
    Waiting,
    /// In somebody's hands: a `Loose` for it exists.
    Moving,
}

/// The scheduler's part of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The neighbours in the ring of its group's turn, while queued.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// The turn that it is a member of, while queued or running.
    pub(crate) turn: u32,
    /// The turn record that it carries, while it is not a member of any.
    pub(crate) spare: u32,
    /// Whose context it runs on: its own number, or another's while one is lent to it. While it waits for a reply: whose
    /// it has lent, and which time that was at home.
    pub(crate) runs_on: u32,
    pub(crate) time: u64,
    /// The CPU that it is on, or was on last.
    pub(crate) cpu: CpuId,
    pub(crate) place: Place,
    /// Its own context.
    pub(crate) own: Context,
    pub(crate) affinity: CpuSet,
    /// It may run on every CPU: the usual case, told by one byte.
    pub(crate) unbound: bool,
    pub(crate) run_time: Nanos,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            next: NONE,
            previous: NONE,
            turn: NONE,
            spare: NONE,
            runs_on: NONE,
            time: 0,
            cpu: CpuId(0),
            place: Place::Free,
            own: Context::default(),
            affinity: CpuSet::ALL,
            unbound: true,
            run_time: Nanos::ZERO,
        }
    }
}

impl Row {
    /// Where the thread is.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// The CPU that it is on, or was on last.
    #[must_use]
    pub const fn cpu(&self) -> CpuId {
        self.cpu
    }

    /// Its own context.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.own
    }

    /// Its own context, to be split for a new thread.
    pub const fn context_mut(&mut self) -> &mut Context {
        &mut self.own
    }

    /// Whose context it runs on.
    #[must_use]
    pub const fn runs_on(&self) -> u32 {
        self.runs_on
    }

    /// The turn that it is a member of.
    #[must_use]
    pub const fn turn(&self) -> u32 {
        self.turn
    }

    /// The next thread in the ring of its turn, while queued.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// The same row, whatever turn record it is a member of or carries: one is as good as another; and, while it runs, beside
    /// whom it was queued.
    #[must_use]
    pub fn without_records(&self) -> Self {
        let runs = self.place == Place::Running;
        let (next, previous) = if runs { (NONE, NONE) } else { (self.next, self.previous) };
        Self { turn: NONE, spare: NONE, next, previous, ..self.clone() }
    }

    /// Where it may run.
    #[must_use]
    pub const fn affinity(&self) -> CpuSet {
        self.affinity
    }

    /// Whether it may run everywhere.
    #[must_use]
    #[inline]
    pub const fn is_unbound(&self) -> bool {
        self.unbound
    }

    /// How long it has run, up to the last time it was charged.
    #[must_use]
    pub const fn run_time(&self) -> Nanos {
        self.run_time
    }
}

/// The right to put a thread somewhere. It moves and cannot be copied, so that a thread is never queued twice; each is
/// counted until it is used, so that none is forgotten (SCH-1).
#[must_use = "a thread that is put nowhere never runs again"]
#[derive(Debug)]
pub struct Loose {
    thread: u32,
}

impl Loose {
    /// Which thread.
    #[must_use]
    pub const fn thread(&self) -> u32 {
        self.thread
    }
}

impl Scheduler<'_> {
    #[inline]
    pub(crate) fn loosen(&mut self, thread: u32) -> Loose {
        self.state.loose += 1;
        Loose { thread }
    }

    #[inline]
    pub(crate) fn spend(&mut self, loose: Loose) -> u32 {
        self.state.loose -= 1;
        loose.thread
    }
}
