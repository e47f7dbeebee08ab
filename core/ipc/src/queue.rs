//! A wait queue: threads at places, the most urgent of each place first, and among equals whoever came first.

use crate::{Key, NONE, Rank, Waiters};

/// The root of a queue. What is in it are links between the threads' own rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    pub(crate) root: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { root: NONE }
    }
}

impl Queue {
    /// Whether nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.root == NONE
    }

    /// The root of its tree.
    #[must_use]
    pub const fn root(&self) -> Option<u32> {
        if self.root == NONE { None } else { Some(self.root) }
    }
}

impl Waiters<'_> {
    /// A thread that is in no queue waits at a place, behind all that are as urgent there (IPC-1).
    #[inline]
    pub fn enter(&mut self, queue: &mut Queue, thread: u32, place: u64, rank: Rank) {
        let row = &mut self.rows[thread as usize];
        assert!(row.next == NONE, "a thread waits in one queue (IPC-2)");
        row.key = Key::new(place, rank);
        (row.next, row.previous) = (thread, thread);
        if queue.root == NONE {
            (row.below, row.above, row.is_node) = ([NONE; 2], NONE, true);
            queue.root = thread;
        } else {
            self.enter_among_others(queue, thread);
        }
    }

    /// The same in a queue where nobody waits, at its first place, by a capability by which nobody waits.
    #[inline(always)]
    pub fn enter_alone(&mut self, queue: &mut Queue, thread: u32, rank: Rank, by: u32) {
        let row = &mut self.rows[thread as usize];
        assert!(row.next == NONE, "a thread waits in one queue (IPC-2)");
        row.key = Key::new(0, rank);
        (row.next, row.previous) = (thread, thread);
        (row.below, row.above, row.is_node) = ([NONE; 2], NONE, true);
        row.by = by;
        queue.root = thread;
    }

    /// Whether a thread is the only one of the queue of whose tree it is the root.
    #[must_use]
    #[inline(always)]
    pub fn is_alone(&self, thread: u32) -> bool {
        self.rows[thread as usize].is_alone(thread)
    }

    fn enter_among_others(&mut self, queue: &mut Queue, thread: u32) {
        let Some(first) = self.insert(queue, thread) else { return };
        let last = core::mem::replace(&mut self.rows[first as usize].previous, thread);
        self.rows[last as usize].next = thread;
        let row = &mut self.rows[thread as usize];
        (row.next, row.previous) = (first, last);
    }

    /// A thread does not wait in this queue any more, wherever it stood.
    pub fn leave(&mut self, queue: &mut Queue, thread: u32) {
        let row = &mut self.rows[thread as usize];
        let next = core::mem::replace(&mut row.next, NONE);
        let previous = core::mem::replace(&mut row.previous, NONE);
        assert!(next != NONE, "who leaves a queue is in it (IPC-2)");
        if next == thread {
            self.remove(queue, thread);
            return;
        }
        self.rows[previous as usize].next = next;
        self.rows[next as usize].previous = previous;
        if self.rows[thread as usize].is_node {
            // The one behind it is the first of the ring now.
            self.succeed(queue, thread, next);
        }
    }

    /// The only one of a queue does not wait any more; says by which capability it has waited, by which nobody waits now.
    ///
    /// Precondition: it is alone there, and has waited by one.
    #[inline(always)]
    pub fn leave_alone(&mut self, queue: &mut Queue, thread: u32) -> u32 {
        queue.root = NONE;
        let row = &mut self.rows[thread as usize];
        (row.next, row.previous, row.is_node) = (NONE, NONE, false);
        core::mem::replace(&mut row.by, NONE)
    }

    /// The first of those who wait at a place.
    #[must_use]
    pub fn first_at(&self, queue: &Queue, place: u64) -> Option<u32> {
        self.first_from(queue, place).filter(|thread| self.rows[*thread as usize].key.place() == place)
    }

    /// The first of those who wait at the lowest place that is no lower than `start`, but lower than `end`.
    #[must_use]
    pub fn first_within(&self, queue: &Queue, start: u64, end: u64) -> Option<u32> {
        self.first_from(queue, start).filter(|thread| self.rows[*thread as usize].key.place() < end)
    }

    fn first_from(&self, queue: &Queue, start: u64) -> Option<u32> {
        self.lowest_from(queue, Key::first_at(start))
    }
}
