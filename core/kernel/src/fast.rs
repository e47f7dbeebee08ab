//! The fast way: a few hot calls, tried before the registers are saved. It changes nothing unless it can finish, and then
//! it comes to what `enter` would have come to (KRN-26).

use coldframe_abi::{Arrival, CapabilityRights, Carries, Counter, Deadline, Nanos, Number, Reply};
use coldframe_hal::{Clock, Cpu, Machine, Store, UserRegisters};
use coldframe_scheduler::NONE;

use crate::calls::Caller;
use crate::{Kernel, reaper};

/// Who goes on after a fast call, and what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastReply {
    /// The one that has made the call, with this answer.
    Answered(Reply),
    /// One that has waited for a message, with this answer to its own call; how the message has come, which is where it was.
    Passed(Reply, Arrival),
    /// One that could have gone on before, with what it has found then.
    Swapped,
}

/// The calls that have a fast way. Each is a function of its own here: what one needs the others do not pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastCall {
    /// `null`
    Null,
    /// `yield_now`
    YieldNow,
    /// `signal`
    Signal,
    /// `call`
    Call,
    /// `reply_receive`
    ReplyReceive,
    /// `capability_copy`
    CapabilityCopy,
    /// `capability_delete`
    CapabilityDelete,
}

impl FastCall {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Null,
        Self::YieldNow,
        Self::Signal,
        Self::Call,
        Self::ReplyReceive,
        Self::CapabilityCopy,
        Self::CapabilityDelete,
    ];

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.number() as u64 == number)
    }

    /// Whether somebody else may hear of it.
    pub(crate) const fn sends(self) -> bool {
        matches!(self, Self::Signal | Self::Call | Self::ReplyReceive)
    }

    /// Which call it is.
    #[must_use]
    pub const fn number(self) -> Number {
        match self {
            Self::Null => Number::Null,
            Self::YieldNow => Number::YieldNow,
            Self::Signal => Number::Signal,
            Self::Call => Number::Call,
            Self::ReplyReceive => Number::ReplyReceive,
            Self::CapabilityCopy => Number::CapabilityCopy,
            Self::CapabilityDelete => Number::CapabilityDelete,
        }
    }
}

/// The same, a bit each.
pub const FAST_CALLS: u64 = {
    let mut bits = 0;
    let mut at = 0;
    while at < FastCall::ALL.len() {
        bits |= 1 << FastCall::ALL[at].number() as u64;
        at += 1;
    }
    bits
};

/// The same thread goes on, and there is nothing to tell it.
const DONE: FastReply = FastReply::Answered(Reply::ok(0));

impl<M: Machine> Kernel<M> {
    /// Tries a call of the running thread, given its first three arguments.
    #[inline(always)]
    pub fn fast(&mut self, cpu: &mut M::Cpu, call: FastCall, arguments: [u64; 3]) -> Option<FastReply> {
        let queue = &self.queues.rows()[usize::from(cpu.id().0)];
        let thread = queue.current()?;
        let row = &mut self.threads.rows_mut()[thread as usize];
        let process = row.process;
        let owner = &mut self.processes.rows_mut()[process as usize];
        if owner.quick_calls >> call.number() as u64 & 1 == 0 || self.off || queue.is_kicked() {
            return None;
        }
        if call == FastCall::Null {
            row.counts.add(Counter::Calls);
            owner.counts.add(Counter::Calls);
            return Some(DONE);
        }
        let caller = Caller { thread, process };
        let [first, second, _] = arguments;
        match call {
            FastCall::YieldNow => self.fast_yield(cpu, caller),
            FastCall::Signal => self.fast_signal(caller, first, second),
            FastCall::CapabilityCopy => self.fast_copy(caller, arguments),
            FastCall::CapabilityDelete => self.fast_delete(caller, first),
            _ if second != Deadline::NEVER.0 || cpu.carries() != Carries::NONE => None,
            FastCall::Call => self.fast_call(cpu, caller, first),
            FastCall::ReplyReceive => self.fast_reply_receive(cpu, caller, first),
            FastCall::Null => Some(DONE),
        }
    }

    /// `signal` where nobody waits.
    #[inline(always)]
    fn fast_signal(&mut self, caller: Caller, word: u64, bits: u64) -> Option<FastReply> {
        let mut tables = self.tables();
        let (capability, endpoint) = tables.endpoint_named(caller, word, CapabilityRights::SIGNAL)?;
        let badge = tables.capabilities[capability as usize].badge();
        let row = &mut tables.endpoints[endpoint as usize];
        let is_plain = row.receivers.is_empty() && row.upcall == NONE && row.circle.is_open();
        if (badge != 0 && bits & !badge != 0) || row.readers == 0 || !is_plain {
            return None;
        }
        row.signals |= bits;
        tables.count_call(caller);
        Some(DONE)
    }

    /// `yield_now` to the next thread of the same turn, if that has nothing to do but to go on.
    #[inline(always)]
    fn fast_yield(&mut self, cpu: &mut M::Cpu, caller: Caller) -> Option<FastReply> {
        let (here, now) = (cpu.id(), cpu.now());
        if self.due_upcalls != 0 || self.is_due(here, now) {
            return None;
        }
        let mut tables = self.tables();
        let spent = now.since(tables.scheduler.cpus[usize::from(here.0)].since());
        let swap = tables.scheduler.next_of_turn(here, spent)?;
        let next = swap.coming();
        let row = tables.threads.get(next as usize)?;
        let rows = &*tables.scheduler.rows;
        let left = rows[rows[next as usize].runs_on() as usize].context().slice_left();
        let coming = &row.registers;
        let light = coming.is_light() && coming.has_way_back() && coming.rests_in_call();
        let light = light && cpu.registers().is_light();
        let process = row.process;
        // One that was suspended while it ran, and yielded before it was kicked, is still queued.
        let goes_on = next != reaper::THREAD
            && !row.suspended
            && row.work.is_none()
            && tables.processes[process as usize].ended.is_none();
        if !light || !goes_on || left == Nanos::ZERO || !tables.can_enter_space(here, process) {
            return None;
        }
        tables.count_call(caller);
        tables.charge(caller, here, now);
        tables.scheduler.swap(here, swap);
        tables.change.0 += 1;
        tables.go_on(cpu, caller.thread, next, |cpu, leaving, coming| {
            cpu.swap(leaving, Reply::ok(0), coming);
        });
        self.arm_no_later(cpu, now.after(left));
        Some(FastReply::Swapped)
    }
}
