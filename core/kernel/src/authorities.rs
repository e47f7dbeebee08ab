//! What a process may do to the machine: by capabilities that reach over a range, and of which one of a kind stands.

use coldframe_abi::{Authority, CapabilityKind, CapabilityRights, Error, Priority, Reach};
use coldframe_capability::{GROUND, Target};
use coldframe_hal::{Machine, Store};
use coldframe_memory::SpaceError;
use coldframe_scheduler::{Level, NONE, boost_limit};

use crate::Kernel;

/// What whoever is given an authority first may do with it: look at it, use it, hand it down.
const OF_AUTHORITY: CapabilityRights =
    CapabilityRights::INSPECT.and(CapabilityRights::MANAGE).and(CapabilityRights::COPY);

const fn target(authority: Authority) -> Target {
    Target { kind: CapabilityKind::Authority, row: authority as u32, generation: 0 }
}

impl<M: Machine> Kernel<M> {
    /// Gives a process that nobody has made every authority over everything.
    pub(crate) fn grant_all(&mut self, process: u32) -> Result<(), SpaceError> {
        for authority in Authority::ALL {
            let row = self.take_capability(process)?;
            self.set_capability(row, GROUND, target(authority), OF_AUTHORITY, Reach::ALL.to_word());
        }
        Ok(())
    }

    /// Whether a process has authority over a number.
    ///
    /// # Errors
    /// `NotAllowed` if it has none.
    pub(crate) fn may(&self, process: u32, authority: Authority, number: u32) -> Result<(), Error> {
        self.authority_over(process, authority, (number, number)).map(|_| ())
    }

    /// The capability by which a process has authority over all numbers from the first to the last.
    ///
    /// # Errors
    /// `NotAllowed` if there is none.
    pub(crate) fn authority_over(
        &self,
        process: u32,
        authority: Authority,
        (first, last): (u32, u32),
    ) -> Result<u32, Error> {
        let standing = self.processes.rows()[process as usize].authorities[authority as usize];
        if standing == NONE {
            return Err(Error::NotAllowed);
        }
        let row = self.capability(standing);
        let reach = Reach::from_word(row.badge());
        if !row.limit().allows(self.now) {
            return Err(Error::NotAllowed);
        }
        if reach.covers(first) && reach.covers(last) { Ok(standing) } else { Err(Error::NotAllowed) }
    }

    /// Whether a thread that has waited may be preferred to its equals: only if its process could make it as urgent
    /// itself. Otherwise many that wait would get more than their group's share.
    pub(crate) fn may_go_first(&self, thread: u32) -> bool {
        let context = self.rows.rows()[thread as usize].context();
        let class = context.class();
        let highest = Priority(context.priority().0.saturating_add(boost_limit(class)));
        let process = self.threads.rows()[thread as usize].process;
        self.may(process, Authority::Urgency, Level::new(class, highest).index() as u32).is_ok()
    }

    /// A process has got an authority: it stands, if it may be used and no other of its kind does.
    #[inline]
    pub(crate) fn stand(&mut self, capability: u32) {
        if self.capability(capability).target().kind == CapabilityKind::Authority {
            self.stand_if_none_does(capability);
        }
    }

    #[cold]
    fn stand_if_none_does(&mut self, capability: u32) {
        let row = self.capability(capability);
        let (target, usable) = (row.target(), CapabilityRights::MANAGE.within(row.rights()));
        if let (CapabilityKind::Authority, true, Some(holder)) = (target.kind, usable, row.holder()) {
            let standing = &mut self.process(holder).authorities[target.row as usize];
            if *standing == NONE {
                *standing = capability;
            }
        }
    }

    /// An authority goes; of its kind none stands until another comes.
    #[inline]
    pub(crate) fn fall(&mut self, capability: u32) {
        if self.capability(capability).target().kind == CapabilityKind::Authority {
            self.fall_if_it_stands(capability);
        }
    }

    #[cold]
    fn fall_if_it_stands(&mut self, capability: u32) {
        let (target, holder) = (self.capability(capability).target(), self.capability(capability).holder());
        if let (CapabilityKind::Authority, Some(holder)) = (target.kind, holder) {
            let standing = &mut self.process(holder).authorities[target.row as usize];
            if *standing == capability {
                *standing = NONE;
            }
        }
    }
}
