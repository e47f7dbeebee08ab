//! Who waits by which capability: when that goes, their waits end.
//!
//! The first of them lies in the capability's own row, `NONE` if there is none.

use crate::{NONE, Waiters};

impl Waiters<'_> {
    /// A thread waits by a capability (IPC-3).
    #[inline(always)]
    pub fn begin_use(&mut self, first: &mut u32, thread: u32, capability: u32) {
        let next = core::mem::replace(first, thread);
        let row = &mut self.rows[thread as usize];
        assert!(row.by == NONE, "a thread waits by one capability (IPC-3)");
        (row.by, row.next_user, row.previous_user) = (capability, next, NONE);
        if next != NONE {
            self.rows[next as usize].previous_user = thread;
        }
    }

    /// A thread does not wait by this capability any more.
    #[inline(always)]
    pub fn end_use(&mut self, first: &mut u32, thread: u32) {
        let row = &mut self.rows[thread as usize];
        row.by = NONE;
        let next = core::mem::replace(&mut row.next_user, NONE);
        let previous = core::mem::replace(&mut row.previous_user, NONE);
        match previous {
            NONE => *first = next,
            previous => self.rows[previous as usize].next_user = next,
        }
        if next != NONE {
            self.rows[next as usize].previous_user = previous;
        }
    }
}
