//! `call` and `reply_receive` the fast way: who has waited goes on at once, in place of the one that begins to wait, and the
//! message stays in the registers.

use coldframe_abi::{Arrival, CapabilityHandle, CapabilityKind, CapabilityRights, Reply};
use coldframe_capability::Capabilities;
use coldframe_hal::{Clock, Cpu, Machine, UserRegisters};
use coldframe_scheduler::{Hand, NONE};

use crate::alarms::wait_timer;
use crate::calls::Caller;
use crate::fast::FastReply;
use crate::fast_tables::Tables;
use crate::words::rank_to_receive;
use crate::{Kernel, Line, WaitsFor};

impl<M: Machine> Kernel<M> {
    /// `call` to a server that waits alone.
    #[inline(always)]
    pub(crate) fn fast_call(&mut self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        let mut tables = self.tables();
        let (capability, endpoint) = tables.endpoint_named(caller, word, CapabilityRights::WRITE)?;
        let row = &mut tables.endpoints[endpoint as usize];
        let server = row.receivers.root()?;
        let is_alone = row.circle.is_open() && tables.waiters.rows[server as usize].is_alone(server);
        if !is_alone || !tables.can_pass(cpu, caller, server, Hand::Out) {
            return None;
        }
        let badge = tables.capabilities[capability as usize].badge();
        let by = tables.waiters.leave_alone(&mut tables.endpoints[endpoint as usize].receivers, server);
        tables.waiters.end_use(tables.capabilities[by as usize].users_mut(), server);
        let row = &mut tables.threads[server as usize];
        (row.caller, row.waits_for) = (caller.thread, WaitsFor::Nothing);
        tables.threads[caller.thread as usize].waits_for = WaitsFor::Reply(server);
        tables.pass(cpu, caller, server, Hand::Out);
        Some(FastReply::Passed(Reply::ok(badge), Arrival::Called))
    }

    /// `reply_receive` to a caller that waits, where no message is waiting.
    #[inline(always)]
    pub(crate) fn fast_reply_receive(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
    ) -> Option<FastReply> {
        let mut tables = self.tables();
        let (capability, endpoint) = tables.endpoint_named(caller, word, CapabilityRights::READ)?;
        let row = &tables.endpoints[endpoint as usize];
        let to = tables.threads[caller.thread as usize].caller;
        let is_quiet = row.receivers.is_empty() && row.is_quiet() && row.writers > 0;
        if !is_quiet || to == NONE || !tables.can_pass(cpu, caller, to, Hand::Back) {
            return None;
        }
        let rank = rank_to_receive(&tables.scheduler.rows[caller.thread as usize]);
        let queue = &mut tables.endpoints[endpoint as usize].receivers;
        tables.waiters.enter_alone(queue, caller.thread, rank);
        let users = tables.capabilities[capability as usize].users_mut();
        tables.waiters.begin_use(users, caller.thread, capability);
        tables.threads[to as usize].waits_for = WaitsFor::Nothing;
        let row = &mut tables.threads[caller.thread as usize];
        (row.caller, row.waits_for) = (NONE, WaitsFor::InLine(Line::Receivers(endpoint)));
        tables.pass(cpu, caller, to, Hand::Back);
        Some(FastReply::Passed(Reply::ok(0), Arrival::Sent))
    }
}

impl<M: Machine> Tables<'_, M> {
    /// The capability that names an endpoint, and which that is.
    #[inline(always)]
    pub(crate) fn endpoint_named(
        &self,
        caller: Caller,
        word: u64,
        rights: CapabilityRights,
    ) -> Option<(u32, u32)> {
        let handle = CapabilityHandle::from_word(word);
        let name = (handle.slot, handle.generation);
        let found =
            Capabilities::named(self.capabilities, caller.process, name, CapabilityKind::Endpoint, rights);
        let endpoint = found.ok()?.row;
        // What comes to a member of a set has to be brought to where that is received.
        let is_alone = self.endpoints[endpoint as usize].membership.set().is_none();
        is_alone.then_some((handle.slot, endpoint))
    }

    /// Whether the running thread can pass the CPU on to one that waits, and nothing else has to be done for that.
    #[inline(always)]
    fn can_pass(&self, cpu: &mut M::Cpu, caller: Caller, to: u32, hand: Hand) -> bool {
        let row = &self.threads[to as usize];
        row.registers.is_light()
            && row.registers.has_way_back()
            && !row.suspended
            && row.fault.is_none()
            && row.cargo.is_empty()
            && cpu.registers().is_light()
            && self.timers[wait_timer(to) as usize].deadline().is_none()
            && self.processes[row.process as usize].ended.is_none()
            && self.can_enter_space(cpu.id(), row.process)
            && self.scheduler.can_hand_over(cpu.id(), caller.thread, to, hand)
    }

    /// Precondition: `can_pass`.
    #[inline(always)]
    fn pass(&mut self, cpu: &mut M::Cpu, from: Caller, to: u32, hand: Hand) {
        self.count_call(from);
        self.charge(from, cpu.id(), cpu.now());
        self.scheduler.hand_over(cpu.id(), from.thread, to, hand);
        self.go_on(cpu, from.thread, to, |cpu, leaving, coming| cpu.hand_over(leaving, coming));
    }
}
