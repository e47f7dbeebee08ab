//! Calls about processes: made empty, filled by whoever made them, started by their first thread.

use coldframe_abi::{
    CapabilityHandle, CapabilityKind, CapabilityRights, Deadline, EndpointHandle, Error, ExitCode, Instant,
    ProcessHandle, UserAddress,
};
use coldframe_capability::{GROUND, Target};
use coldframe_hal::paging::Format;
use coldframe_hal::{Machine, UserRegisters};
use coldframe_scheduler::NONE;

use super::{Caller, Outcome};
use crate::boot::BootError;
use crate::capabilities::{OF_PROCESS, OF_THREAD};
use crate::work::told;
use crate::{Bell, Kernel, LentName, Life, WaitsFor};

impl<M: Machine> Kernel<M> {
    pub(super) fn process_create(&mut self, caller: Caller, frames: u64) -> Result<u64, Error> {
        let capability = self.take_capability(caller.process).map_err(told)?;
        match self.make_process(caller.process, frames) {
            Ok(process) => {
                let row = self.process(process);
                let target =
                    Target { kind: CapabilityKind::Process, row: process, generation: row.generation };
                self.set_capability(capability, GROUND, target, OF_PROCESS, 0);
                Ok(self.handle_of(capability).to_word())
            }
            Err(error) => {
                self.return_capability(capability);
                Err(match error {
                    BootError::OverBudget => Error::OverBudget,
                    _ => Error::NoMemory,
                })
            }
        }
    }

    /// The process that a handle of the caller names, if the caller has made it and it has not ended.
    ///
    /// Only the maker fills it: so all that shows an object or names it ends before whoever pays for the object.
    pub(crate) fn fillable(&mut self, caller: Caller, handle: ProcessHandle) -> Result<u32, Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::FILL)?;
        let row = self.process(process);
        match row.ended {
            _ if row.parent != caller.process => Err(Error::NoRight),
            None => Ok(process),
            Some(_) => Err(Error::BadState),
        }
    }

    pub(super) fn process_thread(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ProcessHandle,
        (entry, stack): (UserAddress, UserAddress),
        argument: u64,
    ) -> Result<u64, Error> {
        let process = self.fillable(caller, handle)?;
        if entry.0 >= M::Paging::USER_END || stack.0 > M::Paging::USER_END {
            return Err(Error::BadAddress);
        }
        // Two names: the thread's own, and the caller's, which is derived from that.
        let own = self.take_capability(process).map_err(told)?;
        let name = match self.take_capability(caller.process) {
            Ok(name) => name,
            Err(error) => {
                self.return_capability(own);
                return Err(told(error));
            }
        };
        let Ok(thread) = self.take_thread_row() else {
            self.return_capability(name);
            self.return_capability(own);
            return Err(Error::NoMemory);
        };
        self.join_process(thread, process);
        self.name_thread(thread, own);
        let target = self.capability(own).target();
        self.set_capability(name, own, target, OF_THREAD, 0);
        let row = self.thread(thread);
        row.life = Life::Alive;
        row.registers.begin(entry.0, stack.0, argument);
        self.thread(thread).handler = self.process(process).handler;
        // In the maker's group: to make processes makes no time.
        self.start_thread(cpu, caller.thread, thread);
        Ok(self.handle_of(name).to_word())
    }

    pub(super) fn process_give(
        &mut self,
        caller: Caller,
        handle: ProcessHandle,
        capability: CapabilityHandle,
        rights: CapabilityRights,
        badge: u64,
    ) -> Result<u64, Error> {
        let process = self.fillable(caller, handle)?;
        self.derive_for(caller, process, capability, rights, badge)
    }

    pub(super) fn process_restrict(
        &mut self,
        caller: Caller,
        handle: ProcessHandle,
        (bank, calls): (u64, u64),
    ) -> Result<(), Error> {
        let process = self.fillable(caller, handle)?;
        let row = self.process(process);
        let exists = row.calls.restrict(bank, calls);
        self.find_quick_calls(process);
        if exists { Ok(()) } else { Err(Error::BadArgument) }
    }

    pub(super) fn process_kill(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ProcessHandle,
        status: ExitCode,
    ) -> Result<(), Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::MANAGE)?;
        self.end_process(cpu, process, status);
        Ok(())
    }

    pub(super) fn process_wait(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ProcessHandle,
        deadline: Deadline,
    ) -> Outcome {
        let process = match self.target(caller, handle, CapabilityKind::Process, CapabilityRights::INSPECT) {
            Ok(process) => process,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let row = self.process(process);
        if let (Some(status), None) = (row.ended, &row.space) {
            return Ok(u64::from(status.0)).into();
        }
        let watcher = row.watcher;
        if watcher != NONE && !self.has_ended(watcher) {
            return Err::<u64, _>(Error::Busy).into();
        }
        if deadline.0 <= now.0 {
            return Err::<u64, _>(Error::TimedOut).into();
        }
        self.process(process).watcher = caller.thread;
        self.wait(cpu, now, WaitsFor::EndOfProcess(process), deadline);
        Outcome::Settled
    }

    /// Whoever is to be told of the end of a process: the last one who wanted, unless another's name stands.
    pub(super) fn process_notify(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ProcessHandle,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Outcome {
        match self.take_bell(caller, handle, endpoint, bits) {
            // It has gone already.
            Ok(process) if self.process(process).space.is_none() && !self.ring(cpu, process) => {
                self.call_again(caller)
            }
            done => done.map(|_| ()).into(),
        }
    }

    fn take_bell(
        &mut self,
        caller: Caller,
        handle: ProcessHandle,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Result<u32, Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::INSPECT)?;
        let old = self.process(process).bell;
        self.process(process).bell = self.bell_after(old, caller, endpoint, bits)?;
        Ok(process)
    }

    /// The bell of a caller, in the place of one that is there, unless another's name stands in that.
    pub(super) fn bell_after(
        &mut self,
        old: Bell,
        caller: Caller,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Result<Bell, Error> {
        self.signalled(caller, endpoint, bits)?;
        let taken = old.name.holder().is_some_and(|holder| holder != caller.process);
        if taken && self.lent_endpoint(old.name, CapabilityRights::SIGNAL).is_some() {
            return Err(Error::Busy);
        }
        Ok(Bell { name: LentName::new(caller.process, endpoint.into()), bits })
    }

    pub(super) fn process_reason(&mut self, caller: Caller, handle: ProcessHandle) -> Result<u64, Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::INSPECT)?;
        let row = self.process(process);
        row.ended.map(|_| row.reason).ok_or(Error::BadState)
    }

    pub(super) fn process_handler(
        &mut self,
        caller: Caller,
        handle: ProcessHandle,
        endpoint: EndpointHandle,
    ) -> Result<(), Error> {
        self.sent_to(caller, endpoint)?;
        let process = self.fillable(caller, handle)?;
        self.process(process).handler = LentName::new(caller.process, endpoint.into());
        Ok(())
    }

    pub(super) fn process_use(&mut self, caller: Caller, handle: ProcessHandle) -> Result<u64, Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::INSPECT)?;
        Ok(self.memory_use(process))
    }
}
