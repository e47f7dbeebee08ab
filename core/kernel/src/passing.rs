//! The CPU passed on in a fast call: from whoever runs to one that has waited for just that.

use coldframe_abi::{Counter, CpuId, Nanos};
use coldframe_hal::paging::Format;
use coldframe_hal::{Cpu, Machine, Translation, UserRegisters};

use crate::calls::Caller;
use crate::hint::{Hint, Rest};
use crate::per_cpu::PerCpu;
use crate::{Kernel, Process, Registers, Thread};

/// Why a call does not go the fast way.
pub(crate) enum Declined {
    /// It takes more than that.
    Slow,
    /// It has to be found out whether the CPU can be passed to this thread.
    Unknown(u32),
}

/// The two threads between which the CPU is passed, and what of the CPU changes with that.
pub(crate) struct Passing<'a, M: Machine> {
    pub(crate) leaving: &'a mut Thread<Registers<M>>,
    pub(crate) coming: &'a mut Thread<Registers<M>>,
    here: &'a mut PerCpu,
    spaces: Spaces<'a, M::Paging>,
    to: u32,
}

/// The processes of the two.
enum Spaces<'a, P> {
    Same(&'a mut Process<P>),
    Other { left: &'a mut Process<P>, entered: &'a mut Process<P> },
}

impl<'a, M: Machine> Passing<'a, M> {
    /// What the CPU is passed between, if that takes nothing but to change the registers and the space.
    #[inline(always)]
    pub(crate) fn between(
        cpu: &mut M::Cpu,
        (from, to): (Caller, u32),
        here: &'a mut PerCpu,
        threads: &'a mut [Thread<Registers<M>>],
        processes: &'a mut [Process<M::Paging>],
    ) -> Option<Self> {
        let [leaving, coming] = threads.get_disjoint_mut([from.thread as usize, to as usize]).ok()?;
        let (left, entered) = (from.process as usize, coming.process as usize);
        let spaces = if left == entered {
            Spaces::Same(&mut processes[left])
        } else {
            let [left, entered] = processes.get_disjoint_mut([left, entered]).ok()?;
            if !entered.can_be_entered(here, cpu.id()) {
                return None;
            }
            Spaces::Other { left, entered }
        };
        cpu.registers().is_light().then_some(Self { leaving, coming, here, spaces, to })
    }

    /// Whether it is known that the one can pass on what it runs on, and the other goes on at once.
    #[inline(always)]
    pub(crate) fn is_ready(&self, here: CpuId) -> bool {
        self.here.passes.holds() && self.coming.rests.holds_on(here)
    }

    /// The other one has the CPU and its registers are there; the one has had it for so long.
    #[inline(always)]
    pub(crate) fn finish(self, cpu: &mut M::Cpu, spent: Nanos) {
        let Self { leaving, coming, here, spaces, to } = self;
        // The one that it has just made is the last of its calls here.
        let calls = core::mem::take(&mut here.calls) + 1;
        leaving.counts.add(Counter::Calls, calls);
        here.loaded = to;
        match spaces {
            Spaces::Same(process) => {
                process.run_time.0 += spent.0;
                process.counts.add(Counter::Calls, calls);
            }
            Spaces::Other { left, entered } => {
                left.run_time.0 += spent.0;
                left.counts.add(Counter::Calls, calls);
                here.active = coming.process;
                here.quick = entered.quick_calls;
                left.leave_for::<M>(entered, cpu);
            }
        }
    }
}

impl<P: Format> Process<P> {
    /// Whether a CPU can change to its space without forgetting anything, and it has not ended.
    #[inline(always)]
    pub(crate) fn can_be_entered(&self, cpu: &PerCpu, here: CpuId) -> bool {
        // On a machine without tags nobody has one of any generation.
        self.ended.is_none() && self.tag_generation == cpu.tag_generation && self.warm_on.contains(here)
    }

    /// This CPU changes from its space to that of another.
    ///
    /// Precondition: it can be entered.
    #[inline(always)]
    pub(crate) fn leave_for<M: Machine<Paging = P>>(&mut self, other: &mut Self, cpu: &mut M::Cpu) {
        self.active_on.remove(cpu.id());
        other.active_on.insert(cpu.id());
        if let Some(space) = &other.space {
            cpu.activate(space.root(), other.tag);
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// Finds out whether whoever runs on a CPU can pass it on, and a thread that waits goes on at once, and keeps it; whether that
    /// has a deadline is left to the caller.
    ///
    /// # Errors
    /// It is not so.
    pub(crate) fn come_to_pass(&mut self, cpu: &M::Cpu, to: u32) -> Result<(), Declined> {
        let here = cpu.id();
        let row = self.thread(to);
        let rests = row.fault.is_none()
            && row.registers.is_light()
            && row.registers.has_way_back()
            && !row.suspended
            && row.cargo.is_empty();
        let scheduler = self.scheduler_as_it_is();
        let waits = rests && scheduler.waits_for_any(here, to);
        let passes = waits && scheduler.is_as_urgent_as_its_context(here) && scheduler.is_accounted(here);
        let unbound = scheduler.is_unbound(to);
        if !passes {
            return Err(Declined::Slow);
        }
        self.thread(to).rests = Rest::on(here, unbound);
        self.of_cpu(cpu).passes = Hint::HOLDS;
        Ok(())
    }
}
