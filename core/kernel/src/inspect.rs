//! A look at the whole state, for oracles and pictures: they read, they never change.

use core::hash::{Hash, Hasher};

use coldframe_abi::{CpuId, Instant};
use coldframe_capability::{Capability, Chunk};
use coldframe_hal::{Frame, Machine, Store};
use coldframe_ipc::Waiter;
use coldframe_memory::{Budget, Frames};
use coldframe_scheduler::timer::Timer;
use coldframe_scheduler::{CpuQueue, NONE, Place, Row, State, Turn};

use crate::{
    Endpoint, Group, InterruptLine, Interrupted, Kernel, Mapping, Object, Process, Registers, Thread,
};

/// The kernel's tables, to be read.
pub struct Inspection<'a, M: Machine> {
    /// The threads.
    pub threads: &'a [Thread<Registers<M>>],
    /// The scheduler's part of the threads.
    pub rows: &'a [Row],
    /// The turns of groups.
    pub turns: &'a [Turn],
    /// The timers of the threads.
    pub timers: &'a [Timer],
    /// Where the threads wait, and by what.
    pub waiters: &'a [Waiter],
    /// The first turn of each level of each CPU.
    pub heads: &'a [u32],
    /// The CPUs.
    pub queues: &'a [CpuQueue],
    /// What the CPUs share.
    pub state: &'a State,
    /// The processes.
    pub processes: &'a [Process<M::Paging>],
    /// The scheduling groups.
    pub groups: &'a [Group],
    /// The memory objects.
    pub objects: &'a [Object<M::Paging>],
    /// The mapping records.
    pub mappings: &'a [Mapping],
    /// The endpoints.
    pub endpoints: &'a [Endpoint],
    /// The interrupt lines, and more rows than those.
    pub lines: &'a [InterruptLine],
    /// What threads did before upcalls.
    pub interrupted: &'a [Interrupted<Registers<M>>],
    /// The capabilities, and the chunks they are in.
    pub capabilities: &'a [Capability],
    /// A chunk for each so many of them.
    pub chunks: &'a [Chunk],
    /// The frames.
    pub frames: &'a Frames,
    /// What the kernel's tables may still grow by.
    pub own: &'a Budget,
    /// What no process has been given to spend.
    pub budget: &'a Budget,
    /// When it was entered last.
    pub now: Instant,
    /// Where programs read what the counter means.
    pub clock_page: Frame,
    /// How many frames the kernel's own tables have.
    pub table_frames: usize,
    /// How many they had before they were paid for out of the kernel's own budget, or by processes.
    pub boot_frames: usize,
}

impl<M: Machine> Kernel<M> {
    /// The tables.
    pub fn inspect(&self) -> Inspection<'_, M> {
        Inspection {
            threads: self.threads.rows(),
            rows: self.rows.rows(),
            turns: self.turns.rows(),
            timers: self.timers.rows(),
            waiters: self.waiters.rows(),
            heads: self.heads.rows(),
            queues: self.queues.rows(),
            state: &self.state,
            processes: self.processes.rows(),
            groups: self.groups.rows(),
            objects: self.objects.rows(),
            mappings: self.mappings.rows(),
            endpoints: self.endpoints.rows(),
            lines: self.lines.rows(),
            interrupted: self.interrupted.rows(),
            capabilities: self.capabilities.rows(),
            chunks: self.chunks.rows(),
            frames: &self.frames,
            own: &self.own,
            budget: &self.budget,
            now: self.now,
            clock_page: self.clock_page,
            table_frames: self.table_frames(),
            boot_frames: self.boot_frames,
        }
    }

    pub(crate) fn table_frames(&self) -> usize {
        const CLOCK_PAGE: usize = 1;
        CLOCK_PAGE
            + self.threads.frames()
            + self.rows.frames()
            + self.turns.frames()
            + self.timers.frames()
            + self.waiters.frames()
            + self.heads.frames()
            + self.queues.frames()
            + self.wheels.frames()
            + self.per_cpu.frames()
            + self.processes.frames()
            + self.groups.frames()
            + self.objects.frames()
            + self.mappings.frames()
            + self.endpoints.frames()
            + self.lines.frames()
            + self.interrupted.frames()
            + self.capabilities.frames()
            + self.chunks.frames()
    }

    /// Whose registers are in a CPU.
    #[must_use]
    pub fn loaded(&self, cpu: CpuId) -> u32 {
        self.per_cpu.rows()[usize::from(cpu.0)].loaded
    }

    /// The calls that a CPU's thread may try the fast way, a bit each, and whose address space is active there.
    #[must_use]
    pub fn quick_calls(&self, cpu: CpuId) -> (u64, u32) {
        let row = &self.per_cpu.rows()[usize::from(cpu.0)];
        (row.quick, row.active)
    }

    /// Feeds all that decides the future into a hash: equal states, equal hashes.
    pub fn hash_state(&self, hasher: &mut impl Hasher)
    where
        Registers<M>: Hash,
    {
        self.rows.rows().hash(hasher);
        self.turns.rows().hash(hasher);
        self.heads.rows().hash(hasher);
        self.threads.rows().hash(hasher);
        self.hash_the_rest(hasher);
    }

    /// The same for which it makes no difference which record a turn has, or what a running thread has left with.
    pub fn hash_effect(&self, hasher: &mut impl Hasher)
    where
        Registers<M>: Hash,
    {
        for (row, thread) in self.rows.rows().iter().zip(self.threads.rows()) {
            row.without_records().hash(hasher);
            if row.place() == Place::Running {
                Thread { registers: Registers::<M>::default(), ..thread.clone() }.hash(hasher);
            } else {
                thread.hash(hasher);
            }
        }
        let turns = self.turns.rows();
        for (level, head) in self.heads.rows().iter().enumerate().filter(|(_, head)| **head != NONE) {
            let mut at = *head;
            loop {
                let turn = &turns[at as usize];
                (level, turn.group(), turn.members(), turn.left(), turn.first()).hash(hasher);
                at = turn.next();
                if at == *head {
                    break;
                }
            }
        }
        self.hash_the_rest(hasher);
    }

    fn hash_the_rest(&self, hasher: &mut impl Hasher)
    where
        Registers<M>: Hash,
    {
        self.timers.rows().hash(hasher);
        self.waiters.rows().hash(hasher);
        self.queues.rows().hash(hasher);
        self.wheels.rows().hash(hasher);
        self.per_cpu.rows().hash(hasher);
        self.groups.rows().hash(hasher);
        self.mappings.rows().hash(hasher);
        self.endpoints.rows().hash(hasher);
        self.lines.rows().hash(hasher);
        self.interrupted.rows().hash(hasher);
        self.capabilities.rows().hash(hasher);
        self.chunks.rows().hash(hasher);
        self.state.hash(hasher);
        for process in self.processes.rows() {
            (process.generation, process.parent, process.first_child, process.capabilities).hash(hasher);
            (process.watcher, process.bell, process.handler, process.calls).hash(hasher);
            (process.host, process.circle, process.quick_calls).hash(hasher);
            (process.holdings, process.ended, &process.budget).hash(hasher);
            (process.words, process.authorities, process.counts, process.run_time, process.reason)
                .hash(hasher);
            (process.first_waiter, process.to_wake, &process.round, process.lender, process.active_on)
                .hash(hasher);
        }
        for object in self.objects.rows() {
            (object.generation, object.process, object.length, object.first_mapping).hash(hasher);
            (object.changing, object.capabilities, object.next_orphan, object.dying).hash(hasher);
            (object.arriving, object.words, object.bell, object.unshown).hash(hasher);
        }
        (self.free_thread, self.free_group, self.alive_processes, self.reap_first, self.off).hash(hasher);
        (self.free_process, self.orphan_first, self.free_chunk, self.free_endpoint, self.free_interrupted)
            .hash(hasher);
        (self.spare_chunk, self.spare_chunks).hash(hasher);
        (self.due_upcalls, self.unshown_first, self.firmware).hash(hasher);
        (&self.own, &self.budget, &self.tags, &self.flushes, self.waking_first, self.first_watched)
            .hash(hasher);
        self.frames.free_count().hash(hasher);
    }
}
