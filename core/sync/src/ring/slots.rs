//! Sets of slots.

/// A set of slots, by number: up to 64 a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots<const BANKS: usize>([u64; BANKS]);

impl<const BANKS: usize> Slots<BANKS> {
    pub(super) const CAPACITY: usize = BANKS * 64;

    pub(super) const fn none() -> Self {
        Self([0; BANKS])
    }

    /// Precondition, as for all that follow: there is such a slot.
    pub(super) const fn contains(&self, slot: u16) -> bool {
        self.0[slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    pub(super) const fn insert(&mut self, slot: u16) {
        self.0[slot as usize / 64] |= 1 << (slot % 64);
    }

    pub(super) const fn remove(&mut self, slot: u16) {
        self.0[slot as usize / 64] &= !(1 << (slot % 64));
    }

    pub(super) fn lowest(&self) -> Option<u16> {
        let bank = self.0.iter().position(|bank| *bank != 0)?;
        Some(bank as u16 * 64 + self.0[bank].trailing_zeros() as u16)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|bank| bank.count_ones()).sum()
    }
}
