//! A thread goes from place to place: it is made, taken, put somewhere, changed.

use coldframe_abi::{CpuId, Instant};
use coldframe_hal::CpuSet;

use crate::{Context, Loose, NONE, Place, Scheduler};

/// Why a thread becomes runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It starts, or goes on after something that was done to it.
    Start,
    /// What it waited for happened.
    Event,
    /// An interrupt ended its wait: it goes to the head of its level.
    Interrupt,
}

/// Another CPU has to enter the kernel.
#[must_use = "the CPU will not look unless it is kicked"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kick(pub CpuId);

impl Scheduler<'_> {
    /// Makes a new row usable. Rows are admitted once each, in order.
    pub fn admit(&mut self, thread: u32) {
        self.admit_turn(thread);
        self.rows[thread as usize].spare = thread;
    }

    /// Takes a free row into use; the thread is held.
    pub fn create(&mut self, thread: u32, context: Context, affinity: CpuSet, cpu: CpuId) {
        let row = &mut self.rows[thread as usize];
        assert_eq!(row.place, Place::Free, "the row has a thread (SCH-1)");
        // Who remembers the context of the thread that was here before has nothing to ask back from this one.
        let time = row.own.time + 1;
        *row = crate::Row {
            spare: row.spare,
            own: Context { holder: thread, time, ..context },
            runs_on: thread,
            time,
            affinity,
            unbound: affinity.is_all(),
            cpu,
            place: Place::Held,
            ..crate::Row::default()
        };
    }

    /// Gives the row of an ended thread back.
    pub fn destroy(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        let row = &mut self.rows[thread as usize];
        assert_eq!((row.runs_on, row.own.holder), (thread, thread), "a context outlives its loans (SCH-7)");
        row.place = Place::Free;
    }

    /// Takes a thread from wherever it is, if that is no CPU.
    pub fn take(&mut self, thread: u32) -> Loose {
        match self.rows[thread as usize].place {
            Place::Queued => {
                self.unlink(thread);
                self.leave_turn(thread);
            }
            Place::Held | Place::Waiting => {}
            place => unreachable!("thread {thread} is {place:?}, which nobody can take it from (SCH-1)"),
        }
        self.rows[thread as usize].place = Place::Moving;
        self.loosen(thread)
    }

    /// Parks a thread that waits for something.
    pub fn park(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        self.rows[thread as usize].place = Place::Waiting;
    }

    /// Parks a thread that may not run.
    pub fn hold(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        self.rows[thread as usize].place = Place::Held;
    }

    /// Queues a thread on the best CPU for it. `here` is the CPU that is in the kernel and will look anyway.
    #[inline]
    pub fn place(&mut self, loose: Loose, wake: Wake, here: CpuId) -> Option<Kick> {
        let thread = loose.thread();
        let context = self.rows[thread as usize].runs_on;
        if wake != Wake::Start {
            self.rows[context as usize].own.raise();
        }
        let cpu = self.choose_cpu(thread, self.level_of(thread));
        self.enqueue(loose, cpu, wake == Wake::Interrupt, here)
    }

    #[inline]
    pub(crate) fn enqueue(&mut self, loose: Loose, cpu: CpuId, front: bool, here: CpuId) -> Option<Kick> {
        let thread = self.spend(loose);
        let level = self.level_of(thread);
        let before = self.cpus[usize::from(cpu.0)].top();
        self.rows[thread as usize].cpu = cpu;
        let (turn, fresh) = self.join_turn(thread, cpu, level);
        self.link(thread, turn, front);
        if front && fresh {
            // A group that is present keeps its place: only one that was away may be first (SCH-5).
            self.turn_first(turn);
        }
        if cpu == here {
            return None;
        }
        // A less urgent thread changes nothing there, unless a boost must now end; an equal one ends a slice.
        let matters = before.is_none_or(|top| level >= top) || self.boost_of_current(cpu) > 0;
        if matters { self.kick(cpu, here) } else { None }
    }

    fn boost_of_current(&self, cpu: CpuId) -> u8 {
        let current = self.cpus[usize::from(cpu.0)].current;
        if current == NONE {
            return 0;
        }
        self.rows[self.rows[current as usize].runs_on as usize].own.boost
    }

    /// Asks a CPU to look, unless it is the one that looks now or has been asked already.
    pub fn kick(&mut self, cpu: CpuId, here: CpuId) -> Option<Kick> {
        if cpu == here || core::mem::replace(&mut self.queue(cpu).kicked, true) {
            return None;
        }
        Some(Kick(cpu))
    }

    /// Notes that a CPU has come in: a kick that was on its way has done its work.
    #[inline]
    pub fn entered(&mut self, cpu: CpuId) {
        self.queue(cpu).kicked = false;
    }

    /// Changes a thread's context and looks where whoever has that belongs now; the kick is for the CPU that has to look.
    pub fn change(
        &mut self,
        thread: u32,
        here: CpuId,
        now: Instant,
        change: impl FnOnce(&mut Context, &mut CpuSet),
    ) -> Option<Kick> {
        let holder = self.rows[thread as usize].own.holder;
        self.placed_anew(holder, here, now, |scheduler| {
            let row = &mut scheduler.rows[thread as usize];
            change(&mut row.own, &mut row.affinity);
            row.unbound = row.affinity.is_all();
            row.own.boost = 0;
            let class = scheduler.level_of(holder).class();
            let own = &mut scheduler.rows[thread as usize].own;
            own.slice_left = own.slice_left.min(crate::slice_of(class));
        })
    }
}
