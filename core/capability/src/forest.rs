//! The forest of derivations: who was derived from whom, however many have gone in between.
//!
//! Only the ends of a row of siblings know their parent. That makes a whole family change its parent in O(1), so that
//! a capability can go at once although others were derived from it: these are now derived from what it was derived
//! from (CAP-3).

use coldframe_abi::CapabilityRights;

use crate::link::Link;
use crate::{Capabilities, Capability, GROUND, Limit, NONE, Target};

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

    /// Puts a row behind the last of those that were derived from `parent`.
    #[inline]
    fn attach(&mut self, row: u32, parent: u32, target: Target, rights: CapabilityRights, badge: u64) {
        let above = &mut self.rows[parent as usize];
        let last = core::mem::replace(&mut above.last, row);
        let previous = if last == NONE {
            above.first = row;
            Link::up(parent)
        } else {
            self.rows[last as usize].next = Link::to(row);
            Link::to(last)
        };
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
