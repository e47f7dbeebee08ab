//! Faults as messages: whoever handles the faults of a thread receives them as calls, and says what follows.

use core::fmt::{self, Write};

use coldframe_abi::{
    CapabilityRights, Deadline, ExitCode, FaultAnswer, FaultKind, FaultReport, Instant, Message, UserAddress,
};
use coldframe_hal::paging::Format;
use coldframe_hal::{Access, Console, Cpu, Machine, UserRegisters};
use coldframe_scheduler::Wake;

use crate::messages::Met;
use crate::{Kernel, Line};

/// The status of a process that was ended because of a fault.
const FAULTED: ExitCode = ExitCode(139);

struct Report<'a, C: Console>(&'a mut C);

impl<C: Console> Write for Report<'_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// What a thread did that the kernel does not repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// How it went for memory, if that was it.
    pub access: Option<Access>,
    /// What the machine calls it.
    pub cause: u64,
    /// About which address.
    pub address: u64,
}

impl Fault {
    /// What the handler is told of it.
    pub(crate) fn message(&self, registers: &impl UserRegisters) -> Message {
        let kind = match self.access {
            None => FaultKind::Exception,
            Some(Access::Load) => FaultKind::Load,
            Some(Access::Store) => FaultKind::Store,
            Some(Access::Fetch) => FaultKind::Fetch,
        };
        let (program_counter, stack) = (registers.program_counter(), registers.stack());
        FaultReport { kind, cause: self.cause, address: self.address, program_counter, stack }.to_message()
    }
}

impl<M: Machine> Kernel<M> {
    /// The running thread has had a fault: whoever handles it calls, or its process ends.
    pub(crate) fn fault(&mut self, cpu: &mut M::Cpu, now: Instant, fault: Fault) {
        let Some(thread) = self.current(cpu) else { return };
        let process = self.thread(thread).process;
        if self.process(process).ended.is_some() {
            return;
        }
        let name = self.thread(thread).handler;
        let way = self.lent_way(name, CapabilityRights::WRITE);
        let Some(way) = way.filter(|way| self.endpoint_row(way.endpoint).readers > 0) else {
            self.thread(thread).fault = Some(fault);
            self.end_of_fault(cpu, thread);
            return;
        };
        match self.meet(cpu, Line::Receivers(way.endpoint)) {
            // It comes again: nothing has changed for the thread.
            Met::Ghosts => {}
            Met::Thread(to) => {
                self.thread(thread).fault = Some(fault);
                self.call_receiver(cpu, now, (thread, to), way.badge, Deadline::NEVER)
                    .unwrap_or_else(|error| unreachable!("a fault carries nothing: {error:?}"));
            }
            Met::Nobody => {
                self.thread(thread).fault = Some(fault);
                self.wait_to_send(cpu, now, thread, (way, true), Deadline::NEVER);
            }
        }
    }

    /// What its handler has replied to a thread that had a fault.
    pub(crate) fn follow_handler(&mut self, cpu: &mut M::Cpu, handler: u32, thread: u32) {
        match self.fault_answer(cpu, handler) {
            FaultAnswer::End => self.end_of_fault(cpu, thread),
            answer => self.resume_after_fault(cpu, thread, answer),
        }
        self.wake_up(cpu, thread, Wake::Start);
    }

    /// What a handler says in its reply: where nobody can go on is the end.
    pub(crate) fn fault_answer(&mut self, cpu: &mut M::Cpu, handler: u32) -> FaultAnswer {
        let end = M::Paging::USER_END;
        match FaultAnswer::from_message(&self.registers_of(cpu, handler).message()) {
            FaultAnswer::ResumeAt { program_counter, stack } if program_counter >= end || stack > end => {
                FaultAnswer::End
            }
            answer => answer,
        }
    }

    /// A thread that had a fault goes on, where its handler says.
    pub(crate) fn resume_after_fault(&mut self, cpu: &mut M::Cpu, thread: u32, answer: FaultAnswer) {
        self.thread(thread).fault = None;
        if let FaultAnswer::ResumeAt { program_counter, stack } = answer {
            self.registers_of(cpu, thread).go_on_at(program_counter, stack);
        }
    }

    /// Nobody handles the fault of a thread: its process ends, the machine goes on.
    #[cold]
    pub(crate) fn end_of_fault(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let Some(Fault { cause, address, .. }) = self.thread(thread).fault.take() else { return };
        let process = self.thread(thread).process;
        let at = self.registers_of(cpu, thread).program_counter();
        let entry =
            self.space_of(process).and_then(|(space, means)| space.query(means.memory, UserAddress(address)));
        let budget = self.process(process).budget;
        let mut report = Report(&mut self.machine);
        // Writing to a console cannot fail.
        let _ = writeln!(
            report,
            "process {process} ended: its thread {thread} had fault {cause} at {at:#x}, about {address:#x}, on {}",
            cpu.id(),
        );
        if let Some((entry, level)) = entry {
            let (used, limit) = (budget.used(), budget.limit());
            let _ = writeln!(report, "  there: {entry:x?} at level {level}; it had {used} of {limit} frames");
        }
        self.end_process_because(cpu, process, FAULTED, address);
    }
}
