//! Many that read, or one that writes.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use super::{Ordering, Park, Word};

/// How many read, or `WRITTEN`.
const HOLDERS: u64 = (1 << 32) - 1;
const WRITTEN: u64 = HOLDERS;
/// Somebody waits; until he is woken, nobody else comes in to read.
const AWAITED: u64 = 1 << 32;

/// A value that many threads read or one writes. Who reads does not read again before it has ended: a writer may wait.
#[derive(Debug)]
pub struct ReadWrite<T, P> {
    word: Word,
    park: P,
    value: UnsafeCell<T>,
}

// SAFETY: writers are alone, so that the value moves from one to the next, which `T: Send` allows; readers share it,
// which `T: Sync` allows; `P` is shared as it is.
unsafe impl<T: Send + Sync, P: Sync> Sync for ReadWrite<T, P> {}

impl<T, P: Park> ReadWrite<T, P> {
    /// A free lock around a value.
    #[cfg(not(model = "loom"))]
    pub const fn new(value: T, park: P) -> Self {
        Self { word: Word::new(0), park, value: UnsafeCell::new(value) }
    }

    /// A free lock around a value.
    #[cfg(model = "loom")]
    pub fn new(value: T, park: P) -> Self {
        Self { word: Word::new(0), park, value: UnsafeCell::new(value) }
    }

    /// Waits until nobody writes or waits, and reads.
    pub fn read(&self) -> ReadGuard<'_, T, P> {
        self.take(|word| (word < WRITTEN - 1).then_some(word + 1));
        ReadGuard { lock: self }
    }

    /// Waits until nobody has it, and writes.
    pub fn write(&self) -> WriteGuard<'_, T, P> {
        self.take(|word| (word & HOLDERS == 0).then_some(word | WRITTEN));
        WriteGuard { lock: self }
    }

    /// Changes the word as `next` says, as soon as that says how.
    fn take(&self, next: impl Fn(u64) -> Option<u64>) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            // Acquire: what the last writer wrote is seen.
            let (changed, takes) = match next(word) {
                Some(taken) => (taken, true),
                None => (word | AWAITED, false),
            };
            if changed != word
                && let Err(found) =
                    self.word.compare_exchange_weak(word, changed, Ordering::Acquire, Ordering::Relaxed)
            {
                word = found;
                continue;
            }
            if takes {
                return;
            }
            self.park.wait(&self.word, changed);
            word = self.word.load(Ordering::Relaxed);
        }
    }

    fn stop_reading(&self) {
        // Release: what was read was read before a writer writes.
        let before = self.word.fetch_sub(1, Ordering::Release);
        // The last one lets those in who wait; whoever is faster sees to them when it stops.
        if before == AWAITED | 1
            && self.word.compare_exchange(AWAITED, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.park.wake(&self.word, u64::MAX);
        }
    }

    fn stop_writing(&self) {
        if self.word.swap(0, Ordering::Release) & AWAITED != 0 {
            self.park.wake(&self.word, u64::MAX);
        }
    }
}

/// The right to read the value, until it is dropped.
#[derive(Debug)]
pub struct ReadGuard<'a, T, P: Park> {
    lock: &'a ReadWrite<T, P>,
}

impl<T, P: Park> Deref for ReadGuard<'_, T, P> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: while somebody reads, nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, P: Park> Drop for ReadGuard<'_, T, P> {
    fn drop(&mut self) {
        self.lock.stop_reading();
    }
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub struct WriteGuard<'a, T, P: Park> {
    lock: &'a ReadWrite<T, P>,
}

impl<T, P: Park> Deref for WriteGuard<'_, T, P> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: while somebody writes, nobody else has a guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, P: Park> DerefMut for WriteGuard<'_, T, P> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only reference through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, P: Park> Drop for WriteGuard<'_, T, P> {
    fn drop(&mut self) {
        self.lock.stop_writing();
    }
}
