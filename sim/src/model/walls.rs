//! Who hears whom: processes that hear nobody but a group, and such whose host hears all that they send.

use coldframe_abi::{CapabilityHandle, CapabilityRights, Error};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::Model;
use super::calls::Answer;
use super::messages::Place;
use super::names::Key;

impl Model {
    /// Where that is received what a process sends to a place, unless nobody hears it any more.
    pub(super) fn heard_at<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        sender: usize,
        place: Place,
        rights: CapabilityRights,
    ) -> Option<Place> {
        let host = self.processes.get(&sender).and_then(|process| process.host);
        let place = match host {
            None => place,
            Some(host) => Place { badge: place.badge, ..Self::lent(view, host, rights)? },
        };
        Some(self.met_at(view, place))
    }

    /// Where that is received what comes by a name that somebody has lent to the kernel, if it still stands.
    pub(super) fn lent_at<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        name: Key,
        rights: CapabilityRights,
    ) -> Option<Place> {
        self.heard_at(view, name.0, Self::lent(view, name, rights)?, rights)
    }

    /// Whether a thread is heard at a place: whoever has a host is heard by that.
    pub(super) fn admits(&self, caller: u32, place: &Place) -> Result<(), Error> {
        let Some(known) = self.thread(caller) else { return Ok(()) };
        let is_hosted = self.processes.get(&known.process).is_some_and(|process| process.host.is_some());
        let group = known.settings.group;
        let own = (group, self.groups.get(group as usize).map_or(0, |slot| slot.generation));
        match self.circles.get(&(place.row, place.generation)) {
            Some(circle) if *circle != own && !is_hosted => Err(Error::NotAllowed),
            _ => Ok(()),
        }
    }

    /// Whether a thread receives at a place: if its process has closed itself, only where others are not heard either.
    pub(super) fn receives_there(&self, caller: u32, place: &Place) -> Result<(), Error> {
        let process = self.process_of(caller).and_then(|process| self.processes.get(&process));
        let Some(circle) = process.and_then(|process| process.circle) else { return Ok(()) };
        let there = self.circles.get(&(place.row, place.generation));
        if there == Some(&circle) { Ok(()) } else { Err(Error::NotAllowed) }
    }

    /// A process has made an endpoint, which hears whom the process wants to hear.
    pub(super) fn endpoint_is_made<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) {
        let process = self.process_of(caller).and_then(|process| self.processes.get(&process));
        if let Some(circle) = process.and_then(|process| process.circle) {
            let target = view.capabilities[CapabilityHandle::from_word(word).slot as usize].target();
            self.circles.insert((target.row, target.generation), circle);
        }
    }

    pub(super) fn process_close<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Answer {
        let group = self.group_named(view, caller, word)?;
        let generation = self.groups[group as usize].generation;
        let is_interrupted = self.thread(caller).is_some_and(|thread| thread.upcall.is_some());
        let process = self.process_of(caller).ok_or(Error::BadHandle)?;
        if *self.alive_in(process) > 1 {
            return Err(Error::Busy);
        }
        let known = self.processes.get_mut(&process).ok_or(Error::BadHandle)?;
        if known.circle.is_some() || is_interrupted {
            return Err(Error::BadState);
        }
        known.circle = Some((group, generation));
        Ok(0)
    }

    pub(super) fn process_host<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let place = self.place(view, caller, words[1], CapabilityRights::WRITE)?;
        let process = self.process_to_fill(view, caller, words[0])?;
        let me = self.process_of(caller).ok_or(Error::BadHandle)?;
        if self.processes.get(&me).is_some_and(|known| known.host.is_some()) {
            return Err(Error::NotAllowed);
        }
        self.admits(caller, &place)?;
        if *self.alive_in(process) > 0 {
            return Err(Error::BadState);
        }
        self.processes.get_mut(&process).ok_or(Error::BadHandle)?.host = Some((me, words[1]));
        Ok(0)
    }
}
