//! Words that one CPU writes now and then and many read without a lock: who reads in the middle of it reads again.

use core::marker::PhantomData;

use crate::mode::{AtomicU64, Ordering, fence};
use crate::{Pause, Relax};

/// So many words that are always read as they were written together (SYN-5).
///
/// The sequence is odd while they are written.
#[derive(Debug)]
#[repr(C)]
pub struct SeqWords<const N: usize, R = Pause> {
    sequence: AtomicU64,
    words: [AtomicU64; N],
    relax: PhantomData<fn() -> R>,
}

impl<const N: usize, R: Relax> Default for SeqWords<N, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, R: Relax> SeqWords<N, R> {
    /// Words that are all zero.
    #[must_use]
    #[cfg(not(model = "loom"))]
    pub const fn new() -> Self {
        Self { sequence: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; N], relax: PhantomData }
    }

    /// Words that are all zero.
    #[must_use]
    #[cfg(model = "loom")]
    pub fn new() -> Self {
        let words = core::array::from_fn(|_| AtomicU64::new(0));
        Self { sequence: AtomicU64::new(0), words, relax: PhantomData }
    }

    /// Writes all words. Precondition: nobody else writes meanwhile.
    pub fn write(&self, values: [u64; N]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // Who sees a new word sees that they are written.
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// Reads all words, as they were written together.
    pub fn read(&self) -> [u64; N] {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                let values = core::array::from_fn(|word| self.words[word].load(Ordering::Relaxed));
                // What was read was read before the sequence is looked at again.
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return values;
                }
            }
            R::relax();
        }
    }
}
