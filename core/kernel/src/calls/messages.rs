//! Calls that hand messages over.

use coldframe_abi::{
    CapabilityKind, CapabilityRights, Carries, Deadline, EndpointHandle, Error, Instant, MOST_CARRIED,
    Message, ThreadHandle, UserAddress,
};
use coldframe_hal::paging::Format;
use coldframe_hal::{Cpu, Machine, UserRegisters};

use super::{Caller, Outcome};
use crate::cargo::Ready;
use crate::messages::Met;
use crate::work::told;
use crate::{Kernel, LentName, Line};

impl<M: Machine> Kernel<M> {
    pub(super) fn endpoint_create(&mut self, caller: Caller) -> Result<u64, Error> {
        let capability = self.make_endpoint(caller.process).map_err(told)?;
        Ok(self.handle_of(capability).to_word())
    }

    #[inline]
    pub(super) fn endpoint(
        &self,
        caller: Caller,
        handle: EndpointHandle,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        self.target(caller, handle, CapabilityKind::Endpoint, rights)
    }

    /// `send`, or `call` if a reply is wanted.
    pub(super) fn send(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: EndpointHandle,
        deadline: Deadline,
        wants_reply: bool,
    ) -> Outcome {
        let sent = self.sent_to(caller, handle);
        let way = match sent.and_then(|()| self.way_by(handle.slot, CapabilityRights::WRITE)) {
            Ok(way) => way,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        match self.make_ready(cpu, caller, wants_reply) {
            Ok(Ready::Now) => {}
            Ok(Ready::Later) => return Outcome::Settled,
            Err(error) => return Err::<u64, _>(error).into(),
        }
        match self.meet(cpu, Line::Receivers(way.endpoint)) {
            Met::Ghosts => self.call_again(caller),
            Met::Thread(to) if wants_reply && deadline.0 > now.0 => {
                match self.call_receiver(cpu, now, (caller.thread, to), way.badge, deadline) {
                    Ok(()) => Outcome::Settled,
                    Err(error) => Err::<u64, _>(error).into(),
                }
            }
            Met::Thread(to) if !wants_reply => {
                self.hand_to_receiver(cpu, caller.thread, to, way.badge).into()
            }
            Met::Nobody if self.endpoint_row(way.endpoint).readers == 0 => {
                Err::<u64, _>(Error::PeerGone).into()
            }
            _ if deadline.0 <= now.0 => Err::<u64, _>(Error::TimedOut).into(),
            _ => {
                self.wait_to_send(cpu, now, caller.thread, (way, wants_reply), deadline);
                Outcome::Settled
            }
        }
    }

    /// Whether the caller may send by a handle.
    pub(super) fn sent_to(&self, caller: Caller, handle: EndpointHandle) -> Result<(), Error> {
        let endpoint = self.endpoint(caller, handle, CapabilityRights::WRITE)?;
        self.admit(caller, endpoint)
    }

    pub(super) fn receive(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: EndpointHandle,
        deadline: Deadline,
    ) -> Outcome {
        let endpoint = match self.received_at(caller, handle) {
            Ok(endpoint) => endpoint,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        if self.owes_reply(cpu, caller.thread) {
            return Err::<u64, _>(Error::BadState).into();
        }
        self.next_message(cpu, now, caller, (endpoint, handle.slot), deadline)
    }

    /// The next message at an endpoint, by a capability of the caller.
    fn next_message(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        (endpoint, by): (u32, u32),
        deadline: Deadline,
    ) -> Outcome {
        let signals = core::mem::take(&mut self.endpoint_row(endpoint).signals);
        if signals != 0 {
            cpu.registers().deliver(Message::SIGNALLED);
            return Ok(signals).into();
        }
        let met = match self.meet(cpu, Line::Senders(endpoint)) {
            Met::Thread(from) => match self.take_from_sender(cpu, from, caller.thread) {
                Ok(badge) => return Ok(badge).into(),
                // There may be another.
                Err(_) => Met::Ghosts,
            },
            met => met,
        };
        match met {
            Met::Ghosts | Met::Thread(_) => self.call_again(caller),
            Met::Nobody if self.endpoint_row(endpoint).writers == 0 => Err::<u64, _>(Error::PeerGone).into(),
            Met::Nobody if deadline.0 <= now.0 => Err::<u64, _>(Error::TimedOut).into(),
            Met::Nobody => {
                let at = (Line::Receivers(endpoint), 0);
                self.wait_at(cpu, now, caller.thread, at, Some(by), deadline);
                Outcome::Settled
            }
        }
    }

    pub(super) fn reply_receive(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: EndpointHandle,
        deadline: Deadline,
    ) -> Outcome {
        // Taken whatever comes: if the name has gone since, the next call is another one.
        let has_replied = core::mem::take(&mut self.thread(caller.thread).has_replied);
        let endpoint = match self.received_at(caller, handle) {
            Ok(endpoint) => endpoint,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let by = (endpoint, handle.slot);
        if has_replied {
            return self.after_reply(cpu, now, caller, by, deadline);
        }
        match self.make_ready(cpu, caller, false) {
            Ok(Ready::Now) => {}
            Ok(Ready::Later) => return Outcome::Settled,
            Err(error) => return Err::<u64, _>(error).into(),
        }
        let lender = self.thread(caller.thread).caller;
        if let Some(outcome) = self.give_back_first(cpu, now, caller, lender) {
            return outcome;
        }
        let bare = cpu.registers().carries() == Carries::NONE;
        let row = self.endpoint_row(endpoint);
        if bare && row.is_quiet() && row.writers > 0 && deadline.0 > now.0 {
            // It waits before its caller goes on, which then finds the CPU free: the two take turns on one.
            let line = Line::Receivers(endpoint);
            if let Some(pair) = self.can_reply_and_pass_on(cpu, caller.thread) {
                self.reply_and_pass_on(cpu, now, pair, (line, handle.slot), deadline);
                return Outcome::Settled;
            }
            self.wait_at(cpu, now, caller.thread, (line, 0), Some(handle.slot), deadline);
            let _ = self.reply_to_caller(cpu, caller.thread);
            return Outcome::Settled;
        }
        let replied = self.reply_to_caller(cpu, caller.thread);
        if self.has_ended(caller.thread) {
            // It has just said that a fault of its own process ends that: it receives nothing any more.
            return Outcome::Settled;
        }
        match replied {
            Ok(()) | Err(Error::PeerGone) if !self.thread(caller.thread).cargo.is_empty() => {
                self.receive_after_unloading(caller.thread)
            }
            // Whether anybody has heard it makes no difference to whoever waits for the next one. The name by which that
            // is received may have gone along.
            Ok(()) | Err(Error::PeerGone) => match self.endpoint(caller, handle, CapabilityRights::READ) {
                Ok(_) => self.after_reply(cpu, now, caller, by, deadline),
                Err(error) => Err::<u64, _>(error).into(),
            },
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    /// What is left of `reply_receive`: if it is made once more, the reply has been given.
    fn after_reply(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        by: (u32, u32),
        deadline: Deadline,
    ) -> Outcome {
        let outcome = self.next_message(cpu, now, caller, by, deadline);
        let row = self.thread(caller.thread);
        row.has_replied = row.work.is_some();
        outcome
    }

    pub(super) fn reply(&mut self, cpu: &mut M::Cpu, now: Instant, caller: Caller) -> Outcome {
        match self.make_ready(cpu, caller, false) {
            Ok(Ready::Now) => {
                let lender = self.thread(caller.thread).caller;
                let gives_back = self.give_back_first(cpu, now, caller, lender);
                gives_back.unwrap_or_else(|| self.reply_to_caller(cpu, caller.thread).into())
            }
            Ok(Ready::Later) => Outcome::Settled,
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    /// With how many capabilities the calling thread takes messages from now on.
    pub(super) fn accept(&mut self, caller: Caller, count: u64) -> Result<(), Error> {
        if count > MOST_CARRIED as u64 {
            return Err(Error::BadArgument);
        }
        self.thread(caller.thread).accepts = count as u8;
        Ok(())
    }

    pub(super) fn signal(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: EndpointHandle,
        bits: u64,
    ) -> Outcome {
        let may = self.signalled(caller, handle, bits);
        let endpoint = match may.and_then(|()| self.way_by(handle.slot, CapabilityRights::SIGNAL)) {
            Ok(way) => way.endpoint,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        if self.endpoint_row(endpoint).readers == 0 {
            return Err::<u64, _>(Error::PeerGone).into();
        }
        if self.raise(cpu, endpoint, bits) { Ok(0).into() } else { self.call_again(caller) }
    }

    /// Whether the caller may raise these signals.
    pub(crate) fn signalled(&self, caller: Caller, handle: EndpointHandle, bits: u64) -> Result<(), Error> {
        let endpoint = self.endpoint(caller, handle, CapabilityRights::SIGNAL)?;
        let badge = self.capability(handle.slot).badge();
        if badge == 0 || bits & !badge == 0 { self.admit(caller, endpoint) } else { Err(Error::NoRight) }
    }

    /// The endpoint at which the caller may receive: not at a member of a set.
    #[inline]
    fn received_at(&self, caller: Caller, handle: EndpointHandle) -> Result<u32, Error> {
        let endpoint = self.endpoint(caller, handle, CapabilityRights::READ)?;
        self.receives_at(caller.process, endpoint)?;
        if self.set_of(endpoint).is_none() { Ok(endpoint) } else { Err(Error::BadState) }
    }

    pub(super) fn endpoint_join(
        &mut self,
        caller: Caller,
        handle: EndpointHandle,
        set: EndpointHandle,
    ) -> Result<(), Error> {
        let endpoint = self.endpoint(caller, handle, CapabilityRights::READ)?;
        let set = self.endpoint(caller, set, CapabilityRights::READ)?;
        self.join_set(endpoint, set)
    }

    pub(super) fn endpoint_leave(&mut self, caller: Caller, handle: EndpointHandle) -> Result<(), Error> {
        let endpoint = self.endpoint(caller, handle, CapabilityRights::READ)?;
        self.leave_set(endpoint)
    }

    /// From now on the faults of a thread are sent by a name of the caller's.
    pub(super) fn thread_handler(
        &mut self,
        caller: Caller,
        handle: ThreadHandle,
        endpoint: EndpointHandle,
    ) -> Result<(), Error> {
        self.sent_to(caller, endpoint)?;
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        self.thread(thread).handler = LentName::new(caller.process, endpoint.into());
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ThreadHandle,
    ) -> Result<(), Error> {
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        if self.end_of_wait(cpu, thread, Error::Cancelled) { Ok(()) } else { Err(Error::BadState) }
    }

    /// The signals of an endpoint interrupt the caller, or those of none.
    pub(super) fn upcall(
        &mut self,
        caller: Caller,
        handle: EndpointHandle,
        (handler, stack): (UserAddress, UserAddress),
    ) -> Result<(), Error> {
        let endpoint = self.received_at(caller, handle)?;
        if handler.0 >= M::Paging::USER_END || stack.0 > M::Paging::USER_END {
            return Err(Error::BadAddress);
        }
        if self.thread(caller.thread).upcall.is_in_it {
            return Err(Error::BadState);
        }
        if handler.0 == 0 {
            self.drop_upcall(caller.thread);
            return Ok(());
        }
        let name = LentName::new(caller.process, handle.into());
        self.set_upcall(caller.thread, endpoint, name, (handler.0, stack.0))
    }
}
