//! Processes and scheduling groups as objects.

use coldframe_abi::{Authority, CallSet, ExitCode, Nanos};
use coldframe_capability::Holdings;
use coldframe_hal::{CpuSet, Tag};
use coldframe_ipc::Queue;
use coldframe_memory::{AddressSpace, Budget};
use coldframe_scheduler::NONE;

use crate::{Bell, Circle, Counts, FastCall, LentName, Round};

/// A process, by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// A process: an address space and the threads in it.
#[derive(Clone, Debug)]
pub struct Process<F> {
    /// Which process of this row it is, counted from one.
    pub(crate) generation: u32,
    /// Who has made it and pays for it; none, if the kernel has.
    pub(crate) parent: u32,
    pub(crate) first_child: u32,
    /// The neighbours among the children of its parent; `next_sibling` also links free rows.
    pub(crate) next_sibling: u32,
    pub(crate) previous_sibling: u32,
    /// How many capabilities name it.
    pub(crate) capabilities: u32,
    /// Who waits for its end.
    pub(crate) watcher: u32,
    /// Who else is told then.
    pub(crate) bell: Bell,
    /// By which name the faults of new threads are sent.
    pub(crate) handler: LentName,
    /// By which name all that it sends goes to its host, if it has one.
    pub(crate) host: LentName,
    /// Whom the endpoints hear that it makes.
    pub(crate) circle: Circle,
    /// The calls that it may make.
    pub(crate) calls: CallSet,
    /// Those that it may try the fast way: a bit for each.
    pub(crate) quick_calls: u64,
    /// What is counted of it.
    pub(crate) counts: Counts,
    /// The capability to each authority that stands for it.
    pub(crate) authorities: [u32; Authority::ALL.len()],
    /// Its address space; none, if the row is free.
    pub(crate) space: Option<AddressSpace<F>>,
    pub(crate) first_thread: u32,
    pub(crate) alive_threads: u32,
    pub(crate) first_group: u32,
    pub(crate) first_object: u32,
    pub(crate) first_mapping: u32,
    /// Its capabilities.
    pub(crate) holdings: Holdings,
    /// The CPUs that have its address space active.
    pub(crate) active_on: CpuSet,
    /// The CPUs that remember nothing of it under its tag but what is true.
    pub(crate) warm_on: CpuSet,
    /// Under which name CPUs remember its translations, and of which generation that name is.
    pub(crate) tag: Tag,
    pub(crate) tag_generation: u64,
    /// Who pays for its pages.
    pub(crate) budget: Budget,
    /// The flush that its space waits for; nothing else changes there until then, but for lazy pages.
    pub(crate) round: Option<Round>,
    /// An ended process whose loans the reaper takes back here when that is over.
    pub(crate) lender: u32,
    /// The threads that wait for the end of that, in a list, how many they are, and how many are to be woken.
    pub(crate) first_waiter: u32,
    pub(crate) last_waiter: u32,
    pub(crate) waiters: u32,
    pub(crate) to_wake: u32,
    /// The next process whose threads are to be woken, if it is in that list.
    pub(crate) next_waking: u32,
    pub(crate) is_waking: bool,
    /// Who waits at words of its memory, by address.
    pub(crate) words: Queue,
    /// How long its threads have run.
    pub(crate) run_time: Nanos,
    /// How it ended, once it has, and what was said about why.
    pub(crate) ended: Option<ExitCode>,
    pub(crate) reason: u64,
    /// The next process in the reaper's queue.
    pub(crate) next: u32,
}

impl<F> Default for Process<F> {
    fn default() -> Self {
        Self {
            generation: 0,
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            capabilities: 0,
            watcher: NONE,
            bell: Bell::default(),
            handler: LentName::default(),
            host: LentName::default(),
            circle: Circle::OPEN,
            calls: CallSet::ALL,
            quick_calls: 0,
            counts: Counts::default(),
            authorities: [NONE; Authority::ALL.len()],
            space: None,
            first_thread: NONE,
            alive_threads: 0,
            first_group: NONE,
            first_object: NONE,
            first_mapping: NONE,
            holdings: Holdings::default(),
            active_on: CpuSet::EMPTY,
            warm_on: CpuSet::EMPTY,
            tag: Tag::NONE,
            tag_generation: 0,
            budget: Budget::default(),
            round: None,
            lender: NONE,
            first_waiter: NONE,
            last_waiter: NONE,
            waiters: 0,
            to_wake: 0,
            next_waking: NONE,
            is_waking: false,
            words: Queue::default(),
            run_time: Nanos::ZERO,
            ended: None,
            reason: 0,
            next: NONE,
        }
    }
}

impl<F> Process<F> {
    /// Its address space, if the row is in use.
    #[must_use]
    pub const fn space(&self) -> Option<&AddressSpace<F>> {
        self.space.as_ref()
    }

    /// Which process of this row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Who has made it and pays for it, if not the kernel.
    #[must_use]
    pub const fn parent(&self) -> Option<u32> {
        if self.parent == NONE { None } else { Some(self.parent) }
    }

    /// How many capabilities name it.
    #[must_use]
    pub const fn capabilities(&self) -> u32 {
        self.capabilities
    }

    /// Who waits for its end.
    #[must_use]
    pub const fn watcher(&self) -> Option<u32> {
        if self.watcher == NONE { None } else { Some(self.watcher) }
    }

    /// What is raised when nothing is left of it.
    #[must_use]
    pub const fn bell(&self) -> Bell {
        self.bell
    }

    /// By which name the faults of new threads are sent.
    #[must_use]
    pub const fn handler(&self) -> LentName {
        self.handler
    }

    /// By which name all that it sends goes to its host, if it has one.
    #[must_use]
    pub const fn host(&self) -> LentName {
        self.host
    }

    /// Whom the endpoints hear that it makes.
    #[must_use]
    pub const fn circle(&self) -> Circle {
        self.circle
    }

    /// The calls that it may make.
    #[must_use]
    pub const fn calls(&self) -> CallSet {
        self.calls
    }

    /// The calls that it may try the fast way: a bit for each.
    #[must_use]
    pub const fn quick_calls(&self) -> u64 {
        self.quick_calls
    }

    /// Finds them anew. The fast way asks for nothing else: not whether the process has ended, nor who hears it.
    pub(crate) fn find_quick_calls(&mut self) {
        let is_plain = self.host.holder().is_none() && self.circle.is_open();
        let fits = |call: &FastCall| {
            let number = call.number();
            self.ended.is_none() && self.calls.contains(number) && (is_plain || !call.is_between_two())
        };
        self.quick_calls = FastCall::ALL
            .iter()
            .filter(|call| fits(call))
            .fold(0, |bits, call| bits | 1 << call.number() as u64);
    }

    /// The capability to an authority that stands for it.
    #[must_use]
    pub const fn standing(&self, authority: Authority) -> Option<u32> {
        let row = self.authorities[authority as usize];
        if row == NONE { None } else { Some(row) }
    }

    /// How it ended, once it has.
    #[must_use]
    pub const fn ended(&self) -> Option<ExitCode> {
        self.ended
    }

    /// Its capabilities.
    #[must_use]
    pub const fn holdings(&self) -> &Holdings {
        &self.holdings
    }

    /// The CPUs that have its address space active.
    #[must_use]
    pub const fn active_on(&self) -> CpuSet {
        self.active_on
    }

    /// The CPUs that remember nothing of it under its tag but what is true.
    #[must_use]
    pub const fn warm_on(&self) -> CpuSet {
        self.warm_on
    }

    /// Under which name CPUs remember its translations.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// Who pays for its pages.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The flush that its space waits for.
    #[must_use]
    pub const fn round(&self) -> Option<&Round> {
        self.round.as_ref()
    }

    /// Who waits at words of its memory.
    #[must_use]
    pub const fn words(&self) -> &Queue {
        &self.words
    }

    /// The first of the threads that wait for the end of that.
    #[must_use]
    pub const fn first_waiter(&self) -> Option<u32> {
        if self.first_waiter == NONE { None } else { Some(self.first_waiter) }
    }
}

/// A scheduling group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    pub(crate) generation: u32,
    /// Whose it is; `NONE` if the row is free.
    pub(crate) process: u32,
    /// The next group of its process, or the next free row.
    pub(crate) next: u32,
}

impl Group {
    /// Which group of this row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whose it is, if the row is in use.
    #[must_use]
    pub const fn process(&self) -> Option<u32> {
        if self.process == NONE { None } else { Some(self.process) }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self { generation: 0, process: NONE, next: NONE }
    }
}
