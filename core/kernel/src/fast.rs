//! The fast way: a few hot calls, tried before the registers are saved. It changes nothing unless it can finish, and then
//! it comes to what `enter` would have come to (KRN-26).

use coldframe_abi::{
    Arrival, CapabilityHandle, CapabilityKind, CapabilityRights, Carries, Counter, Deadline, Instant, Nanos,
    Number, Reply,
};
use coldframe_capability::{Capabilities, Capability};
use coldframe_hal::{Clock, Cpu, Machine, Store, UserRegisters};
use coldframe_scheduler::{Hand, NONE};

use crate::alarms::wait_timer;
use crate::calls::Caller;
use crate::{Kernel, Line, WaitsFor, reaper};

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

    /// The capability that names an endpoint, and which that is.
    #[inline]
    fn endpoint_named(&self, caller: Caller, word: u64, rights: CapabilityRights) -> Option<(u32, u32)> {
        let handle = CapabilityHandle::from_word(word);
        let name = (handle.slot, handle.generation);
        let rows: &[Capability] = self.capabilities.rows();
        let found = Capabilities::named(rows, caller.process, name, CapabilityKind::Endpoint, rights);
        let endpoint = found.ok()?.row;
        // What comes to a member of a set has to be brought to where that is received.
        let is_alone = self.endpoints.rows()[endpoint as usize].membership.set().is_none();
        is_alone.then_some((handle.slot, endpoint))
    }

    /// `call` to a server that waits alone: it goes on at once, with the message where it is.
    #[inline]
    fn fast_call(&mut self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        let (capability, endpoint) = self.endpoint_named(caller, word, CapabilityRights::WRITE)?;
        let row = &self.endpoints.rows()[endpoint as usize];
        let server = row.receivers.root()?;
        let alone = self.waiters.rows()[server as usize].is_alone(server);
        if !alone || !row.circle.is_open() || !self.can_pass(cpu, caller, server, Hand::Out) {
            return None;
        }
        let badge = self.capability(capability).badge();
        self.count(caller.thread, Counter::Calls);
        let (mut waiters, queue) = self.line(Line::Receivers(endpoint));
        let by = waiters.leave_alone(queue, server);
        self.end_use(server, by);
        let row = self.thread(server);
        (row.caller, row.waits_for) = (caller.thread, WaitsFor::Nothing);
        self.thread(caller.thread).waits_for = WaitsFor::Reply(server);
        self.pass(cpu, caller, server, Hand::Out);
        Some(FastReply::Passed(Reply::ok(badge), Arrival::Called))
    }

    /// `reply_receive` to a caller that waits, where no message is waiting: it goes on at once.
    #[inline]
    fn fast_reply_receive(&mut self, cpu: &mut M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        let (capability, endpoint) = self.endpoint_named(caller, word, CapabilityRights::READ)?;
        let row = &self.endpoints.rows()[endpoint as usize];
        let to = self.threads.rows()[caller.thread as usize].caller;
        let alone = row.receivers.is_empty() && row.is_quiet() && row.writers > 0;
        if !alone || to == NONE || !self.can_pass(cpu, caller, to, Hand::Back) {
            return None;
        }
        self.count(caller.thread, Counter::Calls);
        let line = Line::Receivers(endpoint);
        self.take_place(caller.thread, (line, 0), Some(capability));
        self.thread(to).waits_for = WaitsFor::Nothing;
        let row = self.thread(caller.thread);
        (row.caller, row.waits_for) = (NONE, WaitsFor::InLine(line));
        self.pass(cpu, caller, to, Hand::Back);
        Some(FastReply::Passed(Reply::ok(0), Arrival::Sent))
    }

    /// `signal` where nobody waits.
    #[inline]
    fn fast_signal(&mut self, caller: Caller, word: u64, bits: u64) -> Option<FastReply> {
        let (capability, endpoint) = self.endpoint_named(caller, word, CapabilityRights::SIGNAL)?;
        let badge = self.capability(capability).badge();
        let row = &mut self.endpoints.rows_mut()[endpoint as usize];
        let is_plain = row.receivers.is_empty() && row.upcall == NONE && row.circle.is_open();
        if (badge != 0 && bits & !badge != 0) || row.readers == 0 || !is_plain {
            return None;
        }
        row.signals |= bits;
        self.count(caller.thread, Counter::Calls);
        Some(DONE)
    }

    /// `yield_now` to the next thread of the same turn, if that has nothing to do but to go on.
    #[inline]
    fn fast_yield(&mut self, cpu: &mut M::Cpu, caller: Caller) -> Option<FastReply> {
        let (here, now) = (cpu.id(), cpu.now());
        let spent = now.since(self.queues.rows()[usize::from(here.0)].since());
        let swap = self.scheduler_as_it_is().next_of_turn(here, spent)?;
        let next = swap.coming();
        let row = self.threads.rows().get(next as usize)?;
        let rows = self.rows.rows();
        let left = rows[rows[next as usize].runs_on() as usize].context().slice_left();
        let light = row.registers.is_light() && row.registers.rests_in_call() && cpu.registers().is_light();
        let process = row.process;
        // One that was suspended while it ran, and yielded before it was kicked, is still queued.
        let goes_on = next != reaper::THREAD
            && !row.suspended
            && row.work.is_none()
            && self.due_upcalls == 0
            && self.processes.rows()[process as usize].ended.is_none();
        let in_time = left != Nanos::ZERO && !self.is_due(here, now);
        if !light || !goes_on || !in_time || !self.can_enter_space(here, process) {
            return None;
        }
        self.count(caller.thread, Counter::Calls);
        self.charge(here, now);
        self.scheduler().swap(here, swap);
        self.of_cpu(cpu).loaded = next;
        self.arm_no_later(cpu, now.after(left));
        let threads = self.threads.rows_mut();
        if let Ok([leaving, coming]) = threads.get_disjoint_mut([caller.thread as usize, next as usize]) {
            cpu.swap(&mut leaving.registers, Reply::ok(0), &coming.registers);
        }
        self.enter_space(cpu, process);
        Some(FastReply::Swapped)
    }

    /// Sets the timer for a thread that goes on at once, unless it rings before the slice of that ends: whether later or
    /// not, the next entry sets it anew. What else it rings for stays the same.
    #[inline]
    fn arm_no_later(&mut self, cpu: &mut M::Cpu, end: Instant) {
        let armed = &mut self.of_cpu(cpu).armed;
        if armed.is_none_or(|armed| end < armed) {
            *armed = Some(end);
            cpu.arm(end);
        }
    }

    /// Whether the running thread can pass the CPU on to one that waits, and nothing else has to be done for that.
    #[inline(always)]
    fn can_pass(&mut self, cpu: &mut M::Cpu, caller: Caller, to: u32, hand: Hand) -> bool {
        let here = cpu.id();
        let row = &self.threads.rows()[to as usize];
        let (process, light) = (
            row.process,
            row.registers.is_light() && !row.suspended && row.fault.is_none() && row.cargo.is_empty(),
        );
        light
            && cpu.registers().is_light()
            && self.timers.rows()[wait_timer(to) as usize].deadline().is_none()
            && self.processes.rows()[process as usize].ended.is_none()
            && self.can_enter_space(here, process)
            && self.scheduler_as_it_is().can_hand_over(here, caller.thread, to, hand)
    }

    #[inline(always)]
    fn pass(&mut self, cpu: &mut M::Cpu, from: Caller, to: u32, hand: Hand) {
        let (_, spent) = self.scheduler_as_it_is().charge(cpu.id(), cpu.now());
        self.process(from.process).run_time.0 += spent.0;
        let from = from.thread;
        self.scheduler().hand_over(cpu.id(), from, to, hand);
        self.of_cpu(cpu).loaded = to;
        let threads = self.threads.rows_mut();
        if let Ok([leaving, coming]) = threads.get_disjoint_mut([from as usize, to as usize]) {
            cpu.hand_over(&mut leaving.registers, &mut coming.registers);
        }
        let process = self.thread(to).process;
        self.enter_space(cpu, process);
    }
}
