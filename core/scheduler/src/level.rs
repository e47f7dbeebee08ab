//! Urgency as one number.

use coldframe_abi::{Class, Priority};

/// How many levels a CPU's queue has: four classes of 256 priorities.
pub const LEVELS: usize = 1024;

/// Class and priority as one number, the most urgent the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u16);

impl Level {
    /// The level of a priority in a class.
    #[must_use]
    #[inline]
    pub const fn new(class: Class, priority: Priority) -> Self {
        Self((class as u16) << 8 | priority.0 as u16)
    }

    /// The level with this number; only the lowest ten bits count.
    #[must_use]
    #[inline]
    pub(crate) const fn from_index(index: usize) -> Self {
        Self(index as u16 & (LEVELS as u16 - 1))
    }

    /// Its number, less than `LEVELS`.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its class.
    #[must_use]
    #[inline]
    pub const fn class(self) -> Class {
        Class::ALL[self.class_index()]
    }

    /// The number of its class, 0 to 3.
    #[must_use]
    #[inline]
    pub const fn class_index(self) -> usize {
        (self.0 >> 8) as usize & 3
    }
}
