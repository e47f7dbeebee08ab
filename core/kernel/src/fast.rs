//! The fast way: a few hot calls, tried before the registers are saved. It changes nothing unless it can finish, and then
//! it comes to what `enter` would have come to (KRN-26).

use coldframe_abi::{
    Arrival, CapabilityHandle, CapabilityKind, CapabilityRights, Carries, Counter, Deadline, Number, Reply,
};
use coldframe_capability::{Capabilities, Capability};
use coldframe_hal::{Clock, Cpu, Machine, Store, UserRegisters};
use coldframe_scheduler::{Hand, NONE};

use crate::alarms::wait_timer;
use crate::calls::Caller;
use crate::{Kernel, Line, WaitsFor};

/// What the thread finds that goes on after a fast call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastReply {
    /// The answer.
    pub reply: Reply,
    /// How the message has come that it finds.
    pub arrival: Arrival,
    /// Whether that is another thread than the one that has made the call.
    pub passed: bool,
}

/// The calls that have a fast way. Each is a function of its own here: what one needs the others do not pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastCall {
    /// `null`
    Null,
    /// `signal`
    Signal,
    /// `call`
    Call,
    /// `reply_receive`
    ReplyReceive,
}

impl FastCall {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Null, Self::Signal, Self::Call, Self::ReplyReceive];

    /// The one with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.number() as u64 == number)
    }

    /// Which call it is.
    #[must_use]
    pub const fn number(self) -> Number {
        match self {
            Self::Null => Number::Null,
            Self::Signal => Number::Signal,
            Self::Call => Number::Call,
            Self::ReplyReceive => Number::ReplyReceive,
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

/// An answer to a call after which the same thread goes on.
const DONE: FastReply = FastReply { reply: Reply::ok(0), arrival: Arrival::Sent, passed: false };

impl<M: Machine> Kernel<M> {
    /// Tries a call of the running thread, given its first two arguments.
    #[inline(always)]
    pub fn fast(&mut self, cpu: &mut M::Cpu, call: FastCall, arguments: [u64; 2]) -> Option<FastReply> {
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
        let [first, second] = arguments;
        match call {
            FastCall::Signal => self.fast_signal(caller, first, second),
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
        Some(FastReply { reply: Reply::ok(badge), arrival: Arrival::Called, passed: true })
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
        Some(FastReply { reply: Reply::ok(0), arrival: Arrival::Sent, passed: true })
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
