//! Threads as objects.

use coldframe_abi::CpuId;
use coldframe_scheduler::NONE;

use coldframe_memory::Pages;

use crate::hint::Rest;
use crate::{Bell, Cargo, Counts, Fault, LentName, Upcall, Work};

/// Whether a row of the thread table is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// The row has no thread; it may be in the list of free ones.
    #[default]
    Free,
    /// The thread runs, waits or is held.
    Alive,
    /// The thread has ended; its result waits for whoever joins it.
    Ended,
}

/// What a waiting thread waits for. Its timer may be armed as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WaitsFor {
    /// It does not wait.
    #[default]
    Nothing,
    /// A moment.
    Time,
    /// The end of a thread.
    EndOf(u32),
    /// The end of a process.
    EndOfProcess(u32),
    /// The end of a flush in the space of a process.
    Round(u32),
    /// A moment, for having named what it does not have too often; its answer is there.
    Penalty,
    /// Its turn in a line: to be woken at a word, to be received, or to receive.
    InLine(Line),
    /// The reply of the thread that has received its call.
    Reply(u32),
    /// A reply that is owed by whoever has the capability to it: which of those that the thread has waited for.
    KeptReply(u32),
}

/// Where threads wait in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// At words of a process, by address.
    OfProcess(u32),
    /// At words of a memory object, by offset.
    OfObject(u32),
    /// At an endpoint, to be received.
    Senders(u32),
    /// At the same line of an endpoint, to be received and then replied to.
    Callers(u32),
    /// At an endpoint, to receive.
    Receivers(u32),
}

/// A thread: what the kernel keeps for it beside the scheduler's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Thread<R> {
    pub(crate) generation: u32,
    pub(crate) life: Life,
    pub(crate) process: u32,
    /// The neighbours in its process's ring of threads; `next` also links free rows.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    pub(crate) waits_for: WaitsFor,
    /// Who waits for its end.
    pub(crate) joiner: u32,
    /// Whose call it has received and not replied to.
    pub(crate) caller: u32,
    /// What is written on the name by which it sends what it waits for somebody to receive.
    pub(crate) badge: u64,
    /// By which name its faults are sent, and the one that somebody has to say something about.
    pub(crate) handler: LentName,
    pub(crate) fault: Option<Fault>,
    /// How many replies have been kept that were for threads of this row: no stale capability fits another.
    pub(crate) kept_replies: u32,
    /// What is raised by its alarm, and where.
    pub(crate) alarm: Bell,
    /// What interrupts it.
    pub(crate) upcall: Upcall,
    /// With how many capabilities it takes messages.
    pub(crate) accepts: u8,
    /// Where it takes the pages that come with them.
    pub(crate) window: Pages,
    /// The pages that go along with its message.
    pub(crate) cargo: Cargo,
    /// It has replied in a call that is made once more.
    pub(crate) has_replied: bool,
    pub(crate) result: u64,
    /// The capability that came with it, while that is there, and how many there are in all.
    pub(crate) capability: u32,
    pub(crate) capabilities: u32,
    pub(crate) suspended: bool,
    pub(crate) counts: Counts,
    /// What it has asked for and has not got yet.
    pub(crate) work: Option<Work>,
    /// The neighbours among those that wait for the same flush, and whether it is in that list.
    pub(crate) next_waiter: u32,
    pub(crate) previous_waiter: u32,
    pub(crate) is_in_line: bool,
    /// While it waits: the CPU can be passed to it at once, and it goes on (KRN-47).
    pub(crate) rests: Rest,
    /// The registers, while it is on no CPU.
    pub(crate) registers: R,
}

impl<R: Default> Default for Thread<R> {
    fn default() -> Self {
        Self {
            generation: 0,
            life: Life::Free,
            process: NONE,
            next: NONE,
            previous: NONE,
            waits_for: WaitsFor::Nothing,
            joiner: NONE,
            caller: NONE,
            badge: 0,
            handler: LentName::default(),
            fault: None,
            kept_replies: 0,
            alarm: Bell::default(),
            upcall: Upcall::default(),
            accepts: 0,
            window: Pages::NONE,
            cargo: Cargo::default(),
            has_replied: false,
            result: 0,
            capability: NONE,
            capabilities: 0,
            suspended: false,
            counts: Counts::default(),
            work: None,
            next_waiter: NONE,
            previous_waiter: NONE,
            is_in_line: false,
            rests: Rest::UNKNOWN,
            registers: R::default(),
        }
    }
}

impl<R> Thread<R> {
    /// Whether the row is in use.
    #[must_use]
    pub const fn life(&self) -> Life {
        self.life
    }

    /// Which thread of this row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Its process, by row.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.process
    }

    /// What it waits for.
    #[must_use]
    pub const fn waits_for(&self) -> WaitsFor {
        self.waits_for
    }

    /// Who waits for its end.
    #[must_use]
    pub const fn joiner(&self) -> Option<u32> {
        if self.joiner == NONE { None } else { Some(self.joiner) }
    }

    /// Whose call it has received and not replied to.
    #[must_use]
    pub const fn caller(&self) -> Option<u32> {
        if self.caller == NONE { None } else { Some(self.caller) }
    }

    /// By which name its faults are sent.
    #[must_use]
    pub const fn handler(&self) -> LentName {
        self.handler
    }

    /// The fault that somebody has to say something about.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// What interrupts it.
    #[must_use]
    pub const fn upcall(&self) -> &Upcall {
        &self.upcall
    }

    /// With how many capabilities it takes messages.
    #[must_use]
    pub const fn accepts(&self) -> u8 {
        self.accepts
    }

    /// Whether it has replied in a call that is made once more.
    #[must_use]
    pub const fn has_replied(&self) -> bool {
        self.has_replied
    }

    /// The pages that go along with its message.
    #[must_use]
    pub const fn cargo(&self) -> &Cargo {
        &self.cargo
    }

    /// What it has asked for and has not got yet.
    #[must_use]
    pub const fn work(&self) -> Option<&Work> {
        self.work.as_ref()
    }

    /// The next one that waits for the same flush.
    #[must_use]
    pub const fn next_waiter(&self) -> Option<u32> {
        if self.next_waiter == NONE { None } else { Some(self.next_waiter) }
    }

    /// Whether it may not run until it is resumed.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Whether it is known that a CPU can be passed to it at once, and which, if not every one.
    #[must_use]
    pub const fn rests(&self) -> (bool, Option<CpuId>) {
        (self.rests.is_known(), self.rests.only_on())
    }

    /// The registers, as they were when it left its CPU.
    #[must_use]
    pub const fn registers(&self) -> &R {
        &self.registers
    }

    /// The capability that came with it, while that is there.
    #[must_use]
    pub const fn capability(&self) -> Option<u32> {
        if self.capability == NONE { None } else { Some(self.capability) }
    }

    /// How many capabilities name it.
    #[must_use]
    pub const fn capabilities(&self) -> u32 {
        self.capabilities
    }
}
