//! Budgets: how many frames somebody may have, and has.

/// The budget does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget;

/// How many frames may be in use, how many are, and how many have been handed on to children.
///
/// What a child may use is taken out of what its parent may: no frame is promised twice (MEM-16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    limit: u64,
    used: u64,
    lent: u64,
}

impl Budget {
    /// A budget of so many frames, none of them in use.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { limit, used: 0, lent: 0 }
    }

    /// How many frames are in use.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// How many frames may be in use, those of children included.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// How many frames can still be had.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.limit - self.used - self.lent
    }

    /// Puts frames to its account.
    ///
    /// # Errors
    /// `OverBudget`, with nothing changed.
    pub const fn charge(&mut self, frames: u64) -> Result<(), OverBudget> {
        if frames > self.left() {
            return Err(OverBudget);
        }
        self.used += frames;
        Ok(())
    }

    /// Takes frames off its account.
    pub const fn refund(&mut self, frames: u64) {
        assert!(frames <= self.used, "what was never charged is refunded (MEM-16)");
        self.used -= frames;
    }

    /// Hands a part on to a child.
    ///
    /// # Errors
    /// `OverBudget`, with nothing changed.
    pub const fn split(&mut self, limit: u64) -> Result<Self, OverBudget> {
        if limit > self.left() {
            return Err(OverBudget);
        }
        self.lent += limit;
        Ok(Self::new(limit))
    }

    /// Takes back what a child had. Precondition: the child uses nothing and has no children.
    pub const fn rejoin(&mut self, child: Self) {
        assert!(child.used == 0 && child.lent == 0, "a budget ends empty (MEM-16)");
        self.lent -= child.limit;
    }
}
