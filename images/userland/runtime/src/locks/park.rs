//! How a thread waits at a word, and how others end that.

/// A word at which threads meet.
pub type Word = super::AtomicU64;

/// A kernel under which threads wait at words.
pub trait Park {
    /// Waits until somebody wakes the thread, if the word holds what is expected; may also return for no reason.
    fn wait(&self, word: &Word, expected: u64);

    /// Wakes so many of those who wait at a word.
    fn wake(&self, word: &Word, most: u64);
}
