//! The forest of derivations: who was derived from whom, however many have gone in between.
//!
//! Only the ends of a row of siblings know their parent. That makes a whole family change its parent in O(1), so that
//! a capability can go at once although others were derived from it: these are now derived from what it was derived
//! from (CAP-3).

use coldframe_abi::CapabilityRights;

use crate::chunk::Taken;
use crate::link::Link;
use crate::{Capabilities, Capability, GROUND, Holdings, Limit, NONE, Target};

impl Capabilities<'_> {
    /// Gives a row that was taken its meaning: derived from `parent`, or from nothing if that is `GROUND`.
    ///
    /// Postcondition: no right that the parent does not have.
    #[inline]
    pub fn derive(&mut self, row: u32, parent: u32, target: Target, rights: CapabilityRights, badge: u64) {
        let from = &self.rows[parent as usize];
        assert!(
            parent == GROUND || (rights.within(from.rights) && target == from.target),
            "authority never grows (CAP-1)"
        );
        self.attach(row, parent, target, rights, badge);
        if self.rows[parent as usize].limited {
            self.inherit_limit(row, parent);
        }
    }

    /// Makes a copy of a capability in a free row of a holder; says which row, and its generation. `None` if there is no such
    /// row.
    ///
    /// Postcondition: no right that the parent does not have.
    #[inline(always)]
    pub fn mint(
        &mut self,
        holdings: &mut Holdings,
        parent: u32,
        rights: CapabilityRights,
        badge: u64,
    ) -> Option<(u32, u32)> {
        let Taken { row, holder, generation } = self.take_free(holdings)?;
        let previous = self.append(row, parent);
        let above = &self.rows[parent as usize];
        assert!(rights.within(above.rights), "authority never grows (CAP-1)");
        let (target, limited) = (above.target, above.limited);
        let next = Link::up(parent);
        self.rows[row as usize] = Capability {
            generation,
            holder,
            target,
            rights,
            open: rights,
            badge,
            next,
            previous,
            ..Capability::default()
        };
        if limited {
            self.inherit_limit(row, parent);
        }
        Some((row, generation))
    }

    /// What was derived runs out when its parent does.
    #[cold]
    fn inherit_limit(&mut self, row: u32, parent: u32) {
        let limit = Limit { uses: Limit::NONE.uses, ..self.rows[parent as usize].limit() };
        self.limit(row, limit);
    }

    /// The same, with a target of another kind: a mapping is derived from the capability to what it shows.
    pub fn derive_other(
        &mut self,
        row: u32,
        parent: u32,
        target: Target,
        rights: CapabilityRights,
        badge: u64,
    ) {
        let kind = self.rows[parent as usize].target.kind;
        assert!(target.kind != kind, "a copy is made by `derive`");
        self.attach(row, parent, target, rights, badge);
    }

    /// Leads the parent and the last of those that were derived from it to a new one; says what is before that.
    #[inline(always)]
    fn append(&mut self, row: u32, parent: u32) -> Link {
        let above = &mut self.rows[parent as usize];
        let last = core::mem::replace(&mut above.last, row);
        if last == NONE {
            above.first = row;
            return Link::up(parent);
        }
        self.rows[last as usize].next = Link::to(row);
        Link::to(last)
    }

    /// Puts a row behind the last of those that were derived from `parent`.
    #[inline]
    fn attach(&mut self, row: u32, parent: u32, target: Target, rights: CapabilityRights, badge: u64) {
        let previous = self.append(row, parent);
        let new = &mut self.rows[row as usize];
        (new.target, new.rights, new.open, new.badge) = (target, rights, rights, badge);
        new.limited = false;
        (new.previous, new.next, new.first, new.last) = (previous, Link::up(parent), NONE, NONE);
    }

    /// Takes a capability out of the forest; what was derived from it takes its place.
    pub fn cut(&mut self, row: u32) {
        let Capability { first, last, next, previous, .. } = self.rows[row as usize];
        // Whoever now meets the neighbour on either side: the family, or, if there is none, the other neighbour.
        let (to_right, to_left) = if first == NONE {
            (next, previous)
        } else {
            self.rows[first as usize].previous = previous;
            self.rows[last as usize].next = next;
            (Link::to(first), Link::to(last))
        };
        match previous.parent() {
            Some(parent) => self.rows[parent as usize].first = to_right.row(),
            None => self.rows[previous.row() as usize].next = to_right,
        }
        match next.parent() {
            Some(parent) => self.rows[parent as usize].last = to_left.row(),
            None => self.rows[next.row() as usize].previous = to_left,
        }
    }

    /// What a capability was derived from; as many steps as it has siblings on one side.
    #[must_use]
    pub fn parent(rows: &[Capability], row: u32) -> Option<u32> {
        let mut at = row;
        loop {
            let next = rows[at as usize].next;
            match next.along() {
                Some(sibling) => at = sibling,
                None => return next.parent(),
            }
        }
    }
}
