//! Replies that are kept: whoever has the capability owes the reply, and gives it once (IPC-9).
//!
//! A server that keeps one can receive the next call, and reply in any order, or have another reply. The caller waits as
//! before; what it had lent to the server comes back, for nobody in particular serves it now.

use coldframe_abi::{Arrival, CapabilityKind, Error, Instant, ReplyHandle};
use coldframe_capability::{Capabilities, GROUND, Target};
use coldframe_hal::{Cpu, Machine, Store, UserRegisters};
use coldframe_scheduler::{NONE, Wake};

use crate::calls::{Caller, Outcome};
use crate::capabilities::OF_REPLY;
use crate::cargo::Ready;
use crate::work::told;
use crate::{Kernel, WaitsFor};

impl<M: Machine> Kernel<M> {
    /// What a thread owes is owed by whoever has the capability that this makes.
    pub(crate) fn keep_reply(&mut self, cpu: &mut M::Cpu, server: Caller) -> Result<u64, Error> {
        if !self.owes_reply(cpu, server.thread) {
            return Err(Error::PeerGone);
        }
        let caller = self.thread(server.thread).caller;
        let number = self.thread(caller).kept_replies.checked_add(1).ok_or(Error::NoMemory)?;
        let capability = self.take_capability(server.process).map_err(told)?;
        let row = self.thread(caller);
        (row.kept_replies, row.waits_for) = (number, WaitsFor::KeptReply(number));
        self.thread(server.thread).caller = NONE;
        self.end_loans(cpu, caller);
        let target = Target { kind: CapabilityKind::Reply, row: caller, generation: number };
        self.set_capability(capability, GROUND, target, OF_REPLY, 0);
        Ok(self.handle_of(capability).to_word())
    }

    /// Who waits for a reply that was kept.
    #[inline]
    pub(crate) fn waits_for_kept(&self, reply: Target) -> Option<u32> {
        let waits_for = self.threads.rows()[reply.row as usize].waits_for;
        (waits_for == WaitsFor::KeptReply(reply.generation)).then_some(reply.row)
    }

    /// The running thread gives a reply that was kept, when all that goes along is ready.
    pub(crate) fn give_kept(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        reply: ReplyHandle,
    ) -> Outcome {
        let name = (reply.slot, reply.generation);
        let (rows, rights) = (self.capabilities.rows(), OF_REPLY);
        let target = match Capabilities::named(rows, caller.process, name, CapabilityKind::Reply, rights) {
            Ok(target) => target,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        match self.make_ready(cpu, caller, false) {
            Ok(Ready::Now) => {
                let lender = self.waits_for_kept(target).unwrap_or(NONE);
                let gives_back = self.give_back_first(cpu, now, caller, lender);
                gives_back.unwrap_or_else(|| self.give_kept_now(cpu, caller, reply, target).into())
            }
            Ok(Ready::Later) => Outcome::Settled,
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    /// The running thread gives a reply that was kept.
    ///
    /// # Errors
    /// `PeerGone` if nobody waits for it any more; else why nothing has happened.
    fn give_kept_now(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        reply: ReplyHandle,
        target: Target,
    ) -> Result<(), Error> {
        let carried = cpu.registers().carries().count();
        if cpu.registers().message().words.iter().take(carried).any(|word| *word == reply.to_word()) {
            return Err(Error::BadArgument);
        }
        if !self.is_there(target) {
            self.drop_capability(reply.slot);
            return Err(Error::PeerGone);
        }
        if self.thread(target.row).fault.is_some() {
            self.drop_capability(reply.slot);
            self.follow_handler(cpu, caller.thread, target.row);
            return Ok(());
        }
        self.carry(cpu, caller.thread, target.row, Arrival::Sent)?;
        self.drop_capability(reply.slot);
        self.wake(cpu, target.row, Ok(0), Wake::Start);
        Ok(())
    }

    /// A capability to a kept reply is about to go: whoever waits for that hears of it.
    pub(crate) fn tell_unanswered(&mut self, cpu: &mut M::Cpu, capability: u32) {
        let target = self.capability(capability).target();
        if let Some(thread) = self.waits_for_kept(target) {
            self.wake(cpu, thread, Err(Error::PeerGone), Wake::Event);
        }
    }
}
