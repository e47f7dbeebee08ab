//! What each call comes to, by the table's own words.

use coldframe_abi::{
    Authority, CapabilityRights, Error, Instant, Kind, MOST_CARRIED, Number, Reply, Request,
};
use coldframe_kernel::{Inspection, Kernel};
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::names::{Name, Named};
use super::processes::End;
use super::{Model, State, fail};
use crate::oracle::Violation;

/// How many bytes one call writes at most.
const WRITE_LIMIT: u64 = 256;

/// With so few free frames left, a refusal may be honest.
pub(super) const SCARCE: u64 = 16;

pub(super) type Answer = Result<u64, Error>;

/// What the caller of a call has to expect.
pub(super) enum Expected {
    /// This answer.
    Answer(Answer),
    /// None before something else has happened, or none ever.
    Nothing,
    /// One that only the page tables know.
    Any,
}

impl Model {
    /// Follows one call; `given` is the answer as it stands when the kernel has been left.
    pub(super) fn call<F: HardwareFormat>(
        &mut self,
        (kernel, view): (&Kernel<HostMachine<F>>, &Inspection<'_, HostMachine<F>>),
        caller: u32,
        before: &HostRegisters,
        given: Reply,
        now: Instant,
    ) -> Result<(), Violation> {
        let request = &before.request;
        if let Some(thread) = self.thread_mut(caller) {
            thread.asks = true;
            thread.is_refused = false;
        }
        // Whatever it has asked for before has been answered.
        self.asks_again.retain(|(thread, _)| *thread != caller);
        let Some(number) = Number::from_word(request.number) else {
            self.expect(caller, Err(Error::UnknownCall));
            return Ok(());
        };
        if !words_fit(number, request) {
            self.expect(caller, Err(Error::BadArgument));
            return Ok(());
        }
        if !self.may_call(caller, number) {
            self.expect(caller, Err(Error::NotAllowed));
            return Ok(());
        }
        let words = &request.arguments;
        let process = self.process_of(caller);
        let expected = match number {
            Number::ThreadCreate => Expected::Answer(self.thread_create(view, caller, words, given, now)?),
            Number::GroupCreate => Expected::Answer(self.group_create(view, caller, given, now)?),
            Number::ThreadExit => {
                self.forget_faded(view);
                self.thread_exit(caller, words[0])
            }
            Number::ThreadJoin => self.thread_join(view, caller, words[0], words[1], now),
            Number::Sleep => self.sleep(caller, words[0], now),
            Number::ProcessExit => self.process_exit(caller, End { status: words[0], reason: words[1] }),
            Number::ThreadSuspend => Expected::Answer(self.suspend(view, caller, words[0], true)),
            Number::ThreadResume => Expected::Answer(self.suspend(view, caller, words[0], false)),
            Number::SetClass | Number::SetPriority | Number::SetAffinity | Number::SetGroup => {
                Expected::Answer(self.set(view, number, caller, words))
            }
            Number::CpuTime => {
                let thread = self.alive(view, caller, words[0], CapabilityRights::INSPECT);
                Expected::Answer(thread.map(|thread| self.run_time(thread, now)))
            }
            Number::CpuOffline => Expected::Answer(self.cpu(view, caller, words[0], false)),
            Number::CpuOnline => Expected::Answer(self.cpu(view, caller, words[0], true)),
            Number::ConsoleWrite if !self.may(view, caller, Authority::Console, 0) => {
                Expected::Answer(Err(Error::NotAllowed))
            }
            Number::ConsoleWrite => {
                let touched =
                    self.process_of(caller).is_some_and(|process| self.unreadable.contains(&process));
                match self.console_write(words[0], words[1]) {
                    Ok(0) => Expected::Answer(Ok(0)),
                    _ if touched && self.is_inside(words[0], words[1]) => Expected::Any,
                    answer => Expected::Answer(answer),
                }
            }
            Number::ThreadCount => {
                let thread = self.alive(view, caller, words[0], CapabilityRights::INSPECT);
                let counted =
                    |thread| self.thread(thread).map_or(0, |thread| thread.counts[words[1] as usize]);
                Expected::Answer(thread.map(counted))
            }
            Number::ThreadRegister | Number::ThreadSetRegister => {
                self.register(view, number, caller, words, given)
            }
            Number::Clock => Expected::Answer(Ok(now.0)),
            Number::ThreadSelf => Expected::Answer(self.thread_self(view, caller, given, now)?),
            Number::CapabilityLimit => Expected::Answer(self.capability_limit(view, caller, words)),
            Number::CapabilityCopy
            | Number::CapabilityDelete
            | Number::CapabilityRevoke
            | Number::CapabilityInspect
            | Number::CapabilitySame
            | Number::CapabilityNext => self.capability_call(view, number, caller, words, given, now)?,
            Number::ProcessCreate
            | Number::ProcessThread
            | Number::ProcessGive
            | Number::ProcessMap
            | Number::ProcessRestrict
            | Number::ProcessKill
            | Number::ProcessWait
            | Number::ProcessCount
            | Number::ProcessTime
            | Number::ProcessReason
            | Number::ProcessUse => self.process_call(view, number, caller, words, given, now)?,
            Number::WordWait | Number::WordWake | Number::ObjectWait | Number::ObjectWake => {
                self.word_call(kernel, view, number, caller, before, now)
            }
            Number::EndpointCreate => match given.result() {
                Ok(word) => {
                    self.endpoint_is_made(view, caller, word);
                    Expected::Any
                }
                Err(error) if self.is_short(view, caller, error) => Expected::Any,
                Err(error) => return Err(refused(now, "endpoint_create", error)),
            },
            Number::Send
            | Number::Receive
            | Number::Call
            | Number::Reply
            | Number::ReplyTo
            | Number::ReplyReceive => {
                self.message_call(view, number, caller, before, (self.heard_now(view, caller), now))
            }
            Number::ProcessClose => Expected::Answer(self.process_close(view, caller, words[0])),
            Number::ProcessHost => Expected::Answer(self.process_host(view, caller, words)),
            Number::Alarm => Expected::Answer(self.sets_alarm(view, caller, words)),
            Number::ReplyKeep => self.keeps_reply(view, caller, given, now)?,
            Number::Cancel => self.cancel(view, caller, words[0]),
            Number::Accept if words[0] > MOST_CARRIED as u64 => Expected::Answer(Err(Error::BadArgument)),
            Number::Accept => {
                if let Some(thread) = self.thread_mut(caller) {
                    thread.accepts = words[0] as usize;
                }
                Expected::Answer(Ok(0))
            }
            Number::AcceptPages => Expected::Answer(self.accept_pages(caller, words)),
            Number::EndpointJoin => Expected::Answer(self.endpoint_join(view, caller, words)),
            Number::EndpointLeave => Expected::Answer(self.endpoint_leave(view, caller, words)),
            Number::ObjectNotify => self.object_notify(view, caller, before, now),
            Number::Signal => self.signal(view, caller, before, now),
            Number::ProcessNotify => self.process_notify(view, caller, before, now),
            Number::ThreadHandler | Number::ProcessHandler => {
                Expected::Answer(self.takes_handler(view, number, caller, words))
            }
            Number::Upcall => Expected::Answer(self.takes_upcall(view, caller, words, given)),
            Number::UpcallEnd if given.result() == Err(Error::BadState) => Expected::Any,
            Number::UpcallEnd => Expected::Nothing,
            Number::LineBind => {
                Expected::Answer(self.binds_line((kernel, view), caller, words, given, now)?)
            }
            Number::LineDone => Expected::Answer(self.line_done(caller, words)),
            Number::LineMessage => Expected::Answer(self.line_message(caller, words)),
            Number::ObjectPhysical => self.object_physical((kernel, view), caller, words, given, now)?,
            Number::ThreadPointer if words[0] >= self.user_end => Expected::Answer(Err(Error::BadAddress)),
            // That the register has it is for the oracle `context-kept` to say.
            Number::ThreadPointer => Expected::Answer(Ok(0)),
            Number::Random => Expected::Answer(self.random(view, caller, given, now)?),
            Number::ClockSet => Expected::Answer(self.clock_set((kernel, view), caller, words[0], now)?),
            Number::ObjectFirmware if !self.may(view, caller, Authority::Firmware, 0) => {
                Expected::Answer(Err(Error::NotAllowed))
            }
            Number::ObjectFirmware if self.firmware_is_given => Expected::Answer(Err(Error::BadState)),
            Number::ObjectFirmware => match given.result() {
                Ok(_) => {
                    self.firmware_is_given = true;
                    Expected::Any
                }
                Err(error) if self.is_short(view, caller, error) => Expected::Any,
                Err(error) => return Err(refused(now, "object_firmware", error)),
            },
            Number::PortRead | Number::PortWrite => {
                Expected::Answer(self.port_call(view, number, caller, words))
            }
            Number::Null | Number::YieldNow => Expected::Answer(Ok(0)),
            Number::MemoryQuery if words[0] >= self.user_end => Expected::Answer(Err(Error::BadAddress)),
            Number::MemoryQuery | Number::MemoryUse => Expected::Any,
            Number::ClockMap if !self.may(view, caller, Authority::Clock, 0) => {
                Expected::Answer(Err(Error::NotAllowed))
            }
            Number::ClockMap
            | Number::ObjectCreate
            | Number::ObjectFromRange
            | Number::ObjectMap
            | Number::MappingObject
            | Number::MappingUnmap
            | Number::ObjectDestroy => {
                self.touches_memory(caller);
                self.set_state(caller, State::Works { call: number });
                Expected::Nothing
            }
            Number::MemoryReserve
            | Number::MemoryFill
            | Number::MemoryUnmap
            | Number::MemoryProtect
            | Number::MemoryMove
            | Number::MemoryCopy => self.memory(caller, number, words),
            Number::PowerOff if !self.may(view, caller, Authority::Power, 0) => {
                Expected::Answer(Err(Error::NotAllowed))
            }
            Number::PowerOff => {
                return fail(now, format!("thread {caller} goes on after it turned the machine off"));
            }
        };
        if let Some(process) = process {
            if number == Number::CapabilityCopy
                && let Some((from, to)) = self.copied_to((process, words[0]), process, given)
            {
                self.limit_copy(from, to, true);
            }
            self.has_used(view, (process, caller), request, &expected, now)?;
        }
        match expected {
            Expected::Answer(answer) => self.expect(caller, answer),
            Expected::Any => self.set_state(caller, State::Goes { answer: None }),
            Expected::Nothing => {}
        }
        match number {
            Number::SetClass | Number::SetPriority | Number::SetAffinity | Number::SetGroup => {
                match self.name(view, caller, words[0]) {
                    Some((_, Name { what: Named::Thread(thread, _), .. })) => {
                        self.settings_fit(view, thread, now)
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn expect(&mut self, thread: u32, answer: Answer) {
        self.set_state(thread, State::Goes { answer: Some(answer.into()) });
    }

    pub(super) fn set_state(&mut self, thread: u32, state: State) {
        if let Some(thread) = self.thread_mut(thread) {
            thread.state = state;
        }
    }

    /// What is in the memory of a process is from now on for the page tables to say.
    fn touches_memory(&mut self, caller: u32) {
        if let Some(process) = self.process_of(caller).filter(|process| !self.unreadable.contains(process)) {
            self.unreadable.push(process);
        }
    }

    /// What comes of the pages themselves is for the oracles of memory to say.
    fn memory(&mut self, caller: u32, call: Number, words: &[u64; 6]) -> Expected {
        const PAGE: u64 = 4_096;
        let whole = |start: u64, length: u64| {
            let end = start.checked_add(length)?;
            let fits = start.is_multiple_of(PAGE) && length.is_multiple_of(PAGE) && end <= self.user_end;
            (fits && length > 0).then_some((start, end))
        };
        let Some((start, end)) = whole(words[0], words[1]) else {
            return Expected::Answer(Err(Error::BadAddress));
        };
        if matches!(call, Number::MemoryMove | Number::MemoryCopy) {
            let apart = |(to, to_end): &(u64, u64)| end <= *to || *to_end <= start;
            if whole(words[2], words[1]).filter(apart).is_none() {
                return Expected::Answer(Err(Error::BadAddress));
            }
        }
        self.touches_memory(caller);
        self.set_state(caller, State::Works { call });
        Expected::Nothing
    }

    pub(super) fn process_of(&self, thread: u32) -> Option<usize> {
        self.thread(thread).map(|thread| thread.process)
    }

    /// The thread that a handle of the caller names, ended or not.
    pub(super) fn named<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let (key, name) = self.name(view, caller, word).ok_or(Error::BadHandle)?;
        let Named::Thread(thread, _) = name.what else { return Err(Error::BadHandle) };
        if !self.is_in_time(key) {
            return Err(Error::BadHandle);
        }
        if !rights.within(name.rights) {
            return Err(Error::NoRight);
        }
        if self.is_there(name.what) { Ok(thread) } else { Err(Error::BadHandle) }
    }

    pub(super) fn alive<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let thread = self.named(view, caller, word, rights)?;
        match self.thread(thread).map(|thread| thread.state) {
            Some(State::Ended { .. }) | None => Err(Error::BadHandle),
            Some(_) => Ok(thread),
        }
    }

    fn is_inside(&self, start: u64, length: u64) -> bool {
        start.checked_add(length).is_some_and(|end| end <= self.user_end)
    }

    fn console_write(&self, start: u64, length: u64) -> Answer {
        let end = start.saturating_add(length);
        if !self.is_inside(start, length) {
            return Err(Error::BadAddress);
        }
        let length = (end - start).min(WRITE_LIMIT);
        let inside = |range: &&(u64, u64)| range.0 <= start && start + length <= range.1;
        if length == 0 || self.readable.iter().find(inside).is_some() {
            Ok(length)
        } else {
            Err(Error::BadAddress)
        }
    }
}

/// Whether every word can be what the table says it is.
fn words_fit(number: Number, request: &Request) -> bool {
    let mut at = 0;
    number.description().parameters.iter().all(|parameter| {
        let word = request.arguments[at];
        at += if parameter.kind == Kind::Range { 2 } else { 1 };
        word <= match parameter.kind {
            Kind::Class | Kind::PageRights => 3,
            Kind::Counter => 3,
            Kind::Priority | Kind::ExitCode | Kind::CapabilityRights => 0xff,
            Kind::Cpu => 0xffff,
            _ => u64::MAX,
        }
    })
}

pub(super) fn refused(at: Instant, call: &str, error: Error) -> Violation {
    Violation { oracle: crate::oracle::MODEL, detail: format!("{call} answers {error:?} for no reason"), at }
}

pub(super) fn reused(at: Instant, handle: String) -> Violation {
    Violation { oracle: crate::oracle::MODEL, detail: format!("{handle} is given out again"), at }
}
