//! The "look at me" word: how a CPU learns that it has been kicked, although interrupts get lost in one another.

use crate::mode::{AtomicU32, Ordering};

/// One per CPU. Setting it and then interrupting the CPU never loses a kick (SYN-3): the CPU takes the word at every
/// trap, and once when it comes up, before it looks at what it is told about.
#[derive(Debug)]
pub struct KickWord(AtomicU32);

impl Default for KickWord {
    fn default() -> Self {
        Self::new()
    }
}

impl KickWord {
    /// A word that asks for nothing.
    #[must_use]
    #[cfg(not(model = "loom"))]
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// A word that asks for nothing.
    #[must_use]
    #[cfg(model = "loom")]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Asks the CPU to look. Says whether an interrupt has to be sent: not if one is on its way already.
    #[must_use = "the CPU does not notice the word by itself"]
    pub fn set(&self) -> bool {
        // Release: what was written before is seen by the CPU once it has taken the word.
        self.0.swap(1, Ordering::AcqRel) == 0
    }

    /// Takes the request, if there is one. What was asked for is visible afterwards.
    #[inline]
    pub fn take(&self) -> bool {
        self.0.swap(0, Ordering::AcqRel) == 1
    }
}
