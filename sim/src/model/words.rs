//! Calls that wait at words: who waits where, in which order they are woken, and what else ends a wait.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Carries, Error, Instant, Number};
use coldframe_capability::Capability;
use coldframe_kernel::{Inspection, Kernel, WaitsFor};
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::calls::{Answer, Expected};
use super::messages::{GIVEN_BACK, LEFT_ALONE, Letter, carries};
use super::{Model, State};
use crate::oracle::word_there;

/// How many one call wakes at most.
const WAKES: u64 = 32;
const WORD: u64 = 8;

/// Whose word it is: a process's, or an object's by row and generation; or at which side of which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Process(usize),
    Object(u32, u32),
    Senders(u32, u32),
    Receivers(u32, u32),
}

/// One that waits at a word or an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) thread: u32,
    pub(super) line: Line,
    pub(super) place: u64,
    /// How urgent it is there, and when it came or became that.
    pub(super) urgency: u64,
    pub(super) order: u64,
    pub(super) until: Instant,
    /// What it sends.
    pub(super) letter: Option<Letter>,
}

impl Waiting {
    pub(super) const fn thread(&self) -> u32 {
        self.thread
    }
}

impl Model {
    pub(super) fn word_call<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Expected {
        let words = &before.request.arguments;
        if view.threads[caller as usize].work().is_some() {
            // Something is on its way: the call is made once more.
            self.set_state(caller, State::Works { call: number });
            self.asks_again.push((caller, *before));
            return Expected::Nothing;
        }
        let answer = match number {
            Number::WordWait => self.word_wait(kernel, caller, words, now),
            Number::ObjectWait => self.object_wait(kernel, view, caller, words, now),
            Number::WordWake => self
                .place_in_own(caller, words[0])
                .map(|(line, place)| Some(self.wake_words(line, place, words[1]))),
            _ => self
                .place_in_object(view, caller, words, CapabilityRights::WRITE)
                .map(|(line, place)| Some(self.wake_words(line, place, words[2]))),
        };
        match answer {
            Ok(Some(woken)) => Expected::Answer(Ok(woken)),
            Ok(None) => Expected::Nothing,
            Err(error) => Expected::Answer(Err(error)),
        }
    }

    fn place_in_own(&self, caller: u32, address: u64) -> Result<(Line, u64), Error> {
        let fits =
            address.is_multiple_of(WORD) && address.checked_add(WORD).is_some_and(|end| end <= self.user_end);
        let process = self.process_of(caller).filter(|_| fits).ok_or(Error::BadAddress)?;
        Ok((Line::Process(process), address))
    }

    /// The row of what a thread names and the model has no names for, if it is of this kind and allows all this.
    pub(super) fn row_named<'a, F: HardwareFormat>(
        &self,
        view: &Inspection<'a, HostMachine<F>>,
        caller: u32,
        word: u64,
        (kind, rights): (CapabilityKind, CapabilityRights),
    ) -> Result<&'a Capability, Error> {
        let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
        let process = self.process_of(caller).ok_or(Error::BadHandle)? as u32;
        let row = view.capabilities.get(slot as usize).ok_or(Error::BadHandle)?;
        let is_name =
            row.generation() == generation && row.holder() == Some(process) && row.target().kind == kind;
        match rights.within(row.rights()) {
            _ if !is_name || !self.is_in_time((process as usize, word)) => Err(Error::BadHandle),
            true => Ok(row),
            false => Err(Error::NoRight),
        }
    }

    fn place_in_object<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        rights: CapabilityRights,
    ) -> Result<(Line, u64), Error> {
        let target = self.row_named(view, caller, words[0], (CapabilityKind::Object, rights))?.target();
        let object = &view.objects[target.row as usize];
        let is_there = object.generation() == target.generation
            && object.process().is_some()
            && !object.is_dying()
            && !object.is_arriving();
        if !is_there {
            return Err(Error::BadHandle);
        }
        if !words[1].is_multiple_of(WORD) || words[1] >= object.length() {
            return Err(Error::BadArgument);
        }
        if object.space().is_none() {
            return Err(Error::BadState);
        }
        Ok((Line::Object(target.row, target.generation), words[1]))
    }

    fn word_wait<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        now: Instant,
    ) -> Result<Option<u64>, Error> {
        let at = self.place_in_own(caller, words[0])?;
        let process = self.process_of(caller).ok_or(Error::BadAddress)?;
        let found = word_there(kernel, process, words[0]).ok_or(Error::BadAddress)?;
        self.waits_at(caller, at, found == words[1], words[2], now)
    }

    fn object_wait<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        now: Instant,
    ) -> Result<Option<u64>, Error> {
        let at = self.place_in_object(view, caller, words, CapabilityRights::READ)?;
        let Line::Object(row, _) = at.0 else { return Err(Error::BadHandle) };
        let root = view.objects[row as usize].space().ok_or(Error::BadState)?.root();
        // What nobody has touched is all zero.
        let found = kernel.machine().word_of(root, words[1]).unwrap_or(0);
        self.waits_at(caller, at, found == words[2], words[3], now)
    }

    fn waits_at(
        &mut self,
        caller: u32,
        (line, place): (Line, u64),
        is_expected: bool,
        deadline: u64,
        now: Instant,
    ) -> Result<Option<u64>, Error> {
        if !is_expected {
            return Err(Error::Changed);
        }
        if deadline <= now.0 {
            return Err(Error::TimedOut);
        }
        let until = Instant(deadline);
        self.wait(caller, State::InLine, until);
        let (urgency, order) = (self.urgency_in(caller, line), self.waits);
        self.lines.push(Waiting { thread: caller, line, place, urgency, order, until, letter: None });
        Ok(None)
    }

    /// Wakes so many of those who wait at a word: the most urgent, and among equals those who came first.
    fn wake_words(&mut self, line: Line, place: u64, most: u64) -> u64 {
        let mut woken = 0;
        while woken < most.min(WAKES) {
            let Some(next) = self.first_in(line, place) else { break };
            self.stops_waiting(next.thread, Some(Ok(0)));
            woken += 1;
        }
        woken
    }

    /// Who is first at a place: the most urgent, and among equals whoever came first.
    pub(super) fn first_in(&self, line: Line, place: u64) -> Option<Waiting> {
        self.first_of(line, place, |_| true)
    }

    /// Who is first of those at a place of whom this is true.
    pub(super) fn first_of(
        &self,
        line: Line,
        place: u64,
        is_one: impl Fn(&Waiting) -> bool,
    ) -> Option<Waiting> {
        let rank = |waiting: &&Waiting| (std::cmp::Reverse(waiting.urgency), waiting.order);
        let is_here = |waiting: &&Waiting| waiting.line == line && waiting.place == place && is_one(waiting);
        self.lines.iter().filter(is_here).min_by_key(rank).copied()
    }

    /// A thread does not wait in its line any more, and hears this, if that is known.
    pub(super) fn stops_waiting(&mut self, thread: u32, answer: Option<Answer>) {
        self.lines.retain(|waiting| waiting.thread != thread);
        self.set_state(thread, State::Goes { answer: answer.map(Into::into) });
    }

    /// All threads of a process have ended.
    pub(super) fn forget_waiting(&mut self) {
        let (alive, ended): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lines)
            .into_iter()
            .partition(|waiting| self.thread(waiting.thread).is_some());
        self.lines = alive;
        self.ended_in_line.extend(ended);
    }

    /// Whether anybody stood in a line when this entry began.
    pub(super) fn is_waited_in(&self, line: Line) -> bool {
        self.lines.iter().chain(&self.ended_in_line).any(|waiting| waiting.line == line)
    }

    /// Who has ended and stood in line does so no longer. Its slot may have got to another one, which is not ended.
    pub(super) fn forget_who_left<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        self.ended_in_line.retain(|waiting| {
            let row = &view.threads[waiting.thread as usize];
            matches!(row.waits_for(), WaitsFor::InLine(_))
                && view.processes[row.process() as usize].ended().is_some()
        });
    }

    /// A thread has become more urgent, or less: it waits as if it had just come.
    pub(super) fn waits_anew(&mut self, thread: u32) {
        self.waits += 1;
        let Some(at) = self.lines.iter().position(|waiting| waiting.thread == thread) else { return };
        let urgency = self.urgency_in(thread, self.lines[at].line);
        (self.lines[at].urgency, self.lines[at].order) = (urgency, self.waits);
    }

    /// Whether a thread works on something that may take several entries.
    pub(super) fn somebody_works(&self) -> bool {
        let works = |state: State| matches!(state, State::Works { .. });
        self.threads.iter().flat_map(|slot| slot.holder).any(|thread| works(thread.state))
    }

    /// What threads work on has ended waits: of those whose word, or the name that they came by, has gone.
    pub(super) fn end_waits_by_work<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) {
        let in_line = |thread: u32| matches!(view.threads[thread as usize].waits_for(), WaitsFor::InLine(_));
        self.makes_again = true;
        for (thread, before) in std::mem::take(&mut self.asks_again) {
            self.note_context_again(view, thread);
            match self.thread(thread).map(|thread| thread.state) {
                // What the call had to wait for has come, and it has been made once more.
                Some(State::Works {
                    call: call @ (Number::Signal | Number::ProcessNotify | Number::ObjectNotify),
                }) => {
                    let expected = match call {
                        Number::Signal => self.signal(view, thread, &before, now),
                        Number::ObjectNotify => self.object_notify(view, thread, &before, now),
                        _ => self.process_notify(view, thread, &before, now),
                    };
                    if let Expected::Answer(answer) = expected {
                        self.expect(thread, answer);
                    }
                }
                Some(State::Works { call }) if carries(call) => {
                    if let Expected::Answer(answer) =
                        self.message_call(view, call, thread, &before, (self.heard_now(view, thread), now))
                    {
                        self.expect(thread, answer);
                    }
                }
                Some(State::Works { call }) if in_line(thread) => {
                    let _ = self.word_call(kernel, view, call, thread, &before, now);
                }
                Some(State::Works { .. }) => self.asks_again.push((thread, before)),
                _ => {}
            }
        }
        self.makes_again = false;
        // Of one that is taken down now the last step may have been among those of this entry.
        let ends =
            view.processes.iter().any(|process| process.ended().is_some() && process.space().is_some());
        let reaped = std::mem::replace(&mut self.somebody_ends, ends) || ends;
        let gone: Vec<_> = self.lines.iter().filter(|waiting| !in_line(waiting.thread)).copied().collect();
        if gone.is_empty() {
            return;
        }
        let worked = self.somebody_works();
        for waiting in gone {
            let error = match waiting.line {
                // Whoever goes on although nobody can have done that shows it.
                Line::Process(_) if !worked && !reaped && !self.unloads => continue,
                Line::Object(..) if !worked => continue,
                Line::Process(_) => Error::NotMapped,
                Line::Object(..) => Error::BadHandle,
                Line::Senders(..) if self.is_faulted(waiting.thread) => {
                    if worked || reaped {
                        self.ends_by_fault(waiting.thread);
                    }
                    continue;
                }
                Line::Senders(..) | Line::Receivers(..) => {
                    if worked || reaped {
                        let carries =
                            waiting.letter.is_some_and(|letter| letter.message.carries != Carries::NONE);
                        let either = if carries { GIVEN_BACK } else { LEFT_ALONE };
                        self.stops_waiting(waiting.thread, None);
                        self.set_state(waiting.thread, State::Hears { either });
                    }
                    continue;
                }
            };
            // Its deadline may have come in the same entry, or a call that is made again have woken it.
            let sure = waiting.until > now && self.asks_again.is_empty();
            self.stops_waiting(waiting.thread, sure.then_some(Err(error)));
        }
    }
}
