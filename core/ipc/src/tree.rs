//! The tree behind a queue: each node is a waiter, and its key says only on which side of the nodes above it is.
//!
//! A node at depth `d` agrees with all that is below it in the first `d` bits of the key; nothing else is in order. So a
//! node can go by giving its place to any leaf below it, and no search looks at more nodes than a key has bits.

use crate::{Key, NONE, Queue, Waiters};

impl Waiters<'_> {
    /// Puts a node where its key leads; says who has the same key already, and then it is no node.
    pub(crate) fn insert(&mut self, queue: &mut Queue, thread: u32) -> Option<u32> {
        let key = self.rows[thread as usize].key;
        let (mut above, mut depth) = (NONE, 0);
        let mut at = queue.root;
        while at != NONE {
            if self.rows[at as usize].key == key {
                return Some(at);
            }
            above = at;
            at = self.rows[at as usize].below[key.side(depth)];
            depth += 1;
        }
        let row = &mut self.rows[thread as usize];
        (row.below, row.above, row.is_node) = ([NONE; 2], above, true);
        match above {
            NONE => queue.root = thread,
            above => self.rows[above as usize].below[key.side(depth - 1)] = thread,
        }
        None
    }

    /// Takes a node out; a leaf below it takes its place.
    pub(crate) fn remove(&mut self, queue: &mut Queue, thread: u32) {
        let mut leaf = thread;
        loop {
            match self.rows[leaf as usize].below {
                [NONE, NONE] => break,
                [NONE, right] => leaf = right,
                [left, _] => leaf = left,
            }
        }
        self.point(queue, leaf, NONE);
        if leaf != thread {
            self.take_place(queue, thread, leaf);
        }
        self.rows[thread as usize].is_node = false;
    }

    /// Another one of its ring stands in the tree instead of a node.
    pub(crate) fn succeed(&mut self, queue: &mut Queue, thread: u32, next: u32) {
        self.take_place(queue, thread, next);
        self.rows[thread as usize].is_node = false;
    }

    fn take_place(&mut self, queue: &mut Queue, from: u32, to: u32) {
        self.point(queue, from, to);
        let row = &self.rows[from as usize];
        let (below, above) = (row.below, row.above);
        for child in below {
            if child != NONE {
                self.rows[child as usize].above = to;
            }
        }
        let row = &mut self.rows[to as usize];
        (row.below, row.above, row.is_node) = (below, above, true);
    }

    /// What led to a node leads to another one, or nowhere.
    fn point(&mut self, queue: &mut Queue, from: u32, to: u32) {
        match self.rows[from as usize].above {
            NONE => queue.root = to,
            above => {
                let below = &mut self.rows[above as usize].below;
                below[usize::from(below[1] == from)] = to;
            }
        }
    }

    /// The node with the lowest key that is no lower than this one.
    pub(crate) fn lowest_from(&self, queue: &Queue, from: Key) -> Option<u32> {
        let mut found = Lowest { from, thread: NONE, key: from };
        // Behind the last turn to the left all keys are higher, and those of later turns lower than those of earlier.
        let mut passed = NONE;
        let mut at = queue.root;
        let mut depth = 0;
        while at != NONE {
            let row = &self.rows[at as usize];
            found.consider(at, row.key);
            let side = from.side(depth);
            if side == 0 && row.below[1] != NONE {
                passed = row.below[1];
            }
            at = row.below[side];
            depth += 1;
        }
        at = passed;
        while at != NONE {
            let row = &self.rows[at as usize];
            found.consider(at, row.key);
            at = if row.below[0] == NONE { row.below[1] } else { row.below[0] };
        }
        (found.thread != NONE).then_some(found.thread)
    }
}

/// The best node that a search has met.
struct Lowest {
    from: Key,
    thread: u32,
    key: Key,
}

impl Lowest {
    fn consider(&mut self, thread: u32, key: Key) {
        if key >= self.from && (self.thread == NONE || key < self.key) {
            (self.thread, self.key) = (thread, key);
        }
    }
}
