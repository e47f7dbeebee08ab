//! Calls that hand messages over: who gets which, from whom, and who owes whom a reply.

use std::cmp::Reverse;

use coldframe_abi::{
    Arrival, CapabilityKind, CapabilityRights, Error, FaultAnswer, Instant, Message, Number,
};
use coldframe_capability::Capability;
use coldframe_kernel::{Inspection, Task, WaitsFor, Work};
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::calls::{Answer, Expected};
use super::words::{Line, Waiting};
use super::{Model, State};

/// What a thread can hear whose call was received by one that has ended since.
pub(super) const NO_REPLY: &[Answer] = &[Err(Error::PeerGone), Err(Error::TimedOut), Err(Error::Cancelled)];
/// What a thread can hear at an endpoint whose name goes, or that nobody else can come to.
pub(super) const LEFT_ALONE: &[Answer] =
    &[Err(Error::PeerGone), Err(Error::BadHandle), Err(Error::TimedOut), Err(Error::Cancelled)];

/// The same for one whose message carries something: it may have been refused by a call that is made again and again.
pub(super) const GIVEN_BACK: &[Answer] = &[
    Err(Error::PeerGone),
    Err(Error::BadHandle),
    Err(Error::TimedOut),
    Err(Error::Cancelled),
    Err(Error::Refused),
    Err(Error::NoRight),
    Err(Error::Busy),
];

/// What a thread sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) badge: u64,
    pub(super) calls: bool,
}

/// An endpoint that a thread has named: row and generation, and what is written on the name.
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) generation: u32,
    pub(super) badge: u64,
}

const fn arrival(calls: bool) -> Arrival {
    if calls { Arrival::Called } else { Arrival::Sent }
}

impl Place {
    pub(super) const fn of(row: &Capability) -> Self {
        let target = row.target();
        Self { row: target.row, generation: target.generation, badge: row.badge() }
    }
}

/// Whether a call hands a message over.
pub(super) const fn carries(number: Number) -> bool {
    matches!(
        number,
        Number::Send
            | Number::Receive
            | Number::Call
            | Number::Reply
            | Number::ReplyReceive
            | Number::ReplyTo
    )
}

impl Model {
    pub(super) fn message_call<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        before: &HostRegisters,
        (heard, now): (Option<Error>, Instant),
    ) -> Expected {
        let (words, message) = (&before.request.arguments, before.message);
        if let Some(expected) = self.loads(view, number, caller, before) {
            return expected;
        }
        let row = &view.threads[caller as usize];
        let task = row.work().map(Work::task);
        if matches!(task, Some(Task::Call | Task::Unload { again: true, .. })) {
            // Only such as have ended were in its way, or one whose message it does not take, or its pages.
            if number == Number::ReplyReceive && row.has_replied() {
                self.replies_once(view, caller, message, now);
            }
            if matches!(number, Number::Receive | Number::ReplyReceive)
                && let Ok(Place { row, generation, .. }) = self.receiving(view, caller, words[0])
            {
                self.refuses(view, caller, Line::Senders(row, generation));
            }
            self.set_again(caller, number, before);
            return Expected::Nothing;
        }
        let has_replied =
            self.thread_mut(caller).is_some_and(|thread| std::mem::take(&mut thread.has_replied));
        let answer = match number {
            Number::Send => self.sends(view, caller, words, (message, false), (heard, now)),
            Number::Call => self.sends(view, caller, words, (message, true), (heard, now)),
            Number::Receive => self.receives(view, caller, words, now),
            Number::ReplyTo => {
                self.gives_kept(view, caller, words[0], message, (heard, now)).map(|()| Some(0))
            }
            Number::Reply => self
                .can_carry(view, caller, &message, false)
                .and_then(|()| self.replies(view, caller, message, (heard, now)))
                .map(Some),
            _ => self.receiving(view, caller, words[0]).and_then(|_| {
                if !has_replied {
                    self.can_carry(view, caller, &message, false)?;
                    match self.replies(view, caller, message, (heard, now)) {
                        Ok(_) | Err(Error::PeerGone) => {}
                        Err(error) => return Err(error),
                    }
                }
                let _ = self.place_now(view, caller, words[0], CapabilityRights::READ)?;
                self.receives(view, caller, words, now)
            }),
        };
        match answer {
            Ok(Some(value)) => Expected::Answer(Ok(value)),
            Ok(None) => Expected::Nothing,
            Err(error) => Expected::Answer(Err(error)),
        }
    }

    /// Whether a call can be begun that sends a message.
    pub(super) fn may_send<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
        message: &Message,
    ) -> Result<(), Error> {
        match number {
            Number::Send | Number::Call => {
                let place = self.place(view, caller, words[0], CapabilityRights::WRITE)?;
                self.way_of(view, caller, place)?;
            }
            Number::ReplyReceive => {
                self.receiving(view, caller, words[0])?;
            }
            Number::ReplyTo => {
                self.kept_named(caller, words[0])?;
            }
            _ => {}
        }
        self.can_carry(view, caller, message, number == Number::Call)
    }

    pub(super) fn place<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        rights: CapabilityRights,
    ) -> Result<Place, Error> {
        // The name itself may have gone along with the message.
        let key = (self.process_of(caller).ok_or(Error::BadHandle)?, word);
        if let Some((_, row)) = self.sources.iter().find(|(known, _)| *known == key)
            && row.target().kind == CapabilityKind::Endpoint
        {
            if !self.is_in_time(key) {
                return Err(Error::BadHandle);
            }
            return if rights.within(row.rights()) { Ok(Place::of(row)) } else { Err(Error::NoRight) };
        }
        self.place_now(view, caller, word, rights)
    }

    /// The same as it is after the entry.
    fn place_now<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        rights: CapabilityRights,
    ) -> Result<Place, Error> {
        self.row_named(view, caller, word, (CapabilityKind::Endpoint, rights)).map(Place::of)
    }

    /// Where that is received what a thread sends to a place.
    fn way_of<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        place: Place,
    ) -> Result<Place, Error> {
        self.admits(caller, &place)?;
        let process = self.process_of(caller).ok_or(Error::BadHandle)?;
        self.heard_at(view, process, place, CapabilityRights::WRITE).ok_or(Error::PeerGone)
    }

    fn sends<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        (message, calls): (Message, bool),
        (heard, now): (Option<Error>, Instant),
    ) -> Result<Option<u64>, Error> {
        let place = self.place(view, caller, words[0], CapabilityRights::WRITE)?;
        let Place { row, generation, badge } = self.way_of(view, caller, place)?;
        let until = Instant(words[1]);
        self.can_carry(view, caller, &message, calls)?;
        match self.first_there(view, Line::Receivers(row, generation), now) {
            Some(receiver) if !calls || until > now => {
                let message = self.hands_on(view, (caller, receiver.thread), message, heard, now)?;
                self.stops_waiting(receiver.thread, Some(Ok(badge)));
                self.finds(receiver.thread, Message { arrival: arrival(calls), ..message });
                if !calls {
                    return Ok(Some(0));
                }
                self.awaits_reply(caller, receiver.thread);
                self.wait(caller, State::AwaitsReply { server: receiver.thread }, until);
                return Ok(None);
            }
            None if view.endpoints[row as usize].names().1 == 0 => return Err(Error::PeerGone),
            _ => {}
        }
        let letter = Letter { message, badge, calls };
        self.waits_there(caller, Line::Senders(row, generation), Some(letter), until, now)
    }

    fn receives<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        now: Instant,
    ) -> Result<Option<u64>, Error> {
        let Place { row, generation, .. } = self.receiving(view, caller, words[0])?;
        if self.thread(caller).is_some_and(|thread| thread.owes.is_some()) {
            return Err(Error::BadState);
        }
        if let Some(bits) = self.signals.remove(&(row, generation)) {
            self.finds(caller, Message::SIGNALLED);
            return Ok(Some(bits));
        }
        while let Some(Waiting { thread: sender, letter: Some(letter), .. }) =
            self.first_there(view, Line::Senders(row, generation), now)
        {
            let heard = self.heard_now(view, sender);
            let message = match self.hands_on(view, (sender, caller), letter.message, heard, now) {
                Ok(message) => message,
                Err(error) => {
                    // It hears of that, and the call is made again, maybe in the same entry.
                    self.stops_waiting(sender, Some(Err(error)));
                    self.makes_again = true;
                    continue;
                }
            };
            if letter.calls {
                self.lines.retain(|waiting| waiting.thread != sender);
                self.set_state(sender, State::AwaitsReply { server: caller });
                self.awaits_reply(sender, caller);
            } else {
                self.stops_waiting(sender, Some(Ok(0)));
            }
            self.finds(caller, Message { arrival: arrival(letter.calls), ..message });
            return Ok(Some(letter.badge));
        }
        let endpoint = &view.endpoints[row as usize];
        if endpoint.names().2 + endpoint.of_members().1 == 0 {
            return Err(Error::PeerGone);
        }
        self.waits_there(caller, Line::Receivers(row, generation), None, Instant(words[1]), now)
    }

    pub(super) fn waits_there(
        &mut self,
        caller: u32,
        line: Line,
        letter: Option<Letter>,
        until: Instant,
        now: Instant,
    ) -> Result<Option<u64>, Error> {
        if until <= now {
            return Err(Error::TimedOut);
        }
        self.wait(caller, State::InLine, until);
        let (urgency, order) = (self.urgency_in(caller, line), self.waits);
        self.lines.push(Waiting { thread: caller, line, place: 0, urgency, order, until, letter });
        Ok(None)
    }

    /// The first time that a call is made that is made once more.
    fn replies_once<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        message: Message,
        now: Instant,
    ) {
        if self.thread(caller).is_some_and(|thread| !thread.has_replied) {
            let _ = self.replies(view, caller, message, (None, now));
        }
        if let Some(thread) = self.thread_mut(caller) {
            thread.has_replied = true;
        }
    }

    /// The first at an endpoint whose time was not up before, in the same entry: a call that is made once more comes
    /// after the timers.
    fn first_there<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        line: Line,
        now: Instant,
    ) -> Option<Waiting> {
        let has_left = |waiting: &Waiting| {
            let row = &view.threads[waiting.thread as usize];
            self.makes_again
                && waiting.until <= now
                && row.waits_for() == WaitsFor::Nothing
                && row.registers().reply == Err(Error::TimedOut).into()
        };
        self.first_of(line, 0, |waiting| !has_left(waiting))
    }

    fn replies<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        server: u32,
        message: Message,
        (heard, now): (Option<Error>, Instant),
    ) -> Result<u64, Error> {
        let caller = self.thread(server).and_then(|thread| thread.owes).ok_or(Error::PeerGone)?;
        let is_late = self.found(view, caller).reply == Err(Error::TimedOut).into();
        if self.makes_again && is_late && view.threads[caller as usize].waits_for() != WaitsFor::Reply(server)
        {
            // A call that is made once more comes after the timers.
            self.owes_nothing(server);
            self.expect(caller, Err(Error::TimedOut));
            return Err(Error::PeerGone);
        }
        let message = match self.is_faulted(caller) {
            true => message,
            false => self.hands_on(view, (server, caller), message, heard, now)?,
        };
        self.owes_nothing(server);
        if self.is_faulted(caller) {
            self.hears_of_fault(caller, FaultAnswer::from_message(&message));
            return Ok(0);
        }
        self.finds(caller, Message { arrival: Arrival::Sent, ..message });
        self.expect(caller, Ok(0));
        Ok(0)
    }

    pub(super) fn finds(&mut self, thread: u32, message: Message) {
        if let Some(thread) = self.thread_mut(thread) {
            thread.inbox = Some(message);
        }
    }

    pub(super) fn awaits_reply(&mut self, caller: u32, server: u32) {
        if let Some(server) = self.thread_mut(server) {
            server.owes = Some(caller);
        }
    }

    /// Whoever waited for the reply of a thread does so no longer.
    pub(super) fn owes_nothing(&mut self, server: u32) {
        if let Some(server) = self.thread_mut(server) {
            server.owes = None;
        }
    }

    pub(super) fn cancel<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Expected {
        let thread = match self.alive(view, caller, word, CapabilityRights::MANAGE) {
            Ok(thread) => thread,
            Err(error) => return Expected::Answer(Err(error)),
        };
        if let Some(State::Hears { .. }) = self.thread(thread).map(|thread| thread.state)
            && !self.is_faulted(thread)
        {
            // Whether it has heard already is up to others.
            return Expected::Any;
        }
        Expected::Answer(if self.is_cancelled(view, thread) { Ok(0) } else { Err(Error::BadState) })
    }

    /// The wait of a thread for a message, at a word, for a moment or for an end is ended; false if it is in none.
    pub(super) fn is_cancelled<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
    ) -> bool {
        match self.thread(thread).map(|thread| thread.state) {
            // It waits for no message that it has asked for.
            _ if self.is_faulted(thread) => return false,
            // Of two reasons that come in one entry the first counts.
            _ if self.is_due(thread) && self.has_heard(view, thread) => return false,
            Some(State::InLine) => self.stops_waiting(thread, Some(Err(Error::Cancelled))),
            Some(State::AwaitsReply { server }) => {
                self.owes_nothing(server);
                self.expect(thread, Err(Error::Cancelled));
            }
            Some(State::AwaitsKept { .. } | State::Sleeps { .. }) => {
                self.expect(thread, Err(Error::Cancelled));
            }
            Some(State::Joins { target, .. }) => {
                if let Some(target) = self.thread_mut(target) {
                    target.joiner = None;
                }
                self.expect(thread, Err(Error::Cancelled));
            }
            // It may have heard before, and not have gone on yet: whoever still waits should not.
            Some(State::Watches { .. }) if self.has_heard(view, thread) => return false,
            Some(State::Watches { .. }) => self.expect(thread, Err(Error::Cancelled)),
            _ => return false,
        }
        true
    }

    /// Whether the deadline of a wait has come.
    fn is_due(&self, thread: u32) -> bool {
        let Some(wait) = self.thread(thread).map(|thread| thread.wait) else { return false };
        let mut deadlines = self.deadlines.iter().map(|Reverse(deadline)| *deadline);
        self.overdue.contains(&(thread, wait))
            || deadlines.any(|(at, other, of)| at <= self.now && (other, of) == (thread, wait))
    }

    /// Whether whoever has waited has an answer that is not that its wait was ended.
    fn has_heard<F: HardwareFormat>(&self, view: &Inspection<'_, HostMachine<F>>, thread: u32) -> bool {
        let waits = view.threads[thread as usize].waits_for() != WaitsFor::Nothing;
        !waits && self.found(view, thread).reply != Err(Error::Cancelled).into()
    }
}
