//! Waiting for something that somebody else brings about under a lock.

use super::{MutexGuard, Ordering, Park, Word};

/// What threads that hold a lock wait for.
#[derive(Debug)]
pub struct Condition<P> {
    /// How often it has been told: who saw fewer has been told.
    told: Word,
    park: P,
}

impl<P: Park> Condition<P> {
    /// A condition that nobody waits for.
    #[cfg(not(model = "loom"))]
    pub const fn new(park: P) -> Self {
        Self { told: Word::new(0), park }
    }

    /// A condition that nobody waits for.
    #[cfg(model = "loom")]
    pub fn new(park: P) -> Self {
        Self { told: Word::new(0), park }
    }

    /// Gives the lock back, waits until somebody tells, and takes the lock again; may also return for no reason.
    pub fn wait<'a, T, L: Park>(&self, guard: MutexGuard<'a, T, L>) -> MutexGuard<'a, T, L> {
        // Read while the lock is held: who tells it after the lock was given back changes what is expected.
        let seen = self.told.load(Ordering::Relaxed);
        let mutex = guard.mutex;
        drop(guard);
        self.park.wait(&self.told, seen);
        mutex.lock()
    }

    /// Wakes one of those who wait.
    pub fn tell_one(&self) {
        self.told.fetch_add(1, Ordering::Release);
        self.park.wake(&self.told, 1);
    }

    /// Wakes all who wait.
    pub fn tell_all(&self) {
        self.told.fetch_add(1, Ordering::Release);
        self.park.wake(&self.told, u64::MAX);
    }
}
