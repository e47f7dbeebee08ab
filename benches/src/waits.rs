//! A wait queue as it is measured: one that so many wait in already.

use coldframe_ipc::{Queue, Rank, Waiter, Waiters};

/// A queue, and a thread that comes and goes.
pub struct Waits {
    rows: Vec<Waiter>,
    queue: Queue,
}

/// Where all of them wait.
const PLACE: u64 = 0x7f00_0040;

impl Waits {
    /// So many equals wait at one place.
    #[must_use]
    pub fn equals(count: u32) -> Self {
        Self::with(count, |_| (PLACE, 384))
    }

    /// As many wait as there are levels, one at each, at each of 64 places.
    #[must_use]
    pub fn spread() -> Self {
        Self::with(1 << 16, |thread| (PLACE + u64::from(thread >> 10) * 8, thread as usize))
    }

    fn with(count: u32, key: impl Fn(u32) -> (u64, usize)) -> Self {
        let mut waits = Self { rows: vec![Waiter::default(); count as usize + 1], queue: Queue::default() };
        for thread in 1..=count {
            let (place, level) = key(thread);
            let (mut waiters, queue) = waits.waiters();
            waiters.enter(queue, thread, place, Rank::of_level(level));
        }
        waits
    }

    /// Comes, and goes again.
    #[inline]
    pub fn enter_and_leave(&mut self) {
        let (mut waiters, queue) = self.waiters();
        waiters.enter(queue, 0, PLACE, Rank::of_level(384));
        waiters.leave(queue, 0);
    }

    /// Who would be woken.
    #[must_use]
    #[inline]
    pub fn first(&mut self) -> Option<u32> {
        let (waiters, queue) = self.waiters();
        waiters.first_at(queue, PLACE)
    }

    fn waiters(&mut self) -> (Waiters<'_>, &mut Queue) {
        (Waiters { rows: &mut self.rows }, &mut self.queue)
    }
}
