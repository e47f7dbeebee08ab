//! Who hears whom: processes that hear nobody but a group, and such whose host hears all that they send (KRN-42, KRN-43).

use coldframe_abi::{CapabilityKind, CapabilityRights, EndpointHandle, Error, GroupHandle, ProcessHandle};
use coldframe_hal::{Machine, Store};
use coldframe_scheduler::NONE;

use crate::calls::Caller;
use crate::{Kernel, LentName};

/// The group whose threads alone are heard, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Circle {
    group: u32,
    generation: u32,
}

impl Circle {
    /// Everybody is heard.
    pub const OPEN: Self = Self { group: NONE, generation: 0 };

    /// Whether everybody is heard.
    #[must_use]
    #[inline]
    pub const fn is_open(&self) -> bool {
        self.group == NONE
    }

    /// The group, by row and generation, if not everybody is heard.
    #[must_use]
    pub const fn group(&self) -> Option<(u32, u32)> {
        if self.is_open() { None } else { Some((self.group, self.generation)) }
    }
}

/// How a message gets from a process to where it is received.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    /// Where it is received.
    pub(crate) endpoint: u32,
    /// Who waits there waits by this capability: the sender's own, or that of its host.
    pub(crate) by: u32,
    /// What is written on the name that it was sent by.
    pub(crate) badge: u64,
}

impl<M: Machine> Kernel<M> {
    /// The way of what the holder of a capability sends to the endpoint that this names: to its host, if it has one.
    ///
    /// # Errors
    /// If nobody hears what it sends any more.
    #[inline]
    pub(crate) fn way_by(&self, capability: u32, rights: CapabilityRights) -> Result<Way, Error> {
        let row = &self.capabilities.rows()[capability as usize];
        let (badge, endpoint) = (row.badge(), row.target().row);
        let host = row.holder().map_or_else(LentName::default, |holder| self.host_of(holder));
        if host.holder().is_none() {
            return Ok(Way { endpoint: self.meeting_place(endpoint), by: capability, badge });
        }
        let endpoint = self.lent_target(host, rights).ok_or(Error::PeerGone)?;
        Ok(Way { endpoint: self.meeting_place(endpoint), by: host.handle().slot, badge })
    }

    fn host_of(&self, process: u32) -> LentName {
        self.processes.rows()[process as usize].host
    }

    /// Whether a thread is heard at an endpoint: whoever has a host is heard by that.
    pub(crate) fn admit(&self, caller: Caller, endpoint: u32) -> Result<(), Error> {
        let circle = self.endpoints.rows()[endpoint as usize].circle;
        if circle.is_open() || self.host_of(caller.process).holder().is_some() {
            return Ok(());
        }
        let group = self.rows.rows()[caller.thread as usize].context().group();
        if self.circle_of(group) == circle { Ok(()) } else { Err(Error::NotAllowed) }
    }

    /// Whether a process receives at an endpoint: one that has closed itself only where nobody else is heard either.
    pub(crate) fn receives_at(&self, process: u32, endpoint: u32) -> Result<(), Error> {
        let circle = self.processes.rows()[process as usize].circle;
        let fits = circle.is_open() || circle == self.endpoints.rows()[endpoint as usize].circle;
        if fits { Ok(()) } else { Err(Error::NotAllowed) }
    }

    fn circle_of(&self, group: u32) -> Circle {
        Circle { group, generation: self.groups.rows()[group as usize].generation }
    }

    /// The caller's process hears nobody but the threads of a group from now on.
    pub(crate) fn process_close(&mut self, caller: Caller, group: GroupHandle) -> Result<(), Error> {
        let group = self.target(caller, group, CapabilityKind::Group, CapabilityRights::FILL)?;
        let circle = self.circle_of(group);
        let row = self.process(caller.process);
        if row.alive_threads > 1 {
            // Another might be waiting where anybody can come.
            return Err(Error::Busy);
        }
        if !row.circle.is_open() || self.thread(caller.thread).upcall.target().is_some() {
            return Err(Error::BadState);
        }
        let row = self.process(caller.process);
        row.circle = circle;
        self.find_quick_calls(caller.process);
        Ok(())
    }

    /// What a process without threads will send, and what those will that it makes, goes to the caller's endpoint.
    pub(crate) fn process_host(
        &mut self,
        caller: Caller,
        handle: ProcessHandle,
        endpoint: EndpointHandle,
    ) -> Result<(), Error> {
        let heard_at = self.target(caller, endpoint, CapabilityKind::Endpoint, CapabilityRights::WRITE)?;
        let process = self.fillable(caller, handle)?;
        if self.host_of(caller.process).holder().is_some() {
            // Somebody else's endpoint would be a way round its own host.
            return Err(Error::NotAllowed);
        }
        self.admit(caller, heard_at)?;
        let row = self.process(process);
        if row.first_thread != NONE {
            return Err(Error::BadState);
        }
        row.host = LentName::new(caller.process, endpoint.into());
        self.find_quick_calls(process);
        Ok(())
    }
}
