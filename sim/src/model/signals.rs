//! Signals: what stays at an endpoint until it is received, raised by threads and at the end of processes.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Error, Instant, Message, Reply};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::Model;
use super::calls::{Answer, Expected};
use super::messages::Place;
use super::names::Key;
use super::words::{Line, Waiting};

impl Model {
    /// The endpoint of a name that somebody has lent to the kernel, if it still stands.
    pub(super) fn lent<F: HardwareFormat>(
        view: &Inspection<'_, HostMachine<F>>,
        (holder, word): Key,
        rights: CapabilityRights,
    ) -> Option<Place> {
        let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
        let row = view.capabilities.get(slot as usize)?;
        let stands = row.generation() == generation
            && row.holder() == Some(holder as u32)
            && row.target().kind == CapabilityKind::Endpoint
            && rights.within(row.rights())
            && (row.limit().until.0 == u64::MAX || view.now < row.limit().until)
            && view.processes[holder].ended().is_none();
        stands.then(|| Place::of(row))
    }

    /// Whether a call has met only such as have ended, and is made once more.
    pub(super) fn asks_again<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        before: &HostRegisters,
    ) -> bool {
        let again = view.threads[caller as usize].work().is_some();
        if again && let Some(call) = coldframe_abi::Number::from_word(before.request.number) {
            self.set_again(caller, call, before);
        }
        again
    }

    pub(super) fn signal<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Expected {
        if self.asks_again(view, caller, before) {
            return Expected::Nothing;
        }
        let words = &before.request.arguments;
        let heard = |place| {
            let process = self.process_of(caller).ok_or(Error::BadHandle)?;
            self.heard_at(view, process, place, CapabilityRights::SIGNAL).ok_or(Error::PeerGone)
        };
        let place = match self.may_signal(view, caller, words[0], words[1]).and_then(heard) {
            Ok(place) if view.endpoints[place.row as usize].names().1 == 0 => Err(Error::PeerGone),
            place => place,
        };
        Expected::Answer(place.map(|place| {
            self.raise(view, &place, words[1], now);
            0
        }))
    }

    pub(super) fn may_signal<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        bits: u64,
    ) -> Result<Place, Error> {
        let place = self.place(view, caller, word, CapabilityRights::SIGNAL)?;
        let may = place.badge == 0 || bits & !place.badge == 0;
        if !may {
            return Err(Error::NoRight);
        }
        self.admits(caller, &place).map(|()| place)
    }

    pub(super) fn raise<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        place: &Place,
        bits: u64,
        now: Instant,
    ) {
        if bits == 0 {
            return;
        }
        let at = (place.row, place.generation);
        // The wait of one whose time has come may have ended before, in the same entry: then it finds no signals.
        let hears = |receiver: &Waiting| {
            let found = view.threads[receiver.thread as usize].registers();
            receiver.until > now || (found.reply == Reply::ok(bits) && found.message == Message::SIGNALLED)
        };
        match self.first_of(Line::Receivers(place.row, place.generation), 0, hears) {
            Some(receiver) => {
                self.stops_waiting(receiver.thread, Some(Ok(bits)));
                self.finds(receiver.thread, Message::SIGNALLED);
            }
            _ => {
                *self.signals.entry(at).or_default() |= bits;
                self.calls_up(view, at);
            }
        }
    }

    pub(super) fn process_notify<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Expected {
        if self.asks_again(view, caller, before) {
            return Expected::Nothing;
        }
        Expected::Answer(self.takes_bell(view, caller, &before.request.arguments, now))
    }

    fn takes_bell<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        now: Instant,
    ) -> Answer {
        let process = self.process_named(view, caller, words[0], CapabilityRights::INSPECT)?;
        let place = self.may_signal(view, caller, words[1], words[2])?;
        let me = self.process_of(caller).ok_or(Error::BadHandle)?;
        let known = self.processes.get(&process).ok_or(Error::BadHandle)?;
        let others = known.bell.filter(|((holder, _), _)| *holder != me);
        if others.is_some_and(|(name, _)| self.lent_at(view, name, CapabilityRights::SIGNAL).is_some()) {
            return Err(Error::Busy);
        }
        // The very entry that has taken the last of it comes before the call of another.
        let known = self.processes.get_mut(&process).ok_or(Error::BadHandle)?;
        if view.processes[process].space().is_some() {
            known.bell = Some(((me, words[1]), words[2]));
        } else {
            known.bell = None;
            if let Some(place) = self.heard_at(view, me, place, CapabilityRights::SIGNAL) {
                self.raise(view, &place, words[2], now);
            }
        }
        Ok(0)
    }

    /// Processes of which nothing is left since the last entry: whoever wanted to hear of it does.
    pub(super) fn ring_bells<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) {
        let gone: Vec<_> = self
            .processes
            .iter_mut()
            .filter(|(row, known)| {
                let found = &view.processes[**row];
                known.bell.is_some() && (found.space().is_none() || found.generation() != known.generation)
            })
            .filter_map(|(_, known)| known.bell.take())
            .collect();
        for (name, bits) in gone {
            if let Some(place) = self.lent_at(view, name, CapabilityRights::SIGNAL) {
                self.raise(view, &place, bits, now);
            }
        }
    }
}
