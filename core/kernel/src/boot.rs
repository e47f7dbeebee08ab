//! How a kernel comes into being, and its first processes with it.

use coldframe_abi::{CallSet, Class, ClockPage, CpuId, Instant, Priority, Request, UserAddress};
use coldframe_capability::CHUNK;
use coldframe_hal::paging::{Format, Rights};
use coldframe_hal::{CpuSet, FRAME_BYTES, Frame, Machine, PhysicalMemory, Store, UserRegisters};
use coldframe_memory::{
    AddressSpace, Budget, FrameError, Frames, Means, MemoryMap, OverBudget, SpaceError, unmake,
};
use coldframe_scheduler::{Context, LEVELS, NONE, State, Wake};

use crate::hint::Change;
use crate::rounds::FlushTable;
use crate::tables::grow_paid;
use crate::translation::Tags;
use crate::{Kernel, LentName, Life, ProcessId, reaper};

/// Why the kernel or a first process could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The machine has no CPU, or more than `MAX_CPUS`.
    BadCpuCount(u16),
    /// There is not enough memory.
    Frames(FrameError),
    /// A part of a program lies where no program may be, overlaps another, or may be both written and executed.
    BadSegment(SpaceError),
    /// The budget does not reach for it.
    OverBudget,
    /// A part of a program is longer than what it is copied from says, or wraps.
    BadLength(UserAddress),
}

impl From<FrameError> for BootError {
    fn from(error: FrameError) -> Self {
        Self::Frames(error)
    }
}

impl From<SpaceError> for BootError {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Frames(error) => Self::Frames(error),
            SpaceError::OverBudget => Self::OverBudget,
            other => Self::BadSegment(other),
        }
    }
}

impl From<OverBudget> for BootError {
    fn from(_: OverBudget) -> Self {
        Self::OverBudget
    }
}

/// Of how many frames one is left to the kernel's own tables.
const KERNEL_SHARE: u64 = 8;

/// A part of a program: bytes, then zeroes, at an address.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Where it starts; need not be the start of a page.
    pub start: UserAddress,
    /// What it starts with.
    pub bytes: &'a [u8],
    /// How long it is in all; the rest is zero.
    pub length: u64,
    /// What the program may do with it.
    pub rights: Rights,
}

impl<M: Machine> Kernel<M> {
    /// A kernel for a machine with this many CPUs and this usable RAM. All CPUs are on-line once they have entered.
    ///
    /// # Errors
    /// If the machine is too small, or larger than the kernel can serve.
    pub fn new(mut machine: M, cpus: u16, ram: MemoryMap) -> Result<Self, BootError> {
        if cpus == 0 || usize::from(cpus) > coldframe_hal::MAX_CPUS {
            return Err(BootError::BadCpuCount(cpus));
        }
        let mut frames = Frames::new(&mut machine, ram)?;
        let clock_page = frames.take_zeroed(&mut machine)?;
        let page = ClockPage { rate: machine.counter_rate(), wall_at_zero: 0 };
        machine.publish(clock_page, page.to_words());
        let seed = machine.random();
        let firmware = machine.firmware();
        let mut kernel = Self {
            threads: machine.store(),
            rows: machine.store(),
            turns: machine.store(),
            timers: machine.store(),
            waiters: machine.store(),
            heads: machine.store(),
            queues: machine.store(),
            wheels: machine.store(),
            per_cpu: machine.store(),
            processes: machine.store(),
            groups: machine.store(),
            objects: machine.store(),
            mappings: machine.store(),
            endpoints: machine.store(),
            lines: machine.store(),
            interrupted: machine.store(),
            capabilities: machine.store(),
            chunks: machine.store(),
            machine,
            frames,
            cpus,
            state: State::new(cpus, seed),
            first_watched: NONE,
            last_watched: NONE,
            free_thread: NONE,
            free_group: NONE,
            free_object: NONE,
            free_mapping: NONE,
            free_endpoint: NONE,
            free_interrupted: NONE,
            due_upcalls: 0,
            free_chunk: NONE,
            spare_chunk: NONE,
            spare_chunks: 0,
            free_process: NONE,
            orphan_first: NONE,
            unshown_first: NONE,
            alive_processes: 0,
            reap_first: NONE,
            own: Budget::default(),
            boot_frames: 0,
            budget: Budget::default(),
            clock_page,
            firmware,
            tags: Tags::default(),
            flushes: FlushTable::default(),
            waking_first: NONE,
            now: Instant(0),
            counted: 0,
            counts_for: Request { number: 0, arguments: [0; 6] },
            off: false,
            // No CPU has looked yet.
            change: Change(1),
        };
        let count = usize::from(cpus);
        let Self { machine, frames, heads, queues, wheels, per_cpu, lines, capabilities, chunks, .. } =
            &mut kernel;
        let line_count = machine.lines() as usize;
        // The first chunk is nobody's: its first row is the ground from which all capabilities grow.
        grow_paid(chunks, 1, machine, frames)?;
        grow_paid(capabilities, CHUNK as usize, machine, frames)?;
        grow_paid(heads, count * LEVELS, machine, frames)?;
        grow_paid(queues, count, machine, frames)?;
        grow_paid(wheels, count * 4, machine, frames)?;
        grow_paid(per_cpu, count, machine, frames)?;
        grow_paid(lines, line_count, machine, frames)?;
        kernel.heads.rows_mut().fill(NONE);
        kernel.boot_frames = kernel.table_frames();
        kernel.own = Budget::new(kernel.frames.free_count() / KERNEL_SHARE);
        let reaper = kernel.take_thread_row()?;
        assert_eq!(reaper, reaper::THREAD, "the reaper is the first thread");
        let row = kernel.thread(reaper);
        row.life = Life::Alive;
        let context = Context::new(Class::Normal, Priority(128), 0);
        kernel.scheduler().create(reaper, context, CpuSet::ALL, CpuId(0));
        let loose = kernel.scheduler().take(reaper);
        kernel.scheduler().park(loose);
        for cpu in 0..cpus {
            // No CPU has entered yet: each looks at its queue when it does.
            let _ = kernel.scheduler().set_online(CpuId(cpu), CpuId(cpu));
        }
        let free = kernel.frames.free_count();
        kernel.budget = Budget::new(free - free / KERNEL_SHARE);
        kernel.tags = Tags::of(&kernel.machine, cpus);
        Ok(kernel)
    }

    /// How many frames no process has been given to spend.
    #[must_use]
    pub const fn unspent_frames(&self) -> u64 {
        self.budget.left()
    }

    /// Makes a process with an empty address space and no thread; a quarter of what nobody has yet is its budget.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn create_process(&mut self) -> Result<ProcessId, BootError> {
        self.create_process_with(self.unspent_frames() / 4)
    }

    /// Makes a process with an empty address space and no thread, and with so many frames to spend.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn create_process_with(&mut self, limit: u64) -> Result<ProcessId, BootError> {
        let process = self.make_process(NONE, limit)?;
        let made = self.take_group_row(process).map(|_| ()).map_err(SpaceError::from);
        if let Err(error) = made.and_then(|()| self.grant_all(process)) {
            self.forget_process(process);
            return Err(error.into());
        }
        self.alive_processes += 1;
        Ok(ProcessId(process))
    }

    /// Makes a process out of the budget of another, or of what nobody has.
    pub(crate) fn make_process(&mut self, parent: u32, limit: u64) -> Result<u32, BootError> {
        let process = self.take_process_row()?;
        let (calls, host) = match parent {
            NONE => (CallSet::ALL, LentName::default()),
            parent => (self.process(parent).calls, self.process(parent).host),
        };
        let of_parent = if parent == NONE { &mut self.budget } else { &mut self.process(parent).budget };
        let mut budget = match of_parent.split(limit) {
            Ok(budget) => budget,
            Err(error) => {
                self.give_process_row(process);
                return Err(error.into());
            }
        };
        let Self { machine, frames, .. } = self;
        let space = AddressSpace::new(&mut Means { memory: machine, frames, budget: &mut budget });
        let row = self.process(process);
        (row.budget, row.calls, row.host, row.parent) = (budget, calls, host, parent);
        self.find_quick_calls(process);
        let row = self.process(process);
        match space {
            Ok(space) => row.space = Some(space),
            Err(error) => {
                self.forget_process(process);
                return Err(error.into());
            }
        }
        if parent != NONE {
            let next = core::mem::replace(&mut self.process(parent).first_child, process);
            self.process(process).next_sibling = next;
            if next != NONE {
                self.process(next).previous_sibling = process;
            }
        }
        Ok(process)
    }

    /// What a process was given to spend goes back to whoever gave it.
    pub(crate) fn return_budget(&mut self, process: u32) {
        let row = self.process(process);
        let (parent, budget) = (row.parent, core::mem::take(&mut row.budget));
        let of_parent = if parent == NONE { &mut self.budget } else { &mut self.process(parent).budget };
        of_parent.rejoin(budget);
    }

    /// A process that nobody has used goes back at once.
    fn forget_process(&mut self, process: u32) {
        let Self { machine, frames, processes, .. } = self;
        let row = &mut processes.rows_mut()[process as usize];
        if let Some(space) = row.space.take() {
            unmake(space, &mut Means { memory: machine, frames, budget: &mut row.budget });
        }
        self.return_budget(process);
        self.give_process_row(process);
    }

    /// Puts a part of a program into a process. Parts may share a page only if their rights are the same.
    ///
    /// # Errors
    /// If the part does not fit into the user half, or there is no memory for it; pages placed so far stay and go
    /// with the process.
    pub fn load(&mut self, process: ProcessId, segment: Segment<'_>) -> Result<(), BootError> {
        let start = segment.start.0;
        let end = start.checked_add(segment.length).ok_or(BootError::BadLength(segment.start))?;
        if end > M::Paging::USER_END || segment.bytes.len() as u64 > segment.length {
            return Err(BootError::BadLength(segment.start));
        }
        let mut page = start / FRAME_BYTES * FRAME_BYTES;
        while page < end {
            let frame = self.page_for(process, UserAddress(page), segment.rights)?;
            let from = start.max(page);
            let to = (start + segment.bytes.len() as u64).min(page + FRAME_BYTES);
            if from < to {
                let bytes = &segment.bytes[(from - start) as usize..(to - start) as usize];
                write_bytes(&mut self.machine, frame, from - page, bytes);
            }
            page += FRAME_BYTES;
        }
        Ok(())
    }

    fn page_for(
        &mut self,
        process: ProcessId,
        page: UserAddress,
        rights: Rights,
    ) -> Result<Frame, BootError> {
        let (space, mut means) = self.space_of(process.0).ok_or(BootError::BadLength(page))?;
        if let Some((_, leaf)) = space.translate(means.memory, page) {
            let same = leaf.rights == rights;
            return if same { Ok(leaf.frame) } else { Err(SpaceError::Occupied(page).into()) };
        }
        let frame = means.take_zeroed()?;
        if let Err(error) = space.place(&mut means, page, frame, rights) {
            means.give(frame);
            return Err(error.into());
        }
        Ok(frame)
    }

    /// Starts the first thread of a process.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn start_process(
        &mut self,
        process: ProcessId,
        entry: UserAddress,
        stack: UserAddress,
        argument: u64,
    ) -> Result<u32, BootError> {
        let capability = self.take_capability(process.0)?;
        let thread = match self.take_thread_row() {
            Ok(thread) => thread,
            Err(error) => {
                self.return_capability(capability);
                return Err(error.into());
            }
        };
        self.name_thread(thread, capability);
        let group = self.process(process.0).first_group;
        self.join_process(thread, process.0);
        let row = self.thread(thread);
        row.life = Life::Alive;
        row.registers.begin(entry.0, stack.0, argument);
        let context = Context::new(Class::Normal, Priority(128), group);
        let mut scheduler = self.scheduler();
        scheduler.create(thread, context, CpuSet::ALL, CpuId(0));
        let loose = scheduler.take(thread);
        let kick = scheduler.place(loose, Wake::Start, CpuId(0));
        if let Some(kick) = kick {
            self.machine.kick(kick.0);
        }
        Ok(thread)
    }
}

fn write_bytes(memory: &mut impl PhysicalMemory, frame: Frame, offset: u64, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        let at = offset + index as u64;
        let address = frame.word((at / 8) as usize);
        let shift = at % 8 * 8;
        let word = memory.read_word(address) & !(0xff << shift) | u64::from(*byte) << shift;
        memory.write_word(address, word);
    }
}
