//! The oracles: each has a name and a statement, and says what it saw when it fires.

mod audit;
mod authority;
mod cargo;
mod context;
mod hints;
mod interrupts;
mod lending;
mod memory;
mod printed;
mod queues;
mod sets;
mod shares;
mod steps;
mod walls;

use std::fmt;

use coldframe_abi::{Instant, Number};
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_scheduler::NONE;
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters, Survey};

use crate::model::{Answers, Model};

pub(crate) use audit::names_of_kept;
pub use memory::Allowed;
pub(crate) use queues::word_there;
pub use shares::Shares;

/// An oracle: a name and what it claims, its grace included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oracle {
    /// What reports call it.
    pub name: &'static str,
    /// What must hold.
    pub statement: &'static str,
}

macro_rules! oracles {
    ($($constant:ident $name:literal: $statement:literal;)+) => {
        $(#[doc = $statement] pub const $constant: Oracle = Oracle { name: $name, statement: $statement };)+
        /// Every oracle.
        pub const ORACLES: &[Oracle] = &[$($constant),+];
    };
}

oracles! {
    CURRENT "current": "what runs on a CPU says that it runs there, and its registers are in that CPU";
    ONE_PLACE "one-place": "every thread is in exactly one place, and in a queue if and only if it says so";
    WORK_CONSERVING "work-conserving":
        "nothing runnable waits while a CPU that may run it idles, unless one of the two has a kick on its way";
    CLASS_ORDER "class-order":
        "once all kicks and timers have been delivered, no thread waits for one of a lower class";
    WAITS_END "waits-end": "a waiting thread is known to what it waits for, and that can still happen";
    TIMER_SET "timer-set": "a CPU's timer is set no later than its next event, rings before a wait outlives its deadline, and is not set for nothing when it goes idle";
    CONTEXT_KEPT "context-kept": "a thread goes on with the registers that it left with, but for its answer";
    CONTEXT_LENT "context-lent": "whoever serves a call runs on the context of one that waits for it, and nobody else does; each is queued by what it runs on";
    ORDERS_OBEYED "orders-obeyed": "no thread that is suspended, ended, or not allowed there leaves the kernel";
    SLICE_ENDS "slice-ends": "nobody runs for more than a slice while another of its group, or another group of its level, waits for that CPU";
    BOOST_ENDS "boost-ends": "a boost is within its class's limit and gone after a slice of running";
    TIME_ACCOUNTED "time-accounted": "a thread is charged for the time that it had a CPU, no more and no less";
    GROUP_SHARES "group-shares": "groups that compute side by side get the same time, within two slices";
    TEARDOWN_ENDS "teardown-ends": "the reaper makes no thousand steps while a process goes without a frame that comes back";
    REST "rest": "a machine at rest has no runnable thread, and no process that has ended has memory left";
    PRINTED "printed": "the console shows what the memory of whoever prints holds there, and nothing else";
    FRAMES_KEPT "frames-kept":
        "while no flush is under way, every frame is free, kept back, the kernel's, or held by who pays for it; by several only if that is counted";
    PAGES_SAFE "pages-safe":
        "no page is writable that is executable or shared, as a walker that is not the kernel's finds it; the kernel's half is in every space";
    NOTHING_STALE "nothing-stale":
        "unless a flush of that space is under way, no CPU remembers of a space what is no longer true; never does it reach a free frame";
    MEMORY_KEPT "memory-kept": "a thread finds in its memory what it has put there, and each call does what it says";
    FAULT_REPAIRED "fault-repaired": "who touches what it may touch goes on, unless memory is short; who touches what it may not does not";
    CARGO "cargo":
        "pages that go along with a message are frozen until its sender goes on, reached by nobody else if they move, and by whom they are lent to if they are lent; nothing else is frozen";
    AUTHORITY "authority":
        "capabilities are a forest in which nobody has more rights than what it was derived from, and all who count or list them are right";
    QUEUED "queued-where-it-waits":
        "who waits in line is in that queue and listed by the capability that it came by, and nobody else is; a word is there at which somebody waits, unless a flush of that space is under way; nobody waits to send where somebody waits to receive, or to receive where signals have been raised, or where nobody can come";
    INTERRUPTS "interrupts":
        "a line lets interrupts in while somebody listens and nobody has to answer, and at no other time; whoever has to answer is looked after";
    KEPT_APART "kept-apart":
        "who has a host waits to be received by the host's name only; who has closed itself waits to receive where nobody else is heard; neither tries the fast way";
    EITHER_WAY "either-way": "an entry that takes the short way comes to what it would have come to the long way";
    QUICK "quick":
        "a CPU lets calls be tried the fast way by the thread that runs there, those that its process may try, and while nobody has asked it to look";
    RESTS "rests": "a thread of which the kernel keeps that the CPU can be passed to it has nothing to do before it goes on";
    FAST_WAY "fast-way": "a call that is answered the fast way comes to what it would have come to, and one that is declined changes nothing";
    MODEL "model":
        "every call is answered as the reference model says, and whoever may run by its rules does, and nobody else";
}

/// An oracle has fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub oracle: Oracle,
    /// What it saw.
    pub detail: String,
    /// When.
    pub at: Instant,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "oracle {}: {} [{}; at {} ns]",
            self.oracle.name, self.detail, self.oracle.statement, self.at.0
        )
    }
}

/// What the oracles remember from step to step.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    contexts: context::Contexts,
    printed: printed::Printed,
    steps: steps::Steps,
    shares: Shares,
    model: Model,
    /// Kept from audit to audit, so that a step allocates nothing.
    found: Vec<u32>,
    memory: memory::Scratch,
    authority: authority::Scratch,
    entries: u64,
}

/// How often, in entries, everything is checked and not only what an entry has touched.
const AUDIT_EVERY: u64 = 1_024;

/// How often, in entries, the words are looked at where threads of the process wait that was in the kernel.
const WORDS_EVERY: u64 = 16;

impl Watch {
    /// Nothing seen yet but a kernel that has its first processes.
    #[must_use]
    pub fn new<F: HardwareFormat>(kernel: &Kernel<HostMachine<F>>, cpus: usize) -> Self {
        let model = Model::new(&kernel.inspect(), cpus);
        Self { steps: steps::Steps::new(cpus), model, ..Self::default() }
    }

    /// What calls have been answered so far.
    #[must_use]
    pub const fn answers(&self) -> &Answers {
        self.model.answers()
    }

    /// Programs can print from this range.
    pub fn add_readable(&mut self, start: u64, end: u64) {
        self.model.add_readable(start, end);
    }

    /// Notes what the entry that follows may change before anybody can look.
    #[inline]
    pub fn before_entry<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        trap: Trap,
        was: u32,
        before: &HostRegisters,
    ) {
        self.model.before_entry(kernel, &kernel.inspect(), trap, was, before);
    }

    /// Judges one entry by what it has touched.
    ///
    /// # Errors
    /// If an oracle fires.
    #[expect(clippy::too_many_arguments, reason = "an entry is judged by all that is known about it")]
    #[inline]
    pub fn after_entry<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        cpus: &[HostCpu<F>],
        cpu: usize,
        trap: Trap,
        resume: Resume,
        was: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        self.entries += 1;
        if resume == Resume::Off {
            if trap == Trap::Syscall && before.request.number == Number::PowerOff as u64 {
                return self.model.turned_off(&kernel.inspect(), was, now);
            }
            return Ok(());
        }
        let view = kernel.inspect();
        self.contexts.check(kernel, &cpus[cpu], trap, resume, was, before, now)?;
        let thorough = thorough(view.rows.len(), self.entries);
        self.steps.check(kernel, &view, cpus, cpu, resume, thorough, now)?;
        if was != NONE && was != 0 {
            audit::wait_can_end(&view, was as usize, now)?;
            queues::fits(&view, was as usize, now)?;
            walls::fits(&view, was as usize, now)?;
            hints::rests(&view, was as usize, now)?;
            lending::fits(&view, was as usize, now)?;
            cargo::fits(kernel, &view, &cpus[cpu], resume, now)?;
            if self.entries.is_multiple_of(WORDS_EVERY) {
                queues::words_are_there(kernel, view.threads[was as usize].process() as usize, now)?;
            }
        }
        interrupts::fit(kernel, now)?;
        self.shares.check(&view, cpu, trap, now)?;
        memory::nothing_stale(kernel, &view, cpus, cpu, now)?;
        if resume == Resume::User && kernel.loaded(cpus[cpu].id()) == was {
            memory::repaired(kernel, &cpus[cpu], trap, now)?;
        }
        self.printed.check(kernel, &view, &cpus[cpu], trap, was, before, now)?;
        self.model.after_entry(kernel, &view, &cpus[cpu], trap, resume, was, before, now)?;
        let every = AUDIT_EVERY.max(view.rows.len() as u64 / 4);
        if self.entries.is_multiple_of(every) {
            audit::check(&view, cpus, &mut self.found, now)?;
            lending::audit(&view, now)?;
            memory::audit(kernel, &view, &mut self.memory, now)?;
            cargo::audit(kernel, &view, &mut self.memory.survey, now)?;
            authority::audit(&view, &mut self.authority, now)?;
            queues::audit(kernel, &mut self.found, now)?;
            self.model.audit(&view, now)?;
        }
        Ok(())
    }

    /// Judges a machine to which all kicks and due timers have been delivered.
    ///
    /// # Errors
    /// If an oracle fires.
    pub fn quiet<F: HardwareFormat>(
        &self,
        kernel: &Kernel<HostMachine<F>>,
        cpus: &[HostCpu<F>],
        now: Instant,
    ) -> Result<(), Violation> {
        let view = kernel.inspect();
        if !thorough(view.rows.len(), self.entries) {
            return Ok(());
        }
        steps::quiet(&view, cpus, now)?;
        audit::waits_can_end(&view, now)?;
        lending::audit(&view, now)?;
        self.model.quiet(&view, now)
    }

    /// Checks everything.
    ///
    /// # Errors
    /// If an oracle fires.
    pub fn audit<F: HardwareFormat>(
        &self,
        kernel: &Kernel<HostMachine<F>>,
        cpus: &[HostCpu<F>],
        now: Instant,
    ) -> Result<(), Violation> {
        audit::check(&kernel.inspect(), cpus, &mut Vec::new(), now)?;
        lending::audit(&kernel.inspect(), now)?;
        memory::audit(kernel, &kernel.inspect(), &mut memory::Scratch::default(), now)?;
        cargo::audit(kernel, &kernel.inspect(), &mut Survey::default(), now)?;
        authority::audit(&kernel.inspect(), &mut authority::Scratch::default(), now)?;
        queues::audit(kernel, &mut Vec::new(), now)?;
        self.model.audit(&kernel.inspect(), now)
    }
}

/// Whether what grows with the number of threads is checked now: always in small worlds, now and then in large ones.
pub(crate) fn thorough(threads: usize, entries: u64) -> bool {
    const SMALL: usize = 4_096;
    const SELDOM: u64 = 1_024;
    threads <= SMALL || entries.is_multiple_of(SELDOM)
}

/// An oracle's verdict.
pub(crate) fn demand(
    holds: bool,
    oracle: Oracle,
    at: Instant,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { oracle, detail: detail(), at }) }
}
