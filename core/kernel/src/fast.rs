//! The fast way: a few hot calls, tried before the registers are saved. It changes nothing unless it can finish, and then
//! it comes to what `enter` would have come to (KRN-26).

use coldframe_abi::{Arrival, CapabilityRights, Carries, Deadline, Nanos, Number, Reply};
use coldframe_hal::{Cpu, Machine, Store};
use coldframe_scheduler::NONE;

use crate::calls::Caller;
use crate::fast_messages::endpoint_named;
use crate::fast_tables::Tables;
use crate::fast_waits::goes_on_from_its_call;
use crate::hint::Hint;
use crate::passing::Passing;
use crate::{Kernel, reaper};

/// Who goes on after a fast call, and what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastReply {
    /// The one that has made the call, with this answer.
    Answered(Reply),
    /// One that has waited for a message, with this answer to its own call; how the message has come, which is where it was.
    Passed(Reply, Arrival),
    /// The one that has made the call, with these signals.
    Signalled(Reply),
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
    /// `receive`
    Receive,
    /// `reply_receive`
    ReplyReceive,
    /// `capability_copy`
    CapabilityCopy,
    /// `capability_delete`
    CapabilityDelete,
    /// `memory_reserve`
    MemoryReserve,
    /// `memory_fill`
    MemoryFill,
    /// `memory_unmap`
    MemoryUnmap,
    /// `memory_protect`
    MemoryProtect,
}

impl FastCall {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::YieldNow,
        Self::Signal,
        Self::Call,
        Self::Receive,
        Self::ReplyReceive,
        Self::CapabilityCopy,
        Self::CapabilityDelete,
        Self::MemoryReserve,
        Self::MemoryFill,
        Self::MemoryUnmap,
        Self::MemoryProtect,
    ];

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.number() as u64 == number)
    }

    /// Whether it takes two: walls are between some of those.
    pub(crate) const fn is_between_two(self) -> bool {
        matches!(self, Self::Signal | Self::Call | Self::Receive | Self::ReplyReceive)
    }

    /// Which call it is.
    #[must_use]
    pub const fn number(self) -> Number {
        match self {
            Self::Null => Number::Null,
            Self::YieldNow => Number::YieldNow,
            Self::Signal => Number::Signal,
            Self::Call => Number::Call,
            Self::Receive => Number::Receive,
            Self::ReplyReceive => Number::ReplyReceive,
            Self::CapabilityCopy => Number::CapabilityCopy,
            Self::CapabilityDelete => Number::CapabilityDelete,
            Self::MemoryReserve => Number::MemoryReserve,
            Self::MemoryFill => Number::MemoryFill,
            Self::MemoryUnmap => Number::MemoryUnmap,
            Self::MemoryProtect => Number::MemoryProtect,
        }
    }
}

/// The same thread goes on, and there is nothing to tell it.
const DONE: FastReply = FastReply::Answered(Reply::ok(0));

impl<M: Machine> Kernel<M> {
    /// Tries a call of the running thread, given its first three arguments.
    #[inline(always)]
    pub fn fast(&mut self, cpu: &mut M::Cpu, call: FastCall, arguments: [u64; 3]) -> Option<FastReply> {
        let caller = self.who_may_try(cpu, call)?;
        let [first, second, _] = arguments;
        match call {
            FastCall::Null => {
                self.of_cpu(cpu).calls += 1;
                Some(DONE)
            }
            FastCall::YieldNow => self.fast_yield(cpu, caller),
            FastCall::Signal => match self.raise_quietly(cpu, caller, first, second)? {
                true => Some(DONE),
                false => self.fast_interrupt(cpu, caller, first, second),
            },
            FastCall::CapabilityCopy => self.fast_copy(cpu, caller, arguments),
            FastCall::CapabilityDelete => self.fast_delete(cpu, caller, first),
            FastCall::MemoryReserve
            | FastCall::MemoryFill
            | FastCall::MemoryUnmap
            | FastCall::MemoryProtect => self.fast_page(cpu, caller, call, arguments).map(|()| DONE),
            FastCall::Receive => self.fast_receive(cpu, caller, first, Deadline(second)),
            _ if cpu.carries() != Carries::NONE => None,
            FastCall::Call if second != Deadline::NEVER.0 => {
                self.fast_call_until(cpu, caller, first, Deadline(second))
            }
            FastCall::Call => self.fast_call(cpu, caller, first),
            FastCall::ReplyReceive if second != Deadline::NEVER.0 => None,
            FastCall::ReplyReceive => self.fast_reply_receive(cpu, caller, first),
        }
    }

    /// Tries a call that leaves the CPU as it is and is answered with nothing but that it is done; says whether it is.
    #[inline(always)]
    pub fn fast_alone(&mut self, cpu: &mut M::Cpu, call: FastCall, arguments: [u64; 3]) -> bool {
        let Some(caller) = self.who_may_try(cpu, call) else { return false };
        let [first, second, _] = arguments;
        match call {
            FastCall::Null => {
                self.of_cpu(cpu).calls += 1;
                true
            }
            FastCall::Signal => self.raise_quietly(cpu, caller, first, second) == Some(true),
            _ => self.fast_page(cpu, caller, call, arguments).is_some(),
        }
    }

    /// Who runs on a CPU, if that may try a call the fast way.
    #[inline(always)]
    fn who_may_try(&self, cpu: &M::Cpu, call: FastCall) -> Option<Caller> {
        let here = &self.per_cpu.rows()[usize::from(cpu.id().0)];
        here.may_try(call).then_some(Caller { thread: here.loaded, process: here.active })
    }

    /// `signal` where nobody waits; says whether it was done, or somebody waits.
    #[inline(always)]
    fn raise_quietly(&mut self, cpu: &M::Cpu, caller: Caller, word: u64, bits: u64) -> Option<bool> {
        let mut tables = self.tables();
        let named = endpoint_named(tables.capabilities, caller, word, CapabilityRights::SIGNAL).ok()?;
        let badge = named.badge();
        let row = &mut tables.endpoints[named.target().row as usize];
        if !row.receivers.is_empty() {
            return Some(false);
        }
        let is_plain = row.upcall == NONE && row.hears_all();
        if (badge != 0 && bits & !badge != 0) || row.readers == 0 || !is_plain {
            return None;
        }
        row.signals |= bits;
        tables.here(cpu).calls += 1;
        Some(true)
    }

    /// `receive` where signals have been raised, or nothing has come.
    #[inline(always)]
    fn fast_receive(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        word: u64,
        deadline: Deadline,
    ) -> Option<FastReply> {
        let mut tables = self.tables();
        let named = endpoint_named(tables.capabilities, caller, word, CapabilityRights::READ).ok()?;
        let row = &mut tables.endpoints[named.target().row as usize];
        // Whoever owes a reply is told so.
        let owes = tables.threads[caller.thread as usize].caller != NONE;
        if row.signals == 0 && deadline == Deadline::NEVER {
            return self.fast_wait(cpu, caller, word);
        }
        if row.signals == 0 || !row.stands_alone() || owes {
            return None;
        }
        let signals = core::mem::take(&mut row.signals);
        tables.here(cpu).calls += 1;
        Some(FastReply::Signalled(Reply::ok(signals)))
    }

    /// `yield_now` to the next thread of the same turn, if that has nothing to do but to go on.
    #[inline(always)]
    fn fast_yield(&mut self, cpu: &mut M::Cpu, caller: Caller) -> Option<FastReply> {
        let (here, now) = (cpu.id(), self.undisturbed(cpu)?);
        let tables = self.tables();
        let spent = tables.scheduler.cpus[usize::from(here.0)].uncharged(now);
        let swap = tables.scheduler.next_of_turn(here, spent)?;
        let next = swap.coming();
        let row = tables.threads.get(next as usize)?;
        let rows = &*tables.scheduler.rows;
        let left = rows[rows[next as usize].runs_on() as usize].context().slice_left();
        if next == reaper::THREAD || !goes_on_from_its_call::<M>(row) || left == Nanos::ZERO {
            return None;
        }
        let Tables { threads, processes, mut scheduler, per_cpu, change, .. } = tables;
        let row = &mut per_cpu[usize::from(here.0)];
        row.passes = Hint::UNKNOWN;
        let passing = Passing::<M>::between(cpu, (caller, next), row, threads, processes)?;
        let spent = scheduler.charge_running(here, caller.thread, now);
        scheduler.swap(here, swap);
        change.0 += 1;
        cpu.swap(&mut passing.leaving.registers, Some(Reply::ok(0)), &passing.coming.registers);
        passing.finish(cpu, spent);
        self.arm_no_later(cpu, now.after(left));
        Some(FastReply::Swapped)
    }
}
