//! The forest of derivations: who was derived from whom, however many have gone in between.
//!
//! Only the ends of a row of siblings know their parent. That makes a whole family change its parent in O(1), so that
//! a capability can go at once although others were derived from it: these are now derived from what it was derived
//! from (CAP-3).

use coldframe_abi::CapabilityRights;

use crate::link::Link;
use crate::{Capabilities, Capability, GROUND, NONE, Target};

impl Capabilities<'_> {
    /// Gives a row that was taken its meaning: derived from `parent`, or from nothing if that is `GROUND`.
    ///
    /// Postcondition: no right that the parent does not have.
    pub fn derive(&mut self, row: u32, parent: u32, target: Target, rights: CapabilityRights, badge: u64) {
        let last = self.rows[parent as usize].last;
        let of_parent = &mut self.rows[parent as usize];
        assert!(
            parent == GROUND || (rights.within(of_parent.rights) && target == of_parent.target),
            "authority never grows (CAP-1)"
        );
        of_parent.last = row;
        let previous = if last == NONE {
            of_parent.first = row;
            Link::up(parent)
        } else {
            self.rows[last as usize].next = Link::to(row);
            Link::to(last)
        };
        self.link(row, previous, Link::up(parent), target, rights, badge);
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
        let of_parent = &self.rows[parent as usize];
        assert!(target.kind != of_parent.target.kind, "a copy is made by `derive`");
        let (kept, kept_rights) = (of_parent.target, of_parent.rights);
        (self.rows[parent as usize].target, self.rows[parent as usize].rights) = (target, rights);
        self.derive(row, parent, target, rights, badge);
        (self.rows[parent as usize].target, self.rows[parent as usize].rights) = (kept, kept_rights);
    }

    fn link(
        &mut self,
        row: u32,
        previous: Link,
        next: Link,
        target: Target,
        rights: CapabilityRights,
        badge: u64,
    ) {
        let new: &mut Capability = &mut self.rows[row as usize];
        (new.target, new.rights, new.badge) = (target, rights, badge);
        (new.previous, new.next, new.first, new.last) = (previous, next, NONE, NONE);
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
