//! Faults as messages: who hears of them, and what becomes of the thread.

use coldframe_abi::{CapabilityRights, Error, FaultAnswer, FaultKind, FaultReport, Instant, Number, Reply};
use coldframe_hal::Access;
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::calls::{Answer, Expected};
use super::messages::{Letter, NO_REPLY, Place};
use super::processes::End;
use super::thread::Thread;
use super::words::Line;
use super::{Model, State};
use crate::oracle::{MODEL, Violation, demand};

/// How many registers of a thread can be looked at under glass.
const REGISTERS: u64 = 6;
const FLOAT: std::ops::Range<u64> = 64..67;

fn is_register(number: u64) -> bool {
    number < REGISTERS || FLOAT.contains(&number)
}

/// When a thread waits without a deadline.
const NEVER: Instant = Instant(u64::MAX);

impl Model {
    pub(super) fn is_faulted(&self, thread: u32) -> bool {
        self.thread(thread).is_some_and(|thread| thread.is_faulted)
    }

    pub(super) fn takes_handler<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let place = self.place(view, caller, words[1], CapabilityRights::WRITE)?;
        self.admits(caller, &place)?;
        let name = self.process_of(caller).map(|process| (process, words[1]));
        if number == Number::ThreadHandler {
            let thread = self.alive(view, caller, words[0], CapabilityRights::MANAGE)?;
            self.thread_mut(thread).ok_or(Error::BadHandle)?.handler = name;
        } else {
            let process = self.process_to_fill(view, caller, words[0])?;
            self.processes.get_mut(&process).ok_or(Error::BadHandle)?.handler = name;
        }
        Ok(0)
    }

    /// A thread has had a fault that the kernel does not repair.
    pub(super) fn has_fault<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        (access, cause, address): (Option<Access>, u64, u64),
        before: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(known) = self.thread(thread).copied() else { return Ok(()) };
        let place = known.handler.and_then(|name| self.lent_at(view, name, CapabilityRights::WRITE));
        let hears = |place: &Place| view.endpoints[place.row as usize].names().1 > 0;
        let Some(Place { row, generation, badge }) = place.filter(hears) else {
            self.end_process_with(known.process, End::faulted(address));
            return Ok(());
        };
        let ended = view.processes[known.process].ended();
        demand(ended.is_none(), MODEL, now, || {
            format!("the process of thread {thread} ends with {ended:?}, and somebody handles its faults")
        })?;
        if view.threads[thread as usize].fault().is_none() {
            // Only such as have ended were in its way: it comes again.
            return Ok(());
        }
        let kind = match access {
            None => FaultKind::Exception,
            Some(Access::Load) => FaultKind::Load,
            Some(Access::Store) => FaultKind::Store,
            Some(Access::Fetch) => FaultKind::Fetch,
        };
        let (program_counter, stack) = (before.program_counter, before.stack);
        let message = FaultReport { kind, cause, address, program_counter, stack }.to_message();
        if let Some(known) = self.thread_mut(thread) {
            (known.is_faulted, known.faulted_about) = (true, address);
            known.goes_on_at = Some((program_counter, stack));
        }
        if let Some(receiver) = self.first_in(Line::Receivers(row, generation), 0) {
            self.stops_waiting(receiver.thread, Some(Ok(badge)));
            self.finds(receiver.thread, message);
            self.awaits_reply(thread, receiver.thread);
            self.wait(thread, State::AwaitsReply { server: receiver.thread }, NEVER);
        } else {
            let letter = Letter { message, badge, calls: true };
            let _ = self.waits_there(thread, Line::Senders(row, generation), Some(letter), NEVER, now);
        }
        Ok(())
    }

    /// Somebody looks at a register of a thread that is stopped, or changes it; what is in it is for the oracle
    /// 'context-kept' to say.
    pub(super) fn register<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
    ) -> Expected {
        let changes = number == Number::ThreadSetRegister;
        let rights = if changes { CapabilityRights::MANAGE } else { CapabilityRights::INSPECT };
        let thread = match self.alive(view, caller, words[0], rights) {
            Ok(_) if !is_register(words[1]) => return Expected::Answer(Err(Error::BadArgument)),
            Ok(thread) => thread,
            Err(error) => return Expected::Answer(Err(error)),
        };
        let Some(known) = self.thread(thread).copied() else { return Expected::Any };
        // Whether it has come to stop on its CPU is up to that one.
        let may_be_stopped = known.suspended && thread != caller;
        match given.result() {
            Err(Error::BadState) if may_be_stopped && !known.is_faulted => return Expected::Any,
            _ if !known.is_faulted && !may_be_stopped => return Expected::Answer(Err(Error::BadState)),
            _ => {}
        }
        let end = [self.user_end, self.user_end + 1, u64::MAX][words[1].min(2) as usize];
        if changes && words[1] < 2 && words[2] >= end {
            return Expected::Answer(Err(Error::BadArgument));
        }
        if !changes {
            return if given.result().is_ok() { Expected::Any } else { Expected::Answer(Ok(0)) };
        }
        if let Some((place, stack)) = self.thread_mut(thread).and_then(|known| known.goes_on_at.as_mut()) {
            match words[1] {
                0 => *place = words[2],
                1 => *stack = words[2],
                _ => {}
            }
        }
        // Who has not heard of its fault yet hears where it is now.
        let letters = self.lines.iter_mut().filter(|waiting| waiting.thread == thread && known.is_faulted);
        for letter in letters.filter_map(|waiting| waiting.letter.as_mut()) {
            let mut report = FaultReport::from_message(&letter.message);
            match words[1] {
                0 => report.program_counter = words[2],
                1 => report.stack = words[2],
                _ => {}
            }
            letter.message = report.to_message();
        }
        Expected::Answer(Ok(0))
    }

    /// Whoever handles the fault of a thread has said what follows.
    pub(super) fn hears_of_fault(&mut self, thread: u32, answer: FaultAnswer) {
        let user_end = self.user_end;
        let Some(known) = self.thread_mut(thread) else { return };
        match answer {
            FaultAnswer::Resume => {}
            FaultAnswer::ResumeAt { program_counter, stack }
                if program_counter < user_end && stack <= user_end =>
            {
                known.goes_on_at = Some((program_counter, stack));
            }
            FaultAnswer::ResumeAt { .. } | FaultAnswer::End => return self.ends_by_fault(thread),
        }
        known.is_faulted = false;
        known.state = State::Goes { answer: None };
    }

    /// Nobody handles the fault of a thread any more.
    pub(super) fn ends_by_fault(&mut self, thread: u32) {
        if let Some(Thread { process, faulted_about, .. }) = self.thread(thread).copied() {
            self.end_process_with(process, End::faulted(faulted_about));
        }
    }

    /// The server that a thread waits for has ended; when the thread hears of that is up to the reaper.
    pub(super) fn loses_server(&mut self, thread: u32) {
        let Some(known) = self.thread(thread).copied() else { return };
        if known.is_faulted {
            self.doomed.push((known.process, End::faulted(known.faulted_about)));
            self.set_state(thread, State::Hears { either: &[] });
        } else {
            self.set_state(thread, State::Hears { either: NO_REPLY });
        }
    }
}
