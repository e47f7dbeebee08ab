//! What fast calls look at: each table once.

use coldframe_capability::Capability;
use coldframe_hal::{Cpu, Machine, Store};
use coldframe_ipc::Waiters;
use coldframe_scheduler::Scheduler;

use crate::hint::Change;
use crate::per_cpu::PerCpu;
use crate::{Endpoint, Kernel, Process, Registers, Thread};

/// The tables of the kernel that a message, or a change of threads, needs.
pub(crate) struct Tables<'a, M: Machine> {
    pub(crate) threads: &'a mut [Thread<Registers<M>>],
    pub(crate) processes: &'a mut [Process<M::Paging>],
    pub(crate) capabilities: &'a mut [Capability],
    pub(crate) endpoints: &'a mut [Endpoint],
    pub(crate) waiters: Waiters<'a>,
    pub(crate) scheduler: Scheduler<'a>,
    pub(crate) per_cpu: &'a mut [PerCpu],
    pub(crate) change: &'a mut Change,
}

impl<M: Machine> Kernel<M> {
    #[inline(always)]
    pub(crate) fn tables(&mut self) -> Tables<'_, M> {
        Tables {
            threads: self.threads.rows_mut(),
            processes: self.processes.rows_mut(),
            capabilities: self.capabilities.rows_mut(),
            endpoints: self.endpoints.rows_mut(),
            waiters: Waiters { rows: self.waiters.rows_mut() },
            scheduler: Scheduler {
                rows: self.rows.rows_mut(),
                turns: self.turns.rows_mut(),
                heads: self.heads.rows_mut(),
                cpus: self.queues.rows_mut(),
                state: &mut self.state,
            },
            per_cpu: self.per_cpu.rows_mut(),
            change: &mut self.change,
        }
    }
}

impl<M: Machine> Tables<'_, M> {
    #[inline(always)]
    pub(crate) fn here(&mut self, cpu: &M::Cpu) -> &mut PerCpu {
        &mut self.per_cpu[usize::from(cpu.id().0)]
    }
}
