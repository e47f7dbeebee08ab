//! Sets of endpoints: what comes to the members is received at the endpoint that stands for the set.

use coldframe_abi::{CapabilityRights, Error};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::Model;
use super::calls::Answer;
use super::messages::Place;
use super::words::Line;

/// Whether an endpoint is still there.
fn is_there<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, (row, generation): (u32, u32)) -> bool {
    let row = &view.endpoints[row as usize];
    row.generation() == generation && row.names().0 > 0
}

impl Model {
    /// The set that an endpoint is a member of.
    fn set_of<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        endpoint: (u32, u32),
    ) -> Option<(u32, u32)> {
        self.memberships.get(&endpoint).copied().filter(|set| is_there(view, *set))
    }

    /// Where that is received what comes to a place.
    pub(super) fn met_at<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        place: Place,
    ) -> Place {
        match self.set_of(view, (place.row, place.generation)) {
            Some((row, generation)) => Place { row, generation, ..place },
            None => place,
        }
    }

    /// A place at which something can be received: a member of a set is none.
    pub(super) fn receiving<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Result<Place, Error> {
        let place = self.place(view, caller, word, CapabilityRights::READ)?;
        self.receives_there(caller, &place)?;
        match self.set_of(view, (place.row, place.generation)) {
            Some(_) => Err(Error::BadState),
            None => Ok(place),
        }
    }

    pub(super) fn endpoint_join<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let [one, set] = [words[0], words[1]].map(|word| {
            self.place(view, caller, word, CapabilityRights::READ).map(|place| (place.row, place.generation))
        });
        let (one, set) = (one?, set?);
        if one == set {
            return Err(Error::BadArgument);
        }
        if self.circles.get(&one) != self.circles.get(&set) {
            return Err(Error::NotAllowed);
        }
        let mut members = self.memberships.iter().filter(|(_, set)| **set == one);
        if self.set_of(view, set).is_some() || members.any(|(member, _)| is_there(view, *member)) {
            return Err(Error::BadState);
        }
        // Whoever left by its deadline in the same entry did so after the call.
        let lines = [Line::Senders(one.0, one.1), Line::Receivers(one.0, one.1)];
        let is_used = lines.into_iter().any(|line| self.is_waited_in(line));
        if self.set_of(view, one).is_some() || is_used || self.signals.contains_key(&one) {
            return Err(Error::Busy);
        }
        self.memberships.insert(one, set);
        Ok(0)
    }

    pub(super) fn endpoint_leave<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let place = self.place(view, caller, words[0], CapabilityRights::READ)?;
        let one = (place.row, place.generation);
        let set = self.set_of(view, one).ok_or(Error::BadState)?;
        let comes_by = |endpoint: (u32, u32)| view.endpoints[endpoint.0 as usize].names().2;
        let others = self.memberships.iter().filter(|(member, of)| **of == set && **member != one);
        let others: u32 =
            others.filter(|(member, _)| is_there(view, **member)).map(|(member, _)| comes_by(*member)).sum();
        let waits = self.is_waited_in(Line::Receivers(set.0, set.1));
        if others + comes_by(set) == 0 && waits {
            return Err(Error::Busy);
        }
        self.memberships.remove(&one);
        Ok(0)
    }
}
