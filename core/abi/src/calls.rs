//! Sets of calls: what a process may ask for.

use crate::{Number, TABLE};

/// A set of calls, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallSet([u64; Self::BANKS]);

// Every call has its bit.
const _: () = assert!(TABLE.len() <= CallSet::BANKS * 64, "there are more calls than bits for them");

impl CallSet {
    /// How many words it has.
    pub const BANKS: usize = 2;

    /// All calls that there are, and that there will be.
    pub const ALL: Self = Self([u64::MAX; Self::BANKS]);

    /// Whether a call is in it.
    #[must_use]
    #[inline]
    pub const fn contains(&self, number: Number) -> bool {
        let number = number as usize;
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    /// Leaves those calls of a bank in it whose bits are set; says whether there is such a bank.
    pub fn restrict(&mut self, bank: u64, calls: u64) -> bool {
        let bank = usize::try_from(bank).ok().and_then(|bank| self.0.get_mut(bank));
        bank.map(|bank| *bank &= calls).is_some()
    }
}
