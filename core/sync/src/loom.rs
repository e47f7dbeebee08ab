//! The same names for the model checker: the lock is loom's own, so that the checker sees a lock and not a spin.

extern crate std;

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::{Pause, Relax};

/// Whether this build is a model of itself.
pub const IS_MODEL: bool = true;

/// A lock that loom explores.
#[derive(Debug)]
pub struct Lock<T, R = Pause> {
    inner: loom::sync::Mutex<T>,
    relax: PhantomData<fn() -> R>,
}

impl<T, R: Relax> Lock<T, R> {
    /// An open lock around a value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { inner: loom::sync::Mutex::new(value), relax: PhantomData }
    }

    /// Waits for its turn and takes the lock.
    pub fn lock(&self) -> LockGuard<'_, T, R> {
        let inner = self.inner.lock().unwrap_or_else(|_| panic!("a holder panicked"));
        LockGuard { inner, relax: PhantomData }
    }

    /// The value, when the lock has served its time.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(|_| panic!("a holder panicked"))
    }
}

/// The right to the value, until it is dropped.
#[derive(Debug)]
pub struct LockGuard<'a, T, R: Relax = Pause> {
    inner: loom::sync::MutexGuard<'a, T>,
    relax: PhantomData<fn() -> R>,
}

impl<T, R: Relax> Deref for LockGuard<'_, T, R> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T, R: Relax> DerefMut for LockGuard<'_, T, R> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
