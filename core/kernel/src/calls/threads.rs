//! Calls about the life of threads.

use coldframe_abi::{
    CapabilityKind, CapabilityRights, Deadline, Error, FLOAT_REGISTERS, Instant, ThreadHandle, UserAddress,
};
use coldframe_hal::paging::Format;
use coldframe_hal::{Cpu, Event, Machine, Store, UserRegisters};
use coldframe_scheduler::{NONE, Place, Wake};

use super::{Caller, Outcome};
use crate::hint::Rest;
use crate::work::told;
use crate::{Kernel, Life, Registers, WaitsFor};

/// The numbers of the registers that are addresses.
const PROGRAM_COUNTER: usize = 0;
const STACK: usize = 1;

/// A register that a machine has.
#[derive(Clone, Copy)]
enum Register {
    General(usize),
    Float(usize),
}

impl Register {
    fn numbered<R: UserRegisters>(number: u64) -> Option<Self> {
        match number.checked_sub(FLOAT_REGISTERS) {
            None => Some(number as usize).filter(|number| *number < R::COUNT).map(Self::General),
            Some(number) => {
                let number = usize::try_from(number).ok()?;
                Some(number).filter(|number| *number < R::FLOAT_COUNT).map(Self::Float)
            }
        }
    }
}

impl<M: Machine> Kernel<M> {
    pub(super) fn thread_create(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        entry: UserAddress,
        stack: UserAddress,
        argument: u64,
    ) -> Result<u64, Error> {
        if entry.0 >= M::Paging::USER_END || stack.0 > M::Paging::USER_END {
            return Err(Error::BadAddress);
        }
        let capability = self.take_capability(caller.process).map_err(told)?;
        let Ok(thread) = self.take_thread_row() else {
            self.return_capability(capability);
            return Err(Error::NoMemory);
        };
        self.join_process(thread, caller.process);
        self.name_thread(thread, capability);
        let row = self.thread(thread);
        row.life = Life::Alive;
        row.registers.begin(entry.0, stack.0, argument);
        self.thread(thread).handler = self.thread(caller.thread).handler;
        self.start_thread(cpu, caller.thread, thread);
        Ok(self.handle_of(capability).to_word())
    }

    /// Lets a new thread run with what its maker has.
    pub(super) fn start_thread(&mut self, cpu: &mut M::Cpu, maker: u32, thread: u32) {
        let maker = &mut self.rows.rows_mut()[maker as usize];
        let (context, affinity, on) = (maker.context_mut().split(), maker.affinity(), maker.cpu());
        self.trace(cpu, Event::Create { thread, class: context.class() });
        self.scheduler().create(thread, context, affinity, on);
        self.make_runnable(cpu, thread, Wake::Start);
    }

    /// Names the calling thread: by the capability that came with it, or by a new one if that is gone.
    pub(super) fn thread_self(&mut self, caller: Caller) -> Result<u64, Error> {
        if self.thread(caller.thread).capability == NONE {
            let capability = self.take_capability(caller.process).map_err(told)?;
            self.name_thread(caller.thread, capability);
        }
        let capability = self.thread(caller.thread).capability;
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn thread_exit(&mut self, cpu: &mut M::Cpu, now: Instant, result: u64) -> Outcome {
        let loose = self.scheduler().stop(cpu.id(), now);
        self.end_thread(cpu, loose, result);
        Outcome::Settled
    }

    pub(super) fn thread_join(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
        deadline: Deadline,
    ) -> Outcome {
        let target = match self.target(caller, handle, CapabilityKind::Thread, CapabilityRights::INSPECT) {
            Ok(target) if target == caller.thread => return Err::<u64, _>(Error::Deadlock).into(),
            Ok(target) => target,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let row = self.thread(target);
        if row.life == Life::Ended {
            let result = row.result;
            self.forget_thread(target);
            return Ok(result).into();
        }
        let joiner = row.joiner;
        if joiner != NONE && !self.has_ended(joiner) {
            return Err::<u64, _>(Error::Busy).into();
        }
        if deadline.0 <= now.0 {
            return Err::<u64, _>(Error::TimedOut).into();
        }
        self.thread(target).joiner = caller.thread;
        self.wait(cpu, now, WaitsFor::EndOf(target), deadline);
        Outcome::Settled
    }

    pub(super) fn sleep(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        until: Deadline,
    ) -> Outcome {
        self.answer(cpu, caller.thread, Ok(0));
        if until.0 > now.0 {
            self.wait(cpu, now, WaitsFor::Time, until);
        }
        Outcome::Settled
    }

    pub(super) fn thread_suspend(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
    ) -> Outcome {
        let thread = match self.alive(caller, handle, CapabilityRights::MANAGE) {
            Ok(thread) => thread,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let row = self.thread(thread);
        row.rests = Rest::UNKNOWN;
        if core::mem::replace(&mut row.suspended, true) {
            return Err::<u64, _>(Error::BadState).into();
        }
        if thread == caller.thread {
            // Answered before it stops: it finds the answer when it is resumed.
            self.answer(cpu, thread, Ok(0));
            self.trace(cpu, Event::Block { thread });
            let loose = self.scheduler().stop(cpu.id(), now);
            self.scheduler().hold(loose);
            return Outcome::Settled;
        }
        match self.rows.rows()[thread as usize].place() {
            Place::Queued => {
                let mut scheduler = self.scheduler();
                let loose = scheduler.take(thread);
                scheduler.hold(loose);
            }
            Place::Running => {
                let on = self.rows.rows()[thread as usize].cpu();
                let kick = self.scheduler().kick(on, cpu.id());
                self.deliver(cpu, kick);
            }
            // A waiting thread goes on waiting, and is held when its wait ends.
            _ => {}
        }
        Ok(0).into()
    }

    pub(super) fn thread_resume(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ThreadHandle,
    ) -> Result<(), Error> {
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        if !core::mem::replace(&mut self.thread(thread).suspended, false) {
            return Err(Error::BadState);
        }
        if self.rows.rows()[thread as usize].place() == Place::Held {
            self.make_runnable(cpu, thread, Wake::Start);
        }
        Ok(())
    }

    pub(super) fn thread_register(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ThreadHandle,
        register: u64,
    ) -> Result<u64, Error> {
        let (thread, register) = self.stopped(caller, handle, register, CapabilityRights::INSPECT)?;
        let registers = self.registers_of(cpu, thread);
        Ok(match register {
            Register::General(number) => registers.register(number),
            Register::Float(number) => registers.float_register(number),
        })
    }

    pub(super) fn thread_set_register(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ThreadHandle,
        (register, value): (u64, u64),
    ) -> Result<(), Error> {
        let (thread, register) = self.stopped(caller, handle, register, CapabilityRights::MANAGE)?;
        let end = M::Paging::USER_END;
        let fits = match register {
            Register::General(PROGRAM_COUNTER) => value < end,
            Register::General(STACK) => value <= end,
            _ => true,
        };
        if !fits {
            return Err(Error::BadArgument);
        }
        let registers = self.registers_of(cpu, thread);
        match register {
            Register::General(number) => registers.set_register(number, value),
            Register::Float(number) => registers.set_float_register(number, value),
        }
        Ok(())
    }

    pub(super) fn thread_pointer(&self, cpu: &mut M::Cpu, address: UserAddress) -> Result<(), Error> {
        // A register takes no address that is none, not even for a moment.
        if address.0 >= M::Paging::USER_END {
            return Err(Error::BadAddress);
        }
        cpu.registers().set_thread_pointer(address.0);
        Ok(())
    }

    /// A thread whose registers are where they stay until somebody lets it go on, and the register that is meant.
    fn stopped(
        &mut self,
        caller: Caller,
        handle: ThreadHandle,
        register: u64,
        rights: CapabilityRights,
    ) -> Result<(u32, Register), Error> {
        let thread = self.alive(caller, handle, rights)?;
        let register = Register::numbered::<Registers<M>>(register).ok_or(Error::BadArgument)?;
        let is_held = self.rows.rows()[thread as usize].place() == Place::Held;
        let row = self.thread(thread);
        let is_stopped = row.fault.is_some() || (is_held && row.work.is_none());
        if is_stopped { Ok((thread, register)) } else { Err(Error::BadState) }
    }
}
