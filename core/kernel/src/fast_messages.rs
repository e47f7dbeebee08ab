//! `call` and `reply_receive` the fast way: who has waited goes on at once, in place of the one that begins to wait, and the
//! message stays in the registers.

use coldframe_abi::{Arrival, CapabilityHandle, CapabilityKind, CapabilityRights, Deadline, Reply};
use coldframe_capability::{Capabilities, Capability};
use coldframe_hal::{Clock, Cpu, Machine, Store};
use coldframe_ipc::Rank;
use coldframe_scheduler::{Hand, NONE};

use crate::alarms::wait_timer;
use crate::calls::Caller;
use crate::fast::FastReply;
use crate::fast_tables::Tables;
use crate::hint::Rest;
use crate::passing::{Declined, Passing};
use crate::{Kernel, Line, WaitsFor};

/// The server goes on, with what is written on the name that was called by.
const fn called(badge: u64) -> FastReply {
    FastReply::Passed(Reply::ok(badge), Arrival::Called)
}

/// The caller goes on.
const REPLIED: FastReply = FastReply::Passed(Reply::ok(0), Arrival::Sent);

impl<M: Machine> Kernel<M> {
    /// `call` to a server that waits alone.
    #[inline(always)]
    pub(crate) fn fast_call(&mut self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        match self.tables().call(cpu, caller, word) {
            Ok(badge) => Some(called(badge)),
            Err(Declined::Unknown(server)) => self.call_unknown(cpu, caller, word, server),
            Err(Declined::Slow) => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn call_unknown(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
        server: u32,
    ) -> Option<FastReply> {
        self.come_to_pass(cpu, server).ok()?;
        let passed = self.tables().call(cpu, caller, word).ok();
        self.came_in_time(server, passed.is_some());
        passed.map(called)
    }

    /// The same with a deadline.
    #[cold]
    #[inline(never)]
    pub(crate) fn fast_call_until(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
        deadline: Deadline,
    ) -> Option<FastReply> {
        let now = cpu.now();
        if deadline.0 <= now.0 {
            return None;
        }
        let reply = self.fast_call(cpu, caller, word)?;
        self.set_deadline(cpu, now, caller.thread, deadline);
        Some(reply)
    }

    /// `reply_receive` to a caller that waits, where no message is waiting.
    #[inline(always)]
    pub(crate) fn fast_reply_receive(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
    ) -> Option<FastReply> {
        match self.tables().reply_receive(cpu, caller, word) {
            Ok(()) => Some(REPLIED),
            Err(Declined::Unknown(to)) => self.reply_receive_unknown(cpu, caller, word, to),
            Err(Declined::Slow) => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn reply_receive_unknown(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
        to: u32,
    ) -> Option<FastReply> {
        self.come_to_pass(cpu, to).ok()?;
        let passed = self.tables().reply_receive(cpu, caller, word).ok();
        self.came_in_time(to, passed.is_some());
        passed.map(|()| REPLIED)
    }

    /// The CPU was passed to a thread or not: what that has waited for has come before its deadline, or that stands.
    fn came_in_time(&mut self, thread: u32, passed: bool) {
        if self.timers.rows()[wait_timer(thread) as usize].deadline().is_none() {
            return;
        }
        if passed {
            self.timers_as_they_are().cancel(wait_timer(thread));
        } else {
            self.thread(thread).rests = Rest::UNKNOWN;
        }
    }
}

impl<M: Machine> Tables<'_, M> {
    /// Calls, and says what is written on the name that was called by.
    #[inline(always)]
    fn call(self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Result<u64, Declined> {
        let Self { threads, processes, capabilities, endpoints, mut waiters, mut scheduler, per_cpu, .. } =
            self;
        let named = endpoint_named(capabilities, caller, word, CapabilityRights::WRITE)?;
        let (badge, endpoint) = (named.badge(), &mut endpoints[named.target().row as usize]);
        let Some(server) = endpoint.receivers.root() else { return Err(Declined::Slow) };
        if !endpoint.hears_all() || !waiters.is_alone(server) {
            return Err(Declined::Slow);
        }
        let here = &mut per_cpu[usize::from(cpu.id().0)];
        let Some(passing) = Passing::<M>::between(cpu, (caller, server), here, threads, processes) else {
            return Err(Declined::Slow);
        };
        if !passing.is_ready(cpu.id()) {
            return Err(Declined::Unknown(server));
        }
        let Some(passed) = scheduler.pass(cpu.id(), cpu.now(), (caller.thread, server), Hand::Out) else {
            return Err(Declined::Slow);
        };
        let by = waiters.leave_alone(&mut endpoint.receivers, server);
        *capabilities[by as usize].users_mut() = NONE;
        (passing.coming.caller, passing.coming.waits_for) = (caller.thread, WaitsFor::Nothing);
        passing.leaving.waits_for = WaitsFor::Reply(server);
        passing.leaving.rests = Rest::on(cpu.id(), passed.unbound);
        cpu.hand_over(&mut passing.leaving.registers, &mut passing.coming.registers);
        passing.finish(cpu, passed.spent);
        Ok(badge)
    }

    /// Replies, and waits to receive.
    #[inline(always)]
    fn reply_receive(self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Result<(), Declined> {
        let Self { threads, processes, capabilities, endpoints, mut waiters, mut scheduler, per_cpu, .. } =
            self;
        let named = endpoint_named(capabilities, caller, word, CapabilityRights::READ)?;
        let number = named.target().row;
        let endpoint = &mut endpoints[number as usize];
        let to = threads[caller.thread as usize].caller;
        let is_quiet = endpoint.stands_alone() && endpoint.receivers.is_empty() && endpoint.is_quiet();
        if !is_quiet || endpoint.writers == 0 || to == NONE {
            return Err(Declined::Slow);
        }
        let here = &mut per_cpu[usize::from(cpu.id().0)];
        let Some(passing) = Passing::<M>::between(cpu, (caller, to), here, threads, processes) else {
            return Err(Declined::Slow);
        };
        if !passing.is_ready(cpu.id()) {
            return Err(Declined::Unknown(to));
        }
        let Some(passed) = scheduler.pass(cpu.id(), cpu.now(), (caller.thread, to), Hand::Back) else {
            return Err(Declined::Slow);
        };
        let capability = CapabilityHandle::from_word(word).slot;
        let rank = Rank::of_level(passed.level.index());
        waiters.enter_alone(&mut endpoint.receivers, caller.thread, rank, capability);
        *capabilities[capability as usize].users_mut() = caller.thread;
        passing.coming.waits_for = WaitsFor::Nothing;
        passing.leaving.caller = NONE;
        passing.leaving.waits_for = WaitsFor::InLine(Line::Receivers(number));
        passing.leaving.rests = Rest::on(cpu.id(), passed.unbound);
        cpu.hand_over(&mut passing.leaving.registers, &mut passing.coming.registers);
        passing.finish(cpu, passed.spent);
        Ok(())
    }
}

/// The capability that names an endpoint, if it gives these rights.
#[inline(always)]
pub(crate) fn endpoint_named(
    capabilities: &[Capability],
    caller: Caller,
    word: u64,
    rights: CapabilityRights,
) -> Result<&Capability, Declined> {
    let handle = CapabilityHandle::from_word(word);
    let name = (handle.slot, handle.generation);
    Capabilities::row_of(capabilities, caller.process, name, CapabilityKind::Endpoint, rights)
        .map_err(|_| Declined::Slow)
}
