//! How messages get from one thread to another, and what becomes of those who wait for one.

use coldframe_abi::{
    Arrival, CapabilityKind, CapabilityRights, Carries, Deadline, Error, FaultAnswer, Instant, Message,
};
use coldframe_hal::{Cpu, Machine, UserRegisters};
use coldframe_scheduler::{Hand, NONE, Wake};

use crate::endpoint::COMES;
use crate::words::WAKES_A_STEP;
use crate::{Kernel, Line, Registers, WaitsFor};

/// Whom one meets at an endpoint.
pub(crate) enum Met {
    /// This thread, which waits there.
    Thread(u32),
    Nobody,
    /// Only such as have ended, and there may be more.
    Ghosts,
}

impl<M: Machine> Kernel<M> {
    /// The first of a line whose process has not ended: those who will never hear go out of the way (IPC-6).
    pub(crate) fn meet(&mut self, cpu: &mut M::Cpu, line: Line) -> Met {
        for _ in 0..WAKES_A_STEP {
            let (waiters, queue) = self.line(line);
            let Some(thread) = waiters.first_at(queue, 0) else { return Met::Nobody };
            if !self.has_ended(thread) {
                return Met::Thread(thread);
            }
            self.wake_from_line(cpu, thread, Err(Error::Cancelled));
        }
        Met::Ghosts
    }

    /// The registers of a thread that runs here or waits.
    pub(crate) fn registers_of<'a>(&'a mut self, cpu: &'a mut M::Cpu, thread: u32) -> &'a mut Registers<M> {
        if self.of_cpu(cpu).loaded == thread { cpu.registers() } else { &mut self.thread(thread).registers }
    }

    /// Carries a message from one thread to another, of which at most one runs, with all that it names.
    ///
    /// # Errors
    /// Why nothing has happened.
    pub(crate) fn carry(
        &mut self,
        cpu: &mut M::Cpu,
        from: u32,
        to: u32,
        arrival: Arrival,
    ) -> Result<(), Error> {
        let mut message = match self.thread(from).fault {
            None => self.registers_of(cpu, from).message(),
            Some(fault) => fault.message(self.registers_of(cpu, from)),
        };
        if message.carries != Carries::NONE {
            self.hand_on(from, to, &mut message)?;
        }
        self.registers_of(cpu, to).deliver(Message { arrival, ..message });
        Ok(())
    }

    /// A thread that waits to receive gets a message of the running one.
    ///
    /// # Errors
    /// Why nothing has happened.
    pub(crate) fn hand_to_receiver(
        &mut self,
        cpu: &mut M::Cpu,
        from: u32,
        to: u32,
        badge: u64,
    ) -> Result<(), Error> {
        self.carry(cpu, from, to, Arrival::Sent)?;
        self.leave_line(to);
        self.wake(cpu, to, Ok(badge), Wake::Start);
        Ok(())
    }

    /// The running thread calls one that waits to receive, and waits for its reply.
    ///
    /// # Errors
    /// Why nothing has happened.
    pub(crate) fn call_receiver(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        (from, to): (u32, u32),
        badge: u64,
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.carry(cpu, from, to, Arrival::Called)?;
        self.leave_line(to);
        self.thread(to).caller = from;
        if self.can_pass_on(cpu, (from, to), Hand::Out) {
            self.answer(cpu, to, Ok(badge));
            self.pass_on(cpu, now, (from, to), Hand::Out, WaitsFor::Reply(to), deadline);
        } else {
            self.wait(cpu, now, WaitsFor::Reply(to), deadline);
            self.scheduler().lend(from, to, cpu.id());
            self.wake(cpu, to, Ok(badge), Wake::Start);
        }
        Ok(())
    }

    /// The running thread gets the message of one that waits to be received; says what is written on its name.
    ///
    /// # Errors
    /// Why the sender has heard that it is not received.
    pub(crate) fn take_from_sender(&mut self, cpu: &mut M::Cpu, from: u32, to: u32) -> Result<u64, Error> {
        let badge = self.thread(from).badge;
        let calls = matches!(self.thread(from).waits_for, WaitsFor::InLine(Line::Callers(_)));
        let arrival = if calls { Arrival::Called } else { Arrival::Sent };
        if let Err(error) = self.carry(cpu, from, to, arrival) {
            self.wake_from_line(cpu, from, Err(error));
            return Err(error);
        }
        if calls {
            self.leave_line(from);
            self.thread(from).waits_for = WaitsFor::Reply(to);
            self.thread(to).caller = from;
            self.scheduler().lend(from, to, cpu.id());
        } else {
            self.wake_from_line(cpu, from, Ok(0));
        }
        Ok(badge)
    }

    /// The running thread replies to the call that it has received last.
    ///
    /// # Errors
    /// `PeerGone` if there is none, or nobody waits for that any more; else why what goes along cannot, and nothing has
    /// happened.
    pub(crate) fn reply_to_caller(&mut self, cpu: &mut M::Cpu, from: u32) -> Result<(), Error> {
        if !self.owes_reply(cpu, from) {
            return Err(Error::PeerGone);
        }
        let to = self.thread(from).caller;
        if self.thread(to).fault.is_some() {
            self.end_service(cpu, from, to);
            self.follow_handler(cpu, from, to);
            return Ok(());
        }
        self.carry(cpu, from, to, Arrival::Sent)?;
        self.end_service(cpu, from, to);
        self.wake(cpu, to, Ok(0), Wake::Start);
        Ok(())
    }

    /// The running thread and the caller that it owes a reply, if that can go on in its place.
    pub(crate) fn can_reply_and_pass_on(&mut self, cpu: &mut M::Cpu, from: u32) -> Option<(u32, u32)> {
        let pair = self.owes_reply(cpu, from).then_some((from, self.thread(from).caller))?;
        let goes_on = self.thread(pair.1).fault.is_none() || self.fault_answer(cpu, from) != FaultAnswer::End;
        (goes_on && self.can_pass_on(cpu, pair, Hand::Back)).then_some(pair)
    }

    /// The running thread waits to receive in a line, and replies to its caller, which goes on in its place.
    pub(crate) fn reply_and_pass_on(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        (from, to): (u32, u32),
        (line, by): (Line, u32),
        deadline: Deadline,
    ) {
        self.take_place(from, (line, 0), Some(by));
        self.thread(from).caller = NONE;
        if self.thread(to).fault.is_some() {
            let answer = self.fault_answer(cpu, from);
            self.resume_after_fault(cpu, to, answer);
        } else {
            self.carry(cpu, from, to, Arrival::Sent)
                .unwrap_or_else(|error| unreachable!("a bare message is always taken: {error:?}"));
            self.answer_waiting(cpu, to, Ok(0));
        }
        self.pass_on(cpu, now, (from, to), Hand::Back, WaitsFor::InLine(line), deadline);
    }

    /// A thread has replied: what it ran on goes back to its caller.
    fn end_service(&mut self, cpu: &M::Cpu, server: u32, caller: u32) {
        self.thread(server).caller = NONE;
        let served = self.thread(caller).caller;
        self.scheduler().give_back(server, caller, served, cpu.id());
    }

    /// A thread waits for no reply any more, and has got none: what it has lent comes back.
    pub(crate) fn end_loans(&mut self, cpu: &M::Cpu, thread: u32) {
        while let Some((context, holder)) = self.scheduler_as_it_is().lent_by(thread) {
            let served = self.thread(holder).caller;
            let kick = self.scheduler().recall(context, served, cpu.id());
            self.deliver(cpu, kick);
        }
        let served = self.thread(thread).caller;
        self.scheduler().go_home(thread, served);
    }

    /// Whether somebody who can hear it waits for a reply of this thread.
    pub(crate) fn owes_reply(&mut self, cpu: &mut M::Cpu, thread: u32) -> bool {
        let caller = self.thread(thread).caller;
        if caller != NONE && self.has_ended(caller) {
            self.leave_caller(cpu, thread);
            return false;
        }
        caller != NONE
    }

    /// A thread does not wait for the reply of its server any more.
    pub(crate) fn leave_server(&mut self, cpu: &M::Cpu, thread: u32, server: u32) {
        self.thread(server).caller = NONE;
        self.end_loans(cpu, thread);
    }

    /// A thread will not reply: its caller hears of it (row C3).
    pub(crate) fn leave_caller(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let caller = core::mem::replace(&mut self.thread(thread).caller, NONE);
        if caller != NONE {
            self.end_loans(cpu, caller);
            self.wake(cpu, caller, Err(Error::PeerGone), Wake::Event);
        }
    }

    /// The first of those who wait at an endpoint for somebody who has to come by this capability, since there is no
    /// other: when it goes, nobody will come.
    pub(crate) fn left_alone(&mut self, capability: u32) -> Option<u32> {
        let row = self.capability(capability);
        let (target, rights) = (row.target(), row.rights());
        if target.kind != CapabilityKind::Endpoint {
            return None;
        }
        // Who comes by a member of a set comes to that; who receives at it is not asked for there.
        let place = self.meeting_place(target.row);
        let readers = self.endpoint_row(target.row).readers;
        let writers = self.endpoint_row(place).writers;
        let lines = [
            (CapabilityRights::READ.within(rights) && readers == 1, Line::Senders(target.row)),
            (COMES.meets(rights) && writers == 1, Line::Receivers(place)),
        ];
        lines.into_iter().filter(|(is_last, _)| *is_last).find_map(|(_, line)| {
            let (waiters, queue) = self.line(line);
            waiters.first_at(queue, 0)
        })
    }

    /// Whoever would wait in vain once a capability has gone hears of it, a few a step; says whether there may be more.
    #[inline]
    pub(crate) fn tell_left_alone(&mut self, cpu: &mut M::Cpu, capability: u32) -> bool {
        match self.capability(capability).target().kind {
            CapabilityKind::Endpoint => self.tell_some_left_alone(cpu, capability),
            CapabilityKind::Reply => {
                self.tell_unanswered(cpu, capability);
                false
            }
            _ => false,
        }
    }

    #[cold]
    fn tell_some_left_alone(&mut self, cpu: &mut M::Cpu, capability: u32) -> bool {
        for _ in 0..WAKES_A_STEP {
            let Some(thread) = self.left_alone(capability) else { return false };
            self.wake_from_line(cpu, thread, Err(Error::PeerGone));
        }
        true
    }
}
