//! The syscalls: decoded once, done here, answered in the caller's registers.

mod capabilities;
mod console;
mod devices;
mod machine;
mod memory;
mod messages;
mod power;
mod processes;
mod scheduling;
mod threads;
mod words;

use coldframe_abi::{Call, CapabilityKind, CapabilityRights, Counter, Error, Instant, ThreadHandle};
use coldframe_hal::{Clock, Cpu, Event, Machine, UserRegisters};

use crate::{Kernel, Life, Task};

/// What a call has come to.
pub(crate) enum Outcome {
    /// The caller gets this answer and goes on.
    Answer(Result<u64, Error>),
    /// The caller waits, has been answered already, or is no more.
    Settled,
}

impl From<Result<u64, Error>> for Outcome {
    fn from(result: Result<u64, Error>) -> Self {
        Self::Answer(result)
    }
}

impl From<Result<(), Error>> for Outcome {
    fn from(result: Result<(), Error>) -> Self {
        Self::Answer(result.map(|()| 0))
    }
}

/// The thread that made the call.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) thread: u32,
    pub(crate) process: u32,
}

impl<M: Machine> Kernel<M> {
    /// The running thread makes a call.
    pub(crate) fn call_made(&mut self, cpu: &mut M::Cpu, now: Instant) {
        // A ground that traps without a thread has nobody to answer.
        let Some(thread) = self.current(cpu) else { return };
        let process = self.thread(thread).process;
        if self.process(process).ended.is_some() {
            return;
        }
        self.count(thread, Counter::Calls);
        if self.syscall(cpu, now, Caller { thread, process }) == Some(Error::BadHandle) {
            self.count_refusal(cpu, now, thread);
        }
    }

    /// Does what a thread asks for, now or once more; says with what it was refused.
    pub(crate) fn syscall(&mut self, cpu: &mut M::Cpu, now: Instant, caller: Caller) -> Option<Error> {
        let calls = self.process(caller.process).calls;
        if self.counted > 0 {
            self.counts_for = cpu.registers().request();
        }
        let outcome = match Call::decode(&cpu.registers().request()) {
            Ok(call) if !calls.contains(call.number()) => Outcome::Answer(Err(Error::NotAllowed)),
            Ok(call) => {
                self.trace(cpu, Event::Call(call.number()));
                self.perform(cpu, now, caller, call)
            }
            Err(error) => Outcome::Answer(Err(error)),
        };
        if self.counted > 0 {
            self.spend_by(caller, &outcome);
        }
        let Outcome::Answer(result) = outcome else { return None };
        self.answer(cpu, caller.thread, result);
        result.err()
    }

    /// What a call has named it has used, unless it was refused, or is made once more.
    #[cold]
    fn spend_by(&mut self, caller: Caller, outcome: &Outcome) {
        let work = self.thread(caller.thread).work;
        let is_used = match outcome {
            Outcome::Answer(answer) => answer.is_ok(),
            Outcome::Settled => !work.is_some_and(|work| matches!(work.task, Task::Call)),
        };
        if is_used {
            let request = self.counts_for;
            self.spend(caller, &request);
        }
    }

    fn perform(&mut self, cpu: &mut M::Cpu, now: Instant, caller: Caller, call: Call) -> Outcome {
        match call {
            Call::Null {} => Ok(0).into(),
            Call::YieldNow {} => self.yield_now(cpu, caller),
            Call::ThreadCreate { entry, stack, argument } => {
                self.thread_create(cpu, caller, entry, stack, argument.0).into()
            }
            Call::ThreadExit { result } => self.thread_exit(cpu, now, result.0),
            Call::ThreadJoin { thread, deadline } => self.thread_join(cpu, now, caller, thread, deadline),
            Call::Sleep { until } => self.sleep(cpu, now, caller, until),
            Call::Clock {} => Ok(cpu.now().0).into(),
            Call::ConsoleWrite { text } => self.console_write(caller, text),
            Call::SetClass { thread, class } => self.set_class(cpu, now, caller, thread, class).into(),
            Call::SetPriority { thread, priority } => {
                self.set_priority(cpu, now, caller, thread, priority).into()
            }
            Call::SetAffinity { thread, bank, cpus } => {
                self.set_affinity(cpu, now, caller, thread, bank.0, cpus.0).into()
            }
            Call::ThreadSuspend { thread } => self.thread_suspend(cpu, now, caller, thread),
            Call::ThreadResume { thread } => self.thread_resume(cpu, caller, thread).into(),
            Call::ThreadSelf {} => self.thread_self(caller).into(),
            Call::CpuTime { thread } => self.cpu_time(now, caller, thread).into(),
            Call::GroupCreate {} => self.group_create(caller).into(),
            Call::SetGroup { thread, group } => self.set_group(cpu, now, caller, thread, group).into(),
            Call::CpuOffline { cpu: target } => self.cpu_offline(cpu, caller, target).into(),
            Call::CpuOnline { cpu: target } => self.cpu_online(cpu, caller, target).into(),
            Call::ProcessExit { status, reason } => {
                self.end_process_because(cpu, caller.process, status, reason.0);
                Outcome::Settled
            }
            Call::PowerOff { status } => self.power_off(caller, status),
            Call::MemoryReserve { range, rights } => self.memory_work(caller, range, Task::Reserve(rights)),
            Call::MemoryFill { range } => self.memory_work(caller, range, Task::Fill),
            Call::MemoryUnmap { range } => self.memory_work(caller, range, Task::Unmap),
            Call::MemoryProtect { range, rights } => self.memory_work(caller, range, Task::Protect(rights)),
            Call::MemoryMove { range, to } => self.memory_work(caller, range, Task::Move { to: to.0 }),
            Call::MemoryCopy { range, to } => self.memory_work(caller, range, Task::Copy { to: to.0 }),
            Call::MemoryQuery { address } => self.memory_query(caller, address).into(),
            Call::ObjectCreate { length } => self.object_create(caller, length.0).into(),
            Call::ObjectFromRange { range } => self.object_from_range(caller, range),
            Call::ObjectMap { object, offset, range, rights } => {
                self.object_map(caller, caller.process, object, offset.0, range, rights)
            }
            Call::MappingObject { mapping } => self.mapping_object(caller, mapping).into(),
            Call::MappingUnmap { mapping } => self.mapping_unmap(caller, mapping),
            Call::ObjectDestroy { object } => self.object_destroy(cpu, caller, object),
            Call::CapabilityCopy { capability, rights, badge } => {
                self.capability_copy(caller, capability, rights, badge.0).into()
            }
            Call::CapabilityLimit { capability, uses, until } => {
                self.capability_limit(caller, capability, uses.0, until).into()
            }
            Call::CapabilityDelete { capability } => self.capability_delete(cpu, caller, capability),
            Call::CapabilityRevoke { capability } => self.capability_revoke(caller, capability),
            Call::CapabilityInspect { capability } => self.capability_inspect(caller, capability).into(),
            Call::CapabilitySame { one, other } => self.capability_same(caller, one, other).into(),
            Call::CapabilityNext { after } => self.capability_next(caller, after).into(),
            Call::ProcessCreate { frames } => self.process_create(caller, frames.0).into(),
            Call::ProcessThread { process, entry, stack, argument } => {
                self.process_thread(cpu, caller, process, (entry, stack), argument.0).into()
            }
            Call::ProcessGive { process, capability, rights, badge } => {
                self.process_give(caller, process, capability, rights, badge.0).into()
            }
            Call::ProcessMap { process, object, offset, range, rights } => {
                match self.fillable(caller, process) {
                    Ok(process) => self.object_map(caller, process, object, offset.0, range, rights),
                    Err(error) => Err::<u64, _>(error).into(),
                }
            }
            Call::ProcessRestrict { process, bank, calls } => {
                self.process_restrict(caller, process, (bank.0, calls.0)).into()
            }
            Call::ProcessKill { process, status } => self.process_kill(cpu, caller, process, status).into(),
            Call::ProcessWait { process, deadline } => self.process_wait(cpu, now, caller, process, deadline),
            Call::ProcessUse { process } => self.process_use(caller, process).into(),
            Call::WordWait { address, expected, deadline } => {
                self.word_wait(cpu, now, caller, address, expected.0, deadline)
            }
            Call::WordWake { address, most } => self.word_wake(cpu, caller, address, most.0),
            Call::ObjectWait { object, offset, expected, deadline } => {
                self.object_wait(cpu, now, caller, object, offset.0, (expected.0, deadline))
            }
            Call::ObjectWake { object, offset, most } => {
                self.object_wake(cpu, caller, object, offset.0, most.0)
            }
            Call::ClockMap { address } => self.clock_map(caller, address),
            Call::ThreadCount { thread, counter } => {
                let thread = self.alive(caller, thread, CapabilityRights::INSPECT);
                self.count_fast_calls();
                thread.map(|thread| self.thread(thread).counts.of(counter)).into()
            }
            Call::ProcessCount { process, counter } => {
                let process =
                    self.target(caller, process, CapabilityKind::Process, CapabilityRights::INSPECT);
                self.count_fast_calls();
                process.map(|process| self.process(process).counts.of(counter)).into()
            }
            Call::EndpointCreate {} => self.endpoint_create(caller).into(),
            Call::Send { endpoint, deadline } => {
                let sent = self.send(cpu, now, caller, endpoint, deadline, false);
                self.when_unloaded(caller, sent)
            }
            Call::Receive { endpoint, deadline } => self.receive(cpu, now, caller, endpoint, deadline),
            Call::Call { endpoint, deadline } => {
                let called = self.send(cpu, now, caller, endpoint, deadline, true);
                self.when_unloaded(caller, called)
            }
            Call::Reply {} => {
                let replied = self.reply(cpu, now, caller);
                self.when_unloaded(caller, replied)
            }
            Call::Accept { count } => self.accept(caller, count.0).into(),
            Call::AcceptPages { window } => self.accept_pages(caller, window).into(),
            Call::ReplyReceive { endpoint, deadline } => {
                let received = self.reply_receive(cpu, now, caller, endpoint, deadline);
                self.when_unloaded(caller, received)
            }
            Call::Cancel { thread } => self.cancel(cpu, caller, thread).into(),
            Call::Alarm { endpoint, bits, at } => self.set_alarm(cpu, caller, endpoint, bits.0, at).into(),
            Call::ReplyKeep {} => self.keep_reply(cpu, caller).into(),
            Call::ReplyTo { reply } => {
                let given = self.give_kept(cpu, now, caller, reply);
                self.when_unloaded(caller, given)
            }
            Call::EndpointJoin { endpoint, set } => self.endpoint_join(caller, endpoint, set).into(),
            Call::EndpointLeave { endpoint } => self.endpoint_leave(caller, endpoint).into(),
            Call::ObjectNotify { object, endpoint, bits } => {
                self.object_notify(cpu, caller, object, endpoint, bits.0)
            }
            Call::ProcessTime { process } => self.process_time(now, caller, process).into(),
            Call::ProcessReason { process } => self.process_reason(caller, process).into(),
            Call::Signal { endpoint, bits } => self.signal(cpu, caller, endpoint, bits.0),
            Call::ProcessNotify { process, endpoint, bits } => {
                self.process_notify(cpu, caller, process, endpoint, bits.0)
            }
            Call::ProcessHandler { process, endpoint } => {
                self.process_handler(caller, process, endpoint).into()
            }
            Call::ThreadHandler { thread, endpoint } => self.thread_handler(caller, thread, endpoint).into(),
            Call::ThreadRegister { thread, register } => {
                self.thread_register(cpu, caller, thread, register.0).into()
            }
            Call::ThreadSetRegister { thread, register, value } => {
                self.thread_set_register(cpu, caller, thread, (register.0, value.0)).into()
            }
            Call::Upcall { endpoint, handler, stack } => {
                self.upcall(caller, endpoint, (handler, stack)).into()
            }
            Call::UpcallEnd {} => match self.end_upcall(cpu, caller.thread) {
                Ok(()) => Outcome::Settled,
                Err(error) => Err::<u64, _>(error).into(),
            },
            Call::LineBind { line, endpoint, bits } => {
                self.line_bind(cpu, caller, line.0, endpoint, bits.0).into()
            }
            Call::LineDone { line, mine } => self.line_done(cpu, caller, line, mine.0).into(),
            Call::LineMessage { line } => self.line_message(caller, line).into(),
            Call::ObjectPhysical { address, length } => {
                self.object_physical(caller, address.0, length.0).into()
            }
            Call::ObjectFirmware {} => self.object_firmware(caller).into(),
            Call::PortRead { port, width } => self.port_read(caller, port.0, width.0).into(),
            Call::PortWrite { port, width, value } => {
                self.port_write(caller, port.0, width.0, value.0).into()
            }
            Call::ThreadPointer { address } => self.thread_pointer(cpu, address).into(),
            Call::Random {} => self.random(caller).into(),
            Call::ProcessClose { group } => self.process_close(caller, group).into(),
            Call::ProcessHost { process, endpoint } => self.process_host(caller, process, endpoint).into(),
            Call::ClockSet { wall } => self.clock_set(cpu, caller, wall).into(),
            Call::MemoryUse {} => Ok(self.memory_use(caller.process)).into(),
        }
    }

    /// The thread that a handle of the caller names, if it has not ended and all this may be done with it.
    pub(crate) fn alive(
        &mut self,
        caller: Caller,
        handle: ThreadHandle,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let thread = self.target(caller, handle, CapabilityKind::Thread, rights)?;
        if self.thread(thread).life == Life::Alive { Ok(thread) } else { Err(Error::BadHandle) }
    }
}
