//! The real thing: a fair ticket lock.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::{Pause, Relax};

/// Whether this build is a model of itself.
pub const IS_MODEL: bool = false;

/// A fair lock: CPUs get it in the order in which they came (SYN-1, SYN-2).
#[derive(Debug)]
pub struct Lock<T, R = Pause> {
    next: AtomicU32,
    serving: AtomicU32,
    relax: PhantomData<fn() -> R>,
    value: UnsafeCell<T>,
}

// SAFETY: `lock` hands out one guard at a time (SYN-1), so sharing the lock only ever moves access to the value from
// one CPU to another, which `T: Send` allows.
unsafe impl<T: Send, R> Sync for Lock<T, R> {}

impl<T, R: Relax> Lock<T, R> {
    /// An open lock around a value.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            relax: PhantomData,
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for its turn and takes the lock.
    #[inline]
    pub fn lock(&self) -> LockGuard<'_, T, R> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // Acquire: what the last holder wrote is seen.
        while self.serving.load(Ordering::Acquire) != ticket {
            R::relax();
        }
        LockGuard { lock: self, ticket }
    }

    /// The value, when nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value, when the lock has served its time.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub struct LockGuard<'a, T, R: Relax = Pause> {
    lock: &'a Lock<T, R>,
    ticket: u32,
}

impl<T, R: Relax> Deref for LockGuard<'_, T, R> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the only ticket that is being served (SYN-1): no other reference exists.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, R: Relax> DerefMut for LockGuard<'_, T, R> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only reference through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, R: Relax> Drop for LockGuard<'_, T, R> {
    fn drop(&mut self) {
        // Release: what this holder wrote is seen by the next. Only the holder writes `serving`.
        self.lock.serving.store(self.ticket.wrapping_add(1), Ordering::Release);
    }
}
