//! The kernel's state, and the small moves that everything else is made of.

use coldframe_abi::{CpuId, Instant, Nanos, Reply, Request};
use coldframe_capability::{Capability, Chunk};
use coldframe_hal::{Clock, Cpu, Event, Frame, FrameRun, Machine, Store, UserRegisters};
use coldframe_ipc::Waiter;
use coldframe_memory::{AddressSpace, Budget, Frames, Means};
use coldframe_scheduler::timer::{Timer, Timers, Wheel};
use coldframe_scheduler::{CpuQueue, Kick, Row, Scheduler, State, Turn};

use crate::hint::Change;
use crate::per_cpu::PerCpu;
use crate::rounds::FlushTable;
use crate::translation::Tags;
use crate::{Endpoint, Group, InterruptLine, Interrupted, Mapping, Object, Process, Thread};

/// The user registers of a machine.
pub type Registers<M> = <<M as Machine>::Cpu as Cpu>::Registers;

/// A kernel and the machine that it runs.
// What the fast ways look at comes first, in as few lines of the cache as there can be.
#[repr(C)]
pub struct Kernel<M: Machine> {
    /// A call has turned the machine off.
    pub(crate) off: bool,
    /// How many threads are to look whether signals interrupt them.
    pub(crate) due_upcalls: u32,
    /// The last change of who may run, is due, or waits.
    pub(crate) change: Change,
    /// The tags that have been given out.
    pub(crate) tags: Tags,
    pub(crate) queues: M::Store<CpuQueue>,
    pub(crate) threads: M::Store<Thread<Registers<M>>>,
    pub(crate) processes: M::Store<Process<M::Paging>>,
    pub(crate) capabilities: M::Store<Capability>,
    pub(crate) endpoints: M::Store<Endpoint>,
    pub(crate) rows: M::Store<Row>,
    pub(crate) waiters: M::Store<Waiter>,
    pub(crate) turns: M::Store<Turn>,
    pub(crate) per_cpu: M::Store<PerCpu>,
    pub(crate) timers: M::Store<Timer>,
    pub(crate) machine: M,
    pub(crate) frames: Frames,
    pub(crate) cpus: u16,
    pub(crate) heads: M::Store<u32>,
    pub(crate) wheels: M::Store<Wheel>,
    pub(crate) groups: M::Store<Group>,
    pub(crate) objects: M::Store<Object<M::Paging>>,
    pub(crate) mappings: M::Store<Mapping>,
    pub(crate) lines: M::Store<InterruptLine>,
    pub(crate) interrupted: M::Store<Interrupted<Registers<M>>>,
    pub(crate) chunks: M::Store<Chunk>,
    pub(crate) state: State,
    /// The first of the lines at which somebody has to look some time, the soonest first.
    pub(crate) first_watched: u32,
    pub(crate) last_watched: u32,
    /// The first free row of each table that has a list of them.
    pub(crate) free_thread: u32,
    pub(crate) free_group: u32,
    pub(crate) free_object: u32,
    pub(crate) free_mapping: u32,
    pub(crate) free_endpoint: u32,
    pub(crate) free_interrupted: u32,
    /// The first chunk of capabilities that nobody has.
    pub(crate) free_chunk: u32,
    /// Chunks that are nobody's and have their frames, paid for by the kernel: who takes one writes none of its rows.
    pub(crate) spare_chunk: u32,
    pub(crate) spare_chunks: u32,
    pub(crate) free_process: u32,
    /// The first object that nobody can name any more, and that the reaper takes down.
    pub(crate) orphan_first: u32,
    /// The first object of which nothing is mapped any more, and of which somebody wants to hear that.
    pub(crate) unshown_first: u32,
    /// How many of the processes that the kernel has made have not ended.
    pub(crate) alive_processes: u32,
    /// The reaper's queue of processes.
    pub(crate) reap_first: u32,
    /// What the tables of the kernel may still grow by.
    pub(crate) own: Budget,
    /// How many frames the tables had before it.
    pub(crate) boot_frames: usize,
    /// What no process has been given to spend.
    pub(crate) budget: Budget,
    /// Where programs read what the counter means.
    pub(crate) clock_page: Frame,
    /// What firmware has left, until somebody has it.
    pub(crate) firmware: Option<FrameRun>,
    /// The flushes that are under way.
    pub(crate) flushes: FlushTable,
    /// The processes some of whose threads are to be woken.
    pub(crate) waking_first: u32,
    /// When this entry has begun.
    pub(crate) now: Instant,
    /// How many capabilities there have been whose uses are counted.
    pub(crate) counted: u64,
    /// What is asked for in this entry, if there are any: the registers may be another's when it has been done.
    pub(crate) counts_for: Request,
}

impl<M> Clone for Kernel<M>
where
    M: Machine + Clone,
    M::Store<Thread<Registers<M>>>: Clone,
    M::Store<Row>: Clone,
    M::Store<Turn>: Clone,
    M::Store<Timer>: Clone,
    M::Store<Waiter>: Clone,
    M::Store<u32>: Clone,
    M::Store<CpuQueue>: Clone,
    M::Store<Wheel>: Clone,
    M::Store<PerCpu>: Clone,
    M::Store<Process<M::Paging>>: Clone,
    M::Store<Group>: Clone,
    M::Store<Object<M::Paging>>: Clone,
    M::Store<Mapping>: Clone,
    M::Store<Endpoint>: Clone,
    M::Store<InterruptLine>: Clone,
    M::Store<Interrupted<Registers<M>>>: Clone,
    M::Store<Capability>: Clone,
    M::Store<Chunk>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            frames: self.frames.clone(),
            cpus: self.cpus,
            threads: self.threads.clone(),
            rows: self.rows.clone(),
            turns: self.turns.clone(),
            timers: self.timers.clone(),
            waiters: self.waiters.clone(),
            heads: self.heads.clone(),
            queues: self.queues.clone(),
            wheels: self.wheels.clone(),
            per_cpu: self.per_cpu.clone(),
            processes: self.processes.clone(),
            groups: self.groups.clone(),
            objects: self.objects.clone(),
            mappings: self.mappings.clone(),
            endpoints: self.endpoints.clone(),
            lines: self.lines.clone(),
            interrupted: self.interrupted.clone(),
            capabilities: self.capabilities.clone(),
            chunks: self.chunks.clone(),
            state: self.state.clone(),
            first_watched: self.first_watched,
            last_watched: self.last_watched,
            free_thread: self.free_thread,
            free_group: self.free_group,
            free_object: self.free_object,
            free_mapping: self.free_mapping,
            free_endpoint: self.free_endpoint,
            free_interrupted: self.free_interrupted,
            due_upcalls: self.due_upcalls,
            free_chunk: self.free_chunk,
            spare_chunk: self.spare_chunk,
            spare_chunks: self.spare_chunks,
            free_process: self.free_process,
            orphan_first: self.orphan_first,
            unshown_first: self.unshown_first,
            alive_processes: self.alive_processes,
            reap_first: self.reap_first,
            own: self.own,
            boot_frames: self.boot_frames,
            budget: self.budget,
            clock_page: self.clock_page,
            firmware: self.firmware,
            tags: self.tags,
            flushes: self.flushes.clone(),
            waking_first: self.waking_first,
            now: self.now,
            counted: self.counted,
            counts_for: self.counts_for,
            off: self.off,
            change: self.change,
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// The machine, for the ground that it belongs to.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, to be changed by the ground that it belongs to.
    pub const fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// What decides who runs, to be changed: every CPU looks at it anew.
    #[inline]
    pub(crate) fn scheduler(&mut self) -> Scheduler<'_> {
        self.change.0 += 1;
        self.scheduler_as_it_is()
    }

    /// What decides who runs, for what changes no decision.
    #[inline]
    pub(crate) fn scheduler_as_it_is(&mut self) -> Scheduler<'_> {
        Scheduler {
            rows: self.rows.rows_mut(),
            turns: self.turns.rows_mut(),
            heads: self.heads.rows_mut(),
            cpus: self.queues.rows_mut(),
            state: &mut self.state,
        }
    }

    /// Charges the thread that runs on a CPU, and its process, for the time since that was done last.
    #[inline(always)]
    pub(crate) fn charge(&mut self, cpu: CpuId, now: Instant) {
        let (thread, spent) = self.scheduler_as_it_is().charge(cpu, now);
        if spent != Nanos::ZERO {
            let process = self.threads.rows()[thread as usize].process;
            // The reaper belongs to nobody.
            if let Some(row) = self.processes.rows_mut().get_mut(process as usize) {
                row.run_time.0 += spent.0;
            }
        }
    }

    #[inline]
    pub(crate) fn timers(&mut self) -> Timers<'_> {
        self.change.0 += 1;
        self.timers_as_they_are()
    }

    /// The same for who sets the CPU's own timer to what it changes.
    #[inline]
    pub(crate) fn timers_as_they_are(&mut self) -> Timers<'_> {
        Timers { timers: self.timers.rows_mut(), wheels: self.wheels.rows_mut() }
    }

    #[inline]
    pub(crate) fn thread(&mut self, thread: u32) -> &mut Thread<Registers<M>> {
        &mut self.threads.rows_mut()[thread as usize]
    }

    #[inline]
    pub(crate) fn process(&mut self, process: u32) -> &mut Process<M::Paging> {
        &mut self.processes.rows_mut()[process as usize]
    }

    /// The address space of a process, and what it works with.
    pub(crate) fn space_of(&mut self, process: u32) -> Option<(&mut AddressSpace<M::Paging>, Means<'_, M>)> {
        let Self { machine, frames, processes, .. } = self;
        let row = &mut processes.rows_mut()[process as usize];
        let means = Means { memory: machine, frames, budget: &mut row.budget };
        Some((row.space.as_mut()?, means))
    }

    #[inline]
    pub(crate) fn of_cpu(&mut self, cpu: &M::Cpu) -> &mut PerCpu {
        &mut self.per_cpu.rows_mut()[usize::from(cpu.id().0)]
    }

    /// Who runs on a CPU.
    #[inline]
    pub(crate) fn current(&self, cpu: &M::Cpu) -> Option<u32> {
        self.queues.rows()[usize::from(cpu.id().0)].current()
    }

    #[inline]
    pub(crate) fn trace(&mut self, cpu: &M::Cpu, event: Event) {
        if M::TRACED {
            self.machine.record(cpu.id(), cpu.now(), event);
        }
    }

    /// Does what a decision of the scheduler asks for.
    #[inline]
    pub(crate) fn deliver(&mut self, cpu: &M::Cpu, kick: Option<Kick>) {
        if let Some(Kick(target)) = kick {
            self.forbid_fast_calls(target);
            self.trace(cpu, Event::Kick { cpu: target });
            self.machine.kick(target);
        }
    }

    /// Puts the answer of a call where its thread will find it.
    #[inline]
    pub(crate) fn answer(&mut self, cpu: &mut M::Cpu, thread: u32, reply: impl Into<Reply>) {
        let reply = reply.into();
        if self.of_cpu(cpu).loaded == thread {
            cpu.registers().answer(reply);
        } else {
            self.thread(thread).registers.answer(reply);
        }
    }
}
