//! Signals to one that is more urgent, and its next wait, the fast way: the CPU changes hands twice, and nobody else hears of
//! it.

use coldframe_abi::{CapabilityHandle, CapabilityRights, Instant, Message, Reply};
use coldframe_hal::{Clock, Cpu, Machine, Store, UserRegisters};
use coldframe_scheduler::NONE;

use crate::alarms::wait_timer;
use crate::calls::Caller;
use crate::fast::FastReply;
use crate::fast_messages::endpoint_named;
use crate::fast_tables::Tables;
use crate::hint::{Hint, Rest};
use crate::passing::Passing;
use crate::words::rank_to_receive;
use crate::{Kernel, Line, Registers, Thread, WaitsFor, reaper};

impl<M: Machine> Kernel<M> {
    /// `signal` to one that waits alone and runs here at once.
    #[cold]
    #[inline(never)]
    pub(crate) fn fast_interrupt(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
        bits: u64,
    ) -> Option<FastReply> {
        let now = self.undisturbed(cpu)?;
        let to = self.tables().interrupt(cpu, now, caller, word, bits)?;
        if self.timers.rows()[wait_timer(to) as usize].deadline().is_some() {
            self.timers_as_they_are().cancel(wait_timer(to));
        }
        self.arm_for_next(cpu);
        Some(FastReply::Swapped)
    }

    /// `receive` where there is nothing yet, by the only one of its level.
    #[cold]
    #[inline(never)]
    pub(crate) fn fast_wait(&mut self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        let now = self.undisturbed(cpu)?;
        self.tables().wait(cpu, now, caller, word)?;
        self.arm_for_next(cpu);
        Some(FastReply::Swapped)
    }

    /// What time it is, if nobody is to be interrupted by signals and no timer is due.
    #[inline(always)]
    pub(crate) fn undisturbed(&self, cpu: &M::Cpu) -> Option<Instant> {
        let now = cpu.now();
        (self.due_upcalls == 0 && !self.is_due(cpu.id(), now)).then_some(now)
    }

    #[inline(always)]
    fn arm_for_next(&mut self, cpu: &mut M::Cpu) {
        self.change.0 += 1;
        self.of_cpu(cpu).passes = Hint::UNKNOWN;
        if let Some(moment) = self.scheduler_as_it_is().next_event(cpu.id()) {
            self.arm_no_later(cpu, moment);
        }
    }
}

impl<M: Machine> Tables<'_, M> {
    /// Hands signals to whoever waits for them, and says who runs now.
    #[inline(always)]
    fn interrupt(self, cpu: &mut M::Cpu, now: Instant, caller: Caller, word: u64, bits: u64) -> Option<u32> {
        let Self { threads, processes, capabilities, endpoints, mut waiters, mut scheduler, per_cpu, .. } =
            self;
        let named = endpoint_named(capabilities, caller, word, CapabilityRights::SIGNAL).ok()?;
        let (badge, endpoint) = (named.badge(), &mut endpoints[named.target().row as usize]);
        let to = endpoint.receivers.root()?;
        let may = bits != 0 && (badge == 0 || bits & !badge == 0);
        let spent = scheduler.cpus[usize::from(cpu.id().0)].uncharged(now);
        if !may
            || !endpoint.hears_all()
            || !waiters.is_alone(to)
            || !goes_on_from_its_call::<M>(&threads[to as usize])
            || !scheduler.can_interrupt(cpu.id(), to, spent)
        {
            return None;
        }
        let here = &mut per_cpu[usize::from(cpu.id().0)];
        let passing = Passing::<M>::between(cpu, (caller, to), here, threads, processes)?;
        let by = waiters.leave_alone(&mut endpoint.receivers, to);
        *capabilities[by as usize].users_mut() = NONE;
        passing.coming.waits_for = WaitsFor::Nothing;
        passing.coming.registers.deliver(Message::SIGNALLED);
        passing.coming.registers.answer(Reply::ok(bits));
        let spent = scheduler.charge_running(cpu.id(), caller.thread, now);
        scheduler.interrupt(cpu.id(), to);
        cpu.swap(&mut passing.leaving.registers, Some(Reply::ok(0)), &passing.coming.registers);
        passing.finish(cpu, spent);
        Some(to)
    }

    /// Waits to receive.
    #[inline(always)]
    fn wait(self, cpu: &mut M::Cpu, now: Instant, caller: Caller, word: u64) -> Option<()> {
        let Self { threads, processes, capabilities, endpoints, mut waiters, mut scheduler, per_cpu, .. } =
            self;
        let named = endpoint_named(capabilities, caller, word, CapabilityRights::READ).ok()?;
        let number = named.target().row;
        let endpoint = &mut endpoints[number as usize];
        let is_quiet = endpoint.stands_alone() && endpoint.receivers.is_empty() && endpoint.is_quiet();
        if !is_quiet || endpoint.writers == 0 || threads[caller.thread as usize].caller != NONE {
            return None;
        }
        let next = scheduler.next_below(cpu.id())?;
        if next == reaper::THREAD || !goes_on_from_its_call::<M>(&threads[next as usize]) {
            return None;
        }
        let here = &mut per_cpu[usize::from(cpu.id().0)];
        let passing = Passing::<M>::between(cpu, (caller, next), here, threads, processes)?;
        let row = &scheduler.rows[caller.thread as usize];
        let (rank, unbound) = (rank_to_receive(row), row.is_unbound());
        let capability = CapabilityHandle::from_word(word).slot;
        waiters.enter_alone(&mut endpoint.receivers, caller.thread, rank, capability);
        *capabilities[capability as usize].users_mut() = caller.thread;
        passing.leaving.waits_for = WaitsFor::InLine(Line::Receivers(number));
        passing.leaving.rests = Rest::on(cpu.id(), unbound);
        let spent = scheduler.charge_running(cpu.id(), caller.thread, now);
        scheduler.wait_for_next(cpu.id(), now);
        cpu.swap(&mut passing.leaving.registers, None, &passing.coming.registers);
        passing.finish(cpu, spent);
        Some(())
    }
}

/// Whether a thread that does not run goes on from a call, with nothing to be done before.
#[inline(always)]
pub(crate) fn goes_on_from_its_call<M: Machine>(row: &Thread<Registers<M>>) -> bool {
    let registers = &row.registers;
    registers.is_light()
        && registers.has_way_back()
        && registers.rests_in_call()
        // One that was suspended while it ran, and yielded before it was kicked, is still queued.
        && !row.suspended
        && row.work.is_none()
        && row.fault.is_none()
        && row.cargo.is_empty()
}
