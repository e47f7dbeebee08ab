//! One capability.

use coldframe_abi::{CapabilityKind, CapabilityRights, Error, Instant};

use crate::link::Link;
use crate::{Capabilities, NONE};

/// What a capability names: an object of some kind, by row and generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Target {
    /// What it is.
    pub kind: CapabilityKind,
    /// Which row of the table of its kind.
    pub row: u32,
    /// Which object of that row.
    pub generation: u32,
}

/// What its holder may do with which object, and from which capability it was derived.
// A line of the cache each, and so many in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(align(64))]
pub struct Capability {
    pub(crate) generation: u32,
    /// Whose it is; `NONE` if the row is free.
    pub(crate) holder: u32,
    pub(crate) target: Target,
    pub(crate) rights: CapabilityRights,
    /// The same, or nothing if there is a limit: then the look-up that everybody makes fails, and who asks again, knowing
    /// what time it is, hears more.
    pub(crate) open: CapabilityRights,
    pub(crate) badge: u64,
    /// Whether there is a limit, and then how long it can be used, and how often.
    pub(crate) limited: bool,
    pub(crate) until: Instant,
    pub(crate) uses: u32,
    /// The first and the last that were derived from it and have not gone.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// The neighbours among those derived from the same; the ends lead up to that one. `next` also links free rows.
    pub(crate) next: Link,
    pub(crate) previous: Link,
    /// The first of those who wait by it: what links them is not known here.
    pub(crate) users: u32,
}

/// How long a capability can be used, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Not at this moment any more.
    pub until: Instant,
    /// So often.
    pub uses: u32,
}

impl Limit {
    /// For ever, and however often.
    pub const NONE: Self = Self { until: Instant(u64::MAX), uses: u32::MAX };

    /// Whether what has it can be used once more.
    #[must_use]
    pub fn allows(self, now: Instant) -> bool {
        self.uses > 0 && (self.until == Self::NONE.until || now < self.until)
    }
}

// A capability is a price that every copy pays; a chunk is a frame.
const _: () =
    assert!(size_of::<Capability>() == 64 && crate::CHUNK == 64, "a chunk is a frame of 4 096 bytes");

impl Default for Capability {
    fn default() -> Self {
        Self {
            generation: 0,
            holder: NONE,
            target: Target::default(),
            rights: CapabilityRights::NONE,
            open: CapabilityRights::NONE,
            badge: 0,
            limited: false,
            until: Limit::NONE.until,
            uses: Limit::NONE.uses,
            first: NONE,
            last: NONE,
            next: Link::up(NONE),
            previous: Link::up(NONE),
            users: NONE,
        }
    }
}

impl Capability {
    /// Which capability of its row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whose it is, if the row is in use.
    #[must_use]
    pub const fn holder(&self) -> Option<u32> {
        if self.holder == NONE { None } else { Some(self.holder) }
    }

    /// What it names.
    #[must_use]
    #[inline]
    pub const fn target(&self) -> Target {
        self.target
    }

    /// What its holder may do with that.
    #[must_use]
    pub const fn rights(&self) -> CapabilityRights {
        self.rights
    }

    /// What whoever minted it has written on it.
    #[must_use]
    pub const fn badge(&self) -> u64 {
        self.badge
    }

    /// How long it can be used, and how often.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        if self.limited { Limit { until: self.until, uses: self.uses } } else { Limit::NONE }
    }

    /// Whether there is one.
    #[must_use]
    #[inline]
    pub const fn is_limited(&self) -> bool {
        self.limited
    }

    /// The last of those that were derived from it and have not gone.
    #[must_use]
    pub const fn last_derived(&self) -> Option<u32> {
        if self.last == NONE { None } else { Some(self.last) }
    }

    /// The first of those that were derived from it and have not gone.
    #[must_use]
    pub const fn first_derived(&self) -> Option<u32> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    /// The first of those who wait by it.
    #[must_use]
    pub const fn users(&self) -> Option<u32> {
        if self.users == NONE { None } else { Some(self.users) }
    }

    /// The first of those who wait by it, or `NONE`, to be linked with others.
    pub const fn users_mut(&mut self) -> &mut u32 {
        &mut self.users
    }

    /// The next one that was derived from the same.
    #[must_use]
    pub const fn next(&self) -> Option<u32> {
        self.next.along()
    }
}

impl Capabilities<'_> {
    /// The row of what a holder names by slot and generation, if it is of this kind and allows all this.
    ///
    /// # Errors
    /// `BadHandle` if it is no such thing of this holder, `NoRight` if it does not allow it.
    #[inline]
    pub fn named(
        rows: &[Capability],
        holder: u32,
        name: (u32, u32),
        kind: CapabilityKind,
        rights: CapabilityRights,
    ) -> Result<Target, Error> {
        Self::row_of(rows, holder, name, kind, rights).map(Capability::target)
    }

    /// The same, and what else is in the row.
    ///
    /// # Errors
    /// As `named`.
    #[inline(always)]
    pub fn row_of(
        rows: &[Capability],
        holder: u32,
        (slot, generation): (u32, u32),
        kind: CapabilityKind,
        rights: CapabilityRights,
    ) -> Result<&Capability, Error> {
        let row = rows.get(slot as usize).ok_or(Error::BadHandle)?;
        if row.generation != generation || row.holder != holder || row.target.kind != kind {
            return Err(Error::BadHandle);
        }
        if !rights.within(row.open) {
            return Err(Error::NoRight);
        }
        Ok(row)
    }

    /// The same for one that `named` has refused for want of a right: it may have them all, and a limit.
    ///
    /// # Errors
    /// As `named`, and `BadHandle` if its time is over or it is used up.
    #[cold]
    pub fn named_with_limit(
        rows: &[Capability],
        holder: u32,
        name: (u32, u32),
        rights: CapabilityRights,
        now: Instant,
    ) -> Result<Target, Error> {
        let row = &rows[Self::held(rows, holder, name)? as usize];
        match rights.within(row.rights) {
            _ if !row.limit().allows(now) => Err(Error::BadHandle),
            true => Ok(row.target),
            false => Err(Error::NoRight),
        }
    }

    /// Lets a capability be used no longer and no more often than this, and than before (CAP-7).
    pub fn limit(&mut self, row: u32, limit: Limit) {
        let row = &mut self.rows[row as usize];
        let before = row.limit();
        row.until = before.until.min(limit.until);
        row.uses = before.uses.min(limit.uses);
        row.limited = (row.until, row.uses) != (Limit::NONE.until, Limit::NONE.uses);
        row.open = if row.limited { CapabilityRights::NONE } else { row.rights };
    }

    /// A copy takes along how often what it was copied from can be used: both together are used no more often.
    pub fn take_uses(&mut self, from: u32, to: u32) {
        let uses = self.rows[from as usize].limit().uses;
        if uses != Limit::NONE.uses {
            self.rows[from as usize].uses = 0;
            self.limit(to, Limit { uses, ..Limit::NONE });
        }
    }

    /// A capability has been used, if that is counted.
    pub fn spend(&mut self, row: u32) {
        let row = &mut self.rows[row as usize];
        if row.limit().uses != Limit::NONE.uses {
            row.uses = row.uses.saturating_sub(1);
        }
    }

    /// What a holder names by slot and generation, if it is there and has no limit.
    #[inline]
    pub fn unlimited(
        rows: &[Capability],
        holder: u32,
        (slot, generation): (u32, u32),
    ) -> Option<&Capability> {
        rows.get(slot as usize)
            .filter(|row| row.generation == generation && row.holder == holder && !row.limited)
    }

    /// The row of what a holder names by slot and generation, whatever it is.
    ///
    /// # Errors
    /// `BadHandle` if this holder has no such capability.
    #[inline]
    pub fn held(rows: &[Capability], holder: u32, (slot, generation): (u32, u32)) -> Result<u32, Error> {
        let row = rows.get(slot as usize).ok_or(Error::BadHandle)?;
        if row.generation == generation && row.holder == holder { Ok(slot) } else { Err(Error::BadHandle) }
    }
}
