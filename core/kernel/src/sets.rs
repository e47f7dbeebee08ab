//! Sets of endpoints: what comes to the members of a set is received at the endpoint that stands for it.
//!
//! A member is another name for its set, to send and signal by: it has no queues of its own meanwhile, so that who waits
//! stands in one order whatever it came by, and a thread that receives at the set waits in one place (IPC-8).

use coldframe_abi::Error;
use coldframe_hal::{Machine, Store};
use coldframe_scheduler::NONE;

use crate::Kernel;

/// Which endpoint stands for a set, if that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Membership {
    set: u32,
    generation: u32,
}

impl Default for Membership {
    fn default() -> Self {
        Self { set: NONE, generation: 0 }
    }
}

impl Membership {
    /// The endpoint that it names, by row and generation.
    pub(crate) const fn set(self) -> Option<(u32, u32)> {
        if self.set == NONE { None } else { Some((self.set, self.generation)) }
    }
}

impl<M: Machine> Kernel<M> {
    /// The set that an endpoint is a member of, while that is there.
    #[inline]
    pub(crate) fn set_of(&self, endpoint: u32) -> Option<u32> {
        let rows = self.endpoints.rows();
        let (set, generation) = rows[endpoint as usize].membership.set()?;
        let row = &rows[set as usize];
        (row.generation == generation && row.capabilities > 0).then_some(set)
    }

    /// Where what comes to an endpoint is received.
    #[inline]
    pub(crate) fn meeting_place(&self, endpoint: u32) -> u32 {
        self.set_of(endpoint).unwrap_or(endpoint)
    }

    /// Makes an endpoint at which nothing happens a member of a set, for as long as both are there.
    pub(crate) fn join_set(&mut self, endpoint: u32, set: u32) -> Result<(), Error> {
        if endpoint == set {
            return Err(Error::BadArgument);
        }
        let rows = self.endpoints.rows();
        if rows[set as usize].circle != rows[endpoint as usize].circle {
            return Err(Error::NotAllowed);
        }
        if self.set_of(set).is_some() || self.endpoints.rows()[endpoint as usize].members > 0 {
            return Err(Error::BadState);
        }
        let generation = self.endpoint_row(set).generation;
        let is_member = self.set_of(endpoint).is_some();
        let row = self.endpoint_row(endpoint);
        if is_member || !row.is_quiet() || !row.receivers.is_empty() {
            return Err(Error::Busy);
        }
        row.membership = Membership { set, generation };
        let writers = row.writers;
        let row = self.endpoint_row(set);
        row.members += 1;
        row.by_members += writers;
        row.writers += writers;
        Ok(())
    }

    /// Takes an endpoint out of its set. Who stands in line stays there: what they came by has been looked at already.
    pub(crate) fn leave_set(&mut self, endpoint: u32) -> Result<(), Error> {
        let set = self.set_of(endpoint).ok_or(Error::BadState)?;
        let writers = self.endpoint_row(endpoint).writers;
        let row = self.endpoint_row(set);
        if row.writers == writers && !row.receivers.is_empty() {
            // Nobody could come to those who wait, and they would not hear of it.
            return Err(Error::Busy);
        }
        row.members -= 1;
        row.by_members -= writers;
        row.writers -= writers;
        self.endpoint_row(endpoint).membership = Membership::default();
        Ok(())
    }
}
