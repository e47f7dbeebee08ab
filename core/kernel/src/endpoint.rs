//! Endpoints as objects of the kernel.

use coldframe_abi::{CapabilityKind, CapabilityRights};
use coldframe_capability::{GROUND, Target};
use coldframe_hal::{Machine, Store};
use coldframe_ipc::Queue;
use coldframe_memory::{FrameError, SpaceError};
use coldframe_scheduler::NONE;

use crate::sets::Membership;
use crate::tables::grow_to;
use crate::{Circle, Kernel};

/// What the maker of an endpoint may do with it.
const OF_ENDPOINT: CapabilityRights = CapabilityRights::READ
    .and(CapabilityRights::WRITE)
    .and(CapabilityRights::INSPECT)
    .and(CapabilityRights::COPY)
    .and(CapabilityRights::SIGNAL);

/// Whoever may do one of these can be waited for.
pub(crate) const COMES: CapabilityRights = CapabilityRights::WRITE.and(CapabilityRights::SIGNAL);

/// Where messages are handed over: those who wait on either side, and who may come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub(crate) generation: u32,
    /// The next free row.
    next: u32,
    /// What has been raised and not received.
    pub(crate) signals: u64,
    /// How many capabilities name it, may receive from it, and may send or signal to it.
    pub(crate) capabilities: u32,
    pub(crate) readers: u32,
    pub(crate) writers: u32,
    /// How many endpoints are members of the set that it stands for, and how many of the `writers` are by them.
    pub(crate) members: u32,
    pub(crate) by_members: u32,
    /// The thread that its signals interrupt, if that still wants them to.
    pub(crate) upcall: u32,
    /// The set that it is a member of.
    pub(crate) membership: Membership,
    /// Whom it hears.
    pub(crate) circle: Circle,
    /// Who waits to be received.
    pub(crate) senders: Queue,
    /// Who waits to receive.
    pub(crate) receivers: Queue,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            generation: 0,
            next: NONE,
            signals: 0,
            capabilities: 0,
            readers: 0,
            writers: 0,
            members: 0,
            by_members: 0,
            upcall: NONE,
            membership: Membership::default(),
            circle: Circle::OPEN,
            senders: Queue::default(),
            receivers: Queue::default(),
        }
    }
}

impl Endpoint {
    /// Which endpoint of this row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// What has been raised and not received.
    #[must_use]
    pub const fn signals(&self) -> u64 {
        self.signals
    }

    /// How many capabilities name it, may receive from it, and may send or signal to it.
    #[must_use]
    pub const fn names(&self) -> (u32, u32, u32) {
        (self.capabilities, self.readers, self.writers - self.by_members)
    }

    /// How many endpoints are members of the set that it stands for, and how many capabilities may send or signal to it
    /// by them.
    #[must_use]
    pub const fn of_members(&self) -> (u32, u32) {
        (self.members, self.by_members)
    }

    /// The set that it is a member of, by row and generation, if that is still there.
    #[must_use]
    pub const fn membership(&self) -> Option<(u32, u32)> {
        self.membership.set()
    }

    /// Whom it hears.
    #[must_use]
    pub const fn circle(&self) -> Circle {
        self.circle
    }

    #[inline]
    pub(crate) fn add_name(&mut self, rights: CapabilityRights) {
        self.capabilities += 1;
        self.readers += u32::from(CapabilityRights::READ.within(rights));
        self.writers += u32::from(COMES.meets(rights));
    }

    #[inline]
    pub(crate) fn take_name(&mut self, rights: CapabilityRights) {
        self.capabilities -= 1;
        self.readers -= u32::from(CapabilityRights::READ.within(rights));
        self.writers -= u32::from(COMES.meets(rights));
    }

    /// Whether one capability with these rights less leaves nobody to wait in vain, here or at a set.
    #[inline]
    pub(crate) const fn is_heard_without(&self, rights: CapabilityRights) -> bool {
        self.capabilities > 1
            && self.membership.set().is_none()
            && (self.senders.is_empty() || !CapabilityRights::READ.within(rights) || self.readers > 1)
            && (self.receivers.is_empty() || !COMES.meets(rights) || self.writers > 1)
    }

    /// Whether it is in no set: what comes to a member has to be brought to where that is received.
    #[inline(always)]
    pub(crate) const fn stands_alone(&self) -> bool {
        self.membership.set().is_none()
    }

    /// Whether whoever calls here is heard, and here.
    #[inline(always)]
    pub(crate) const fn hears_all(&self) -> bool {
        self.stands_alone() && self.circle.is_open()
    }

    /// Whether there is nothing to receive.
    #[inline]
    pub(crate) const fn is_quiet(&self) -> bool {
        self.senders.is_empty() && self.signals == 0
    }

    /// Who waits to be received.
    #[must_use]
    pub const fn senders(&self) -> &Queue {
        &self.senders
    }

    /// Who waits to receive.
    #[must_use]
    pub const fn receivers(&self) -> &Queue {
        &self.receivers
    }
}

impl<M: Machine> Kernel<M> {
    #[inline]
    pub(crate) fn endpoint_row(&mut self, endpoint: u32) -> &mut Endpoint {
        &mut self.endpoints.rows_mut()[endpoint as usize]
    }

    /// Makes an endpoint; says which capability names it.
    pub(crate) fn make_endpoint(&mut self, process: u32) -> Result<u32, SpaceError> {
        let capability = self.take_capability(process)?;
        let endpoint = match self.take_endpoint_row() {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.return_capability(capability);
                return Err(error.into());
            }
        };
        let circle = self.process(process).circle;
        let row = self.endpoint_row(endpoint);
        row.circle = circle;
        let generation = row.generation;
        let target = Target { kind: CapabilityKind::Endpoint, row: endpoint, generation };
        self.set_capability(capability, GROUND, target, OF_ENDPOINT, 0);
        Ok(capability)
    }

    /// One more capability names an endpoint.
    pub(crate) fn begin_to_name(&mut self, endpoint: u32, rights: CapabilityRights) {
        self.endpoint_row(endpoint).add_name(rights);
        if COMES.meets(rights)
            && let Some(set) = self.set_of(endpoint)
        {
            let row = self.endpoint_row(set);
            row.writers += 1;
            row.by_members += 1;
        }
    }

    /// One capability less names an endpoint; it goes with the last one.
    pub(crate) fn cease_to_name(&mut self, endpoint: u32, rights: CapabilityRights) {
        let row = self.endpoint_row(endpoint);
        row.take_name(rights);
        let is_last = row.capabilities == 0;
        if let Some(set) = self.set_of(endpoint) {
            let comes = u32::from(COMES.meets(rights));
            let row = self.endpoint_row(set);
            row.writers -= comes;
            row.by_members -= comes;
            row.members -= u32::from(is_last);
        }
        if !is_last {
            return;
        }
        let row = self.endpoint_row(endpoint);
        assert!(row.senders.is_empty() && row.receivers.is_empty(), "who waits has a name for it (IPC-5)");
        if row.generation < u32::MAX {
            let next = core::mem::replace(&mut self.free_endpoint, endpoint);
            self.endpoint_row(endpoint).next = next;
        }
    }

    fn take_endpoint_row(&mut self) -> Result<u32, FrameError> {
        if self.free_endpoint == NONE {
            let first = self.endpoints.rows().len();
            let Self { machine, frames, endpoints, own, .. } = self;
            grow_to(endpoints, first + 1, machine, frames, own)?;
            for endpoint in (first..self.endpoints.rows().len()).rev() {
                self.endpoint_row(endpoint as u32).next = self.free_endpoint;
                self.free_endpoint = endpoint as u32;
            }
        }
        let endpoint = self.free_endpoint;
        let row = self.endpoint_row(endpoint);
        let (generation, next) = (row.generation + 1, row.next);
        *row = Endpoint { generation, ..Endpoint::default() };
        self.free_endpoint = next;
        Ok(endpoint)
    }
}
