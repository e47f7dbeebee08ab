//! So many at a time.

use super::{Ordering, Park, Word, fence};

/// Permits that threads take and give back.
#[derive(Debug)]
pub struct Semaphore<P> {
    permits: Word,
    waiting: Word,
    park: P,
}

impl<P: Park> Semaphore<P> {
    /// So many permits.
    #[cfg(not(model = "loom"))]
    pub const fn new(permits: u64, park: P) -> Self {
        Self { permits: Word::new(permits), waiting: Word::new(0), park }
    }

    /// So many permits.
    #[cfg(model = "loom")]
    pub fn new(permits: u64, park: P) -> Self {
        Self { permits: Word::new(permits), waiting: Word::new(0), park }
    }

    /// Takes a permit if there is one.
    pub fn try_take(&self) -> bool {
        let mut permits = self.permits.load(Ordering::Relaxed);
        while permits > 0 {
            // Acquire: what was done by whoever gave it back is seen.
            match self.permits.compare_exchange_weak(
                permits,
                permits - 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(found) => permits = found,
            }
        }
        false
    }

    /// Waits until there is a permit, and takes it.
    pub fn take(&self) {
        while !self.try_take() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // Before the kernel looks at the permits: either it sees the new one, or whoever gives it sees this thread.
            fence(Ordering::SeqCst);
            self.park.wait(&self.permits, 0);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives a permit back, or a new one.
    pub fn give(&self) {
        self.permits.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.park.wake(&self.permits, 1);
        }
    }
}
