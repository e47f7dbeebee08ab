//! One at a time.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use super::{Ordering, Park, Word};

const FREE: u64 = 0;
const TAKEN: u64 = 1;
/// Somebody may wait for it.
const AWAITED: u64 = 2;

/// A value that one thread has at a time.
#[derive(Debug)]
pub struct Mutex<T, P> {
    word: Word,
    pub(super) park: P,
    value: UnsafeCell<T>,
}

// SAFETY: `lock` hands out one guard at a time, so sharing it only ever moves access to the value from one thread to
// another, which `T: Send` allows; `P` is shared as it is.
unsafe impl<T: Send, P: Sync> Sync for Mutex<T, P> {}

impl<T, P: Park> Mutex<T, P> {
    /// A free lock around a value.
    #[cfg(not(model = "loom"))]
    pub const fn new(value: T, park: P) -> Self {
        Self { word: Word::new(FREE), park, value: UnsafeCell::new(value) }
    }

    /// A free lock around a value.
    #[cfg(model = "loom")]
    pub fn new(value: T, park: P) -> Self {
        Self { word: Word::new(FREE), park, value: UnsafeCell::new(value) }
    }

    /// Waits until nobody has it, and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T, P> {
        // Acquire: what the last holder wrote is seen.
        if self.word.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Whoever has waited says that others may: it cannot know.
            while self.word.swap(AWAITED, Ordering::Acquire) != FREE {
                self.park.wait(&self.word, AWAITED);
            }
        }
        MutexGuard { mutex: self }
    }

    /// Takes it if nobody has it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T, P>> {
        self.word
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| MutexGuard { mutex: self })
    }
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub struct MutexGuard<'a, T, P: Park> {
    pub(super) mutex: &'a Mutex<T, P>,
}

impl<T, P: Park> Deref for MutexGuard<'_, T, P> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: only the thread that changed the word from free has a guard, until that is dropped.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T, P: Park> DerefMut for MutexGuard<'_, T, P> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only reference through this guard.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T, P: Park> Drop for MutexGuard<'_, T, P> {
    fn drop(&mut self) {
        // Release: what this holder wrote is seen by the next.
        if self.mutex.word.swap(FREE, Ordering::Release) == AWAITED {
            self.mutex.park.wake(&self.mutex.word, 1);
        }
    }
}
