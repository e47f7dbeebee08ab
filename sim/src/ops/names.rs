//! The names that the programs of a world share, by what they are for.

use coldframe_abi::{
    CapabilityHandle, EndpointHandle, GroupHandle, Kind, LineHandle, ObjectHandle, ProcessHandle,
    ReplyHandle, ThreadHandle,
};

/// This slot is the one that was made last.
pub const LAST: u8 = 63;
/// From here on a slot is one of the groups, where names of every kind are meant.
pub const GROUPS: u8 = 64;
/// From here on it is one of the processes.
pub const PROCESSES: u8 = 128;
/// From here on it is one of the memory objects.
pub const OBJECTS: u8 = 192;
/// From here on it is one of the endpoints.
pub const ENDPOINTS: u8 = 216;
/// From here on it is one of the authorities.
pub const AUTHORITIES: u8 = 237;
/// From here on it is one of the lines that somebody listens to.
pub const LINES: u8 = 248;
/// From here on it is one of the replies that were kept.
pub const REPLIES: u8 = 252;

/// Where a process is meant, this slot is the one that was made last to be killed.
pub const VICTIM: u8 = 62;

/// How many names of a kind are remembered.
const MOST: usize = 32;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Thread,
    Group,
    Process,
    Object,
    Mapping,
    Authority,
    Endpoint,
    Reply,
    Line,
    Victim,
}

impl Named {
    const ALL: [Self; 10] = [
        Self::Thread,
        Self::Group,
        Self::Process,
        Self::Object,
        Self::Mapping,
        Self::Authority,
        Self::Endpoint,
        Self::Reply,
        Self::Line,
        Self::Victim,
    ];

    /// What a call makes that is worth to be remembered.
    pub(super) const fn made(result: Kind) -> Option<Self> {
        Some(match result {
            Kind::Thread => Self::Thread,
            Kind::Group => Self::Group,
            Kind::Process => Self::Process,
            Kind::Mapping => Self::Mapping,
            Kind::Endpoint => Self::Endpoint,
            Kind::Reply => Self::Reply,
            Kind::Line => Self::Line,
            // Whatever a capability is for: it is tried as one to memory.
            Kind::Object | Kind::Capability => Self::Object,
            _ => return None,
        })
    }

    /// What a slot is for where names of every kind are meant.
    pub(super) const fn of_slot(slot: u8) -> Self {
        match slot {
            REPLIES.. => Self::Reply,
            LINES.. => Self::Line,
            AUTHORITIES.. => Self::Authority,
            ENDPOINTS.. => Self::Endpoint,
            OBJECTS.. => Self::Object,
            PROCESSES.. => Self::Process,
            GROUPS.. => Self::Group,
            _ => Self::Thread,
        }
    }

    /// As a register holds it: zero is nothing.
    pub(super) const fn to_word(self) -> u64 {
        self as u64 + 1
    }

    /// From the register.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        Self::ALL.get((word as usize).checked_sub(1)?).copied()
    }
}

/// All names, the oldest of each kind first.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    lists: [Vec<u64>; Named::ALL.len()],
    /// How many of the oldest of a kind are never forgotten.
    stay: usize,
}

impl Names {
    pub(super) const fn new(stay: usize) -> Self {
        Self { lists: [const { Vec::new() }; Named::ALL.len()], stay }
    }

    /// A list for each kind.
    pub(super) const fn lists(&self) -> &[Vec<u64>; Named::ALL.len()] {
        &self.lists
    }

    pub(super) fn keep(&mut self, named: Named, word: u64) {
        let names = &mut self.lists[named as usize];
        if names.len() == MOST {
            names.remove(self.stay);
        }
        names.push(word);
    }

    /// Forgets all names but those of processes that are to be killed.
    pub(super) fn forget(&mut self) {
        self.lists[..Named::Victim as usize].iter_mut().for_each(Vec::clear);
    }

    fn pick(&self, named: Named, slot: u8) -> u64 {
        let names = &self.lists[named as usize];
        match names.last() {
            None => 0,
            Some(last) if slot == LAST => *last,
            Some(_) => names[usize::from(slot) % names.len()],
        }
    }

    pub(super) fn capability(&self, slot: u8) -> CapabilityHandle {
        let named = Named::of_slot(slot);
        let number = if named == Named::Authority { slot - AUTHORITIES } else { slot % GROUPS };
        CapabilityHandle::from_word(self.pick(named, number))
    }

    /// A name to be sent: one of the latest, or else one that stays.
    pub(super) fn to_carry(&self, slot: u8) -> (CapabilityHandle, bool) {
        let wanted = Named::of_slot(slot);
        // What nobody has is sent as an endpoint; a reply is there once.
        let named = if self.lists[wanted as usize].is_empty() { Named::Endpoint } else { wanted };
        let (names, stay) = (&self.lists[named as usize], if named == Named::Reply { 0 } else { self.stay });
        let latest = names.get(stay..).unwrap_or_default();
        let stays = latest.is_empty();
        let from = if stays { names } else { latest };
        let back = usize::from(slot) % from.len().clamp(1, 4);
        let word = from.iter().rev().nth(back).copied().unwrap_or(0);
        (CapabilityHandle::from_word(word), stays)
    }

    pub(super) fn thread(&self, slot: u8) -> ThreadHandle {
        ThreadHandle::from_word(self.pick(Named::Thread, slot))
    }

    pub(super) fn group(&self, slot: u8) -> GroupHandle {
        GroupHandle::from_word(self.pick(Named::Group, slot))
    }

    pub(super) fn process(&self, slot: u8) -> ProcessHandle {
        let (named, slot) = if slot == VICTIM { (Named::Victim, LAST) } else { (Named::Process, slot) };
        ProcessHandle::from_word(self.pick(named, slot))
    }

    pub(super) fn object(&self, slot: u8) -> ObjectHandle {
        ObjectHandle::from_word(self.pick(Named::Object, slot))
    }

    pub(super) fn reply(&self, slot: u8) -> ReplyHandle {
        ReplyHandle::from_word(self.pick(Named::Reply, slot))
    }

    pub(super) fn line(&self, slot: u8) -> LineHandle {
        LineHandle::from_word(self.pick(Named::Line, slot))
    }

    pub(super) fn endpoint(&self, slot: u8) -> EndpointHandle {
        EndpointHandle::from_word(self.pick(Named::Endpoint, slot))
    }
}
