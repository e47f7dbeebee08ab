//! What fast calls that change threads look at: each table once, and a row of it as often as it is named.

use coldframe_abi::{Counter, CpuId, Instant, Nanos};
use coldframe_capability::Capability;
use coldframe_hal::{Cpu, Machine, Store};
use coldframe_ipc::Waiters;
use coldframe_scheduler::Scheduler;
use coldframe_scheduler::timer::Timer;

use crate::calls::Caller;
use crate::kernel::{Change, PerCpu};
use crate::translation::Tags;
use crate::{Endpoint, Kernel, Process, Registers, Thread};

/// The tables of the kernel that a message, or a change of threads, needs.
pub(crate) struct Tables<'a, M: Machine> {
    pub(crate) threads: &'a mut [Thread<Registers<M>>],
    pub(crate) processes: &'a mut [Process<M::Paging>],
    pub(crate) capabilities: &'a mut [Capability],
    pub(crate) endpoints: &'a mut [Endpoint],
    pub(crate) waiters: Waiters<'a>,
    pub(crate) scheduler: Scheduler<'a>,
    pub(crate) timers: &'a [Timer],
    pub(crate) per_cpu: &'a mut [PerCpu],
    pub(crate) tags: &'a Tags,
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
            timers: self.timers.rows(),
            per_cpu: self.per_cpu.rows_mut(),
            tags: &self.tags,
            change: &mut self.change,
        }
    }
}

impl<M: Machine> Tables<'_, M> {
    /// The running thread has made a call.
    #[inline(always)]
    pub(crate) fn count_call(&mut self, Caller { thread, process }: Caller) {
        self.threads[thread as usize].counts.add(Counter::Calls);
        self.processes[process as usize].counts.add(Counter::Calls);
    }

    /// Charges the running thread, which has a process, and that.
    #[inline(always)]
    pub(crate) fn charge(&mut self, Caller { thread, process }: Caller, here: CpuId, now: Instant) {
        let spent = self.scheduler.charge_running(here, thread, now);
        if spent != Nanos::ZERO {
            self.processes[process as usize].run_time.0 += spent.0;
        }
    }

    /// Another thread has the CPU; `exchange` changes the registers.
    ///
    /// Precondition: `can_enter_space`.
    #[inline(always)]
    pub(crate) fn go_on(
        &mut self,
        cpu: &mut M::Cpu,
        from: u32,
        to: u32,
        exchange: impl FnOnce(&mut M::Cpu, &mut Registers<M>, &mut Registers<M>),
    ) {
        self.per_cpu[usize::from(cpu.id().0)].loaded = to;
        if let Ok([leaving, coming]) = self.threads.get_disjoint_mut([from as usize, to as usize]) {
            exchange(cpu, &mut leaving.registers, &mut coming.registers);
        }
        let process = self.threads[to as usize].process;
        self.enter_ready_space(cpu, process);
    }
}
