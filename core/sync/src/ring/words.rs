//! The memory that both sides see, by the word.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::mode::{AtomicU64, Ordering, fence};

/// Words that two programs share. Under glass each access is a step of the program, and so it is awaited.
pub trait SharedWords {
    /// Reads a word. Precondition: there is such a word. Postcondition: who finds what was stored also finds what was
    /// stored before it.
    fn load(&self, word: usize) -> impl Future<Output = u64>;

    /// Writes a word. Precondition: there is such a word.
    fn store(&self, word: usize, value: u64) -> impl Future<Output = ()>;

    /// Reads words that follow each other, in no order of their own. Precondition: there are such words.
    fn load_run(&self, first: usize, values: &mut [u64]) -> impl Future<Output = ()>;

    /// Writes words that follow each other, in no order of their own: who finds what is stored after them finds them.
    /// Precondition: there are such words.
    fn store_run(&self, first: usize, values: &[u64]) -> impl Future<Output = ()>;

    /// Postcondition: of two sides that each store, fence and load what the other stores, one finds it.
    fn fence(&self);
}

/// Words that are there: on metal, and in the tests of the host.
#[derive(Clone, Copy, Debug)]
pub struct Atomics<'a>(&'a [AtomicU64]);

impl<'a> Atomics<'a> {
    /// The words of a slice.
    #[must_use]
    pub const fn new(words: &'a [AtomicU64]) -> Self {
        Self(words)
    }
}

impl SharedWords for Atomics<'_> {
    #[inline]
    async fn load(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Acquire)
    }

    #[inline]
    async fn store(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Release);
    }

    #[inline]
    async fn load_run(&self, first: usize, values: &mut [u64]) {
        for (value, word) in values.iter_mut().zip(&self.0[first..]) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    #[inline]
    async fn store_run(&self, first: usize, values: &[u64]) {
        for (word, value) in self.0[first..].iter().zip(values) {
            word.store(*value, Ordering::Relaxed);
        }
    }

    #[inline]
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

/// What a future over words comes to that are there at once.
#[inline]
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
