//! The rate of a clock where all CPUs read it.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::boot::TickRate;

/// Set once by the first CPU, before the others are there.
pub(crate) struct RateCell([AtomicU64; 3]);

impl RateCell {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 3])
    }

    /// Keeps how fast the clock of this name was found to be.
    pub(crate) fn set(&self, name: &str, hertz: u64) {
        let rate = match TickRate::new(hertz) {
            Ok(rate) => rate,
            Err(bad) => panic!("{name} cannot be right: {bad:?}"),
        };
        for (cell, word) in self.0.iter().zip(rate.to_words()) {
            cell.store(word, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> TickRate {
        // Not by a function of the library: that is called, by whoever asks for the time more often than once.
        let [hertz, nanos, shift] = &self.0;
        let word = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        TickRate::from_words([word(hertz), word(nanos), word(shift)])
    }
}
