//! What a thread brings with it to wait: all that queues are made of.

use crate::{Key, NONE};

/// The place of one thread in one queue, and in the list of those who came by the same capability.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiter {
    pub(crate) key: Key,
    /// The nodes below it, if it is one of the tree.
    pub(crate) below: [u32; 2],
    /// The node above it, if it is one and not the root.
    pub(crate) above: u32,
    /// The neighbours in the ring of those with the same key; itself, if it is alone; none, if it is in no queue.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// Whether it stands in the tree for its ring.
    pub(crate) is_node: bool,
    /// By which capability it waits, and the neighbours among those who do.
    pub(crate) by: u32,
    pub(crate) next_user: u32,
    pub(crate) previous_user: u32,
}

// A line of the cache: what a wait costs each thread.
const _: () = assert!(size_of::<Waiter>() <= 64, "a waiter has at most 64 bytes");

impl Default for Waiter {
    fn default() -> Self {
        Self {
            key: Key::default(),
            below: [NONE; 2],
            above: NONE,
            next: NONE,
            previous: NONE,
            is_node: false,
            by: NONE,
            next_user: NONE,
            previous_user: NONE,
        }
    }
}

impl Waiter {
    /// Where it waits, if it is in a queue.
    #[must_use]
    pub const fn key(&self) -> Option<Key> {
        if self.next == NONE { None } else { Some(self.key) }
    }

    /// Whether nobody else is in its queue, of whose tree it is the root; it is the row of this thread.
    #[must_use]
    #[inline]
    pub const fn is_alone(&self, thread: u32) -> bool {
        (self.below[0] & self.below[1]) == NONE && self.next == thread
    }

    /// By which capability it waits, if by one.
    #[must_use]
    pub const fn by(&self) -> Option<u32> {
        if self.by == NONE { None } else { Some(self.by) }
    }

    /// The next one that waits by the same capability.
    #[must_use]
    pub const fn next_user(&self) -> Option<u32> {
        if self.next_user == NONE { None } else { Some(self.next_user) }
    }

    /// The next one with the same key; itself, if it is alone.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// The nodes below it.
    #[must_use]
    pub const fn below(&self) -> [u32; 2] {
        self.below
    }
}
