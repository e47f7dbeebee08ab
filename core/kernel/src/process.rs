//! Processes and scheduling groups as objects.

use coldframe_abi::ExitCode;
use coldframe_hal::CpuSet;
use coldframe_memory::AddressSpace;
use coldframe_scheduler::NONE;

/// A process, by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// A process: an address space and the threads in it.
#[derive(Clone, Debug)]
pub struct Process<F> {
    /// Its address space; none, if the row is free.
    pub(crate) space: Option<AddressSpace<F>>,
    pub(crate) first_thread: u32,
    pub(crate) alive_threads: u32,
    pub(crate) first_group: u32,
    /// The CPUs that have its address space active.
    pub(crate) active_on: CpuSet,
    /// How it ended, once it has.
    pub(crate) ended: Option<ExitCode>,
    /// The next process in the reaper's queue.
    pub(crate) next: u32,
}

impl<F> Default for Process<F> {
    fn default() -> Self {
        Self {
            space: None,
            first_thread: NONE,
            alive_threads: 0,
            first_group: NONE,
            active_on: CpuSet::EMPTY,
            ended: None,
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

    /// How it ended, once it has.
    #[must_use]
    pub const fn ended(&self) -> Option<ExitCode> {
        self.ended
    }

    /// The CPUs that have its address space active.
    #[must_use]
    pub const fn active_on(&self) -> CpuSet {
        self.active_on
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
