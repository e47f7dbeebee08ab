//! Where what lies in the memory that two sides share.

use super::packet::PACKET_WORDS;

/// One of the two who share a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whoever begins with the slots that the shape gives to the first.
    First,
    /// The other one.
    Second,
}

impl Side {
    /// The one on the other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// Words of control a side: a cache line, so that the sides do not write to the same.
const LINE: usize = 8;
/// Numbers of slots a word.
pub(super) const NUMBERS: usize = 4;
/// Places in a ring for each slot: with one, a word that is filled anew could hold numbers that nobody has taken yet.
const LAPS: usize = 2;

/// How large everything is. Both sides have to mean the same; who means another than the other finds errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    slots: u16,
    firsts: u16,
    data: u32,
}

impl Shape {
    /// So many slots, of which so many begin with the first side, and so many words for data.
    ///
    /// `None` unless the slots are a power of two from 4 to 32 768 and the first side's are among them.
    #[must_use]
    pub const fn new(slots: u16, firsts: u16, data: u32) -> Option<Self> {
        let fits = slots.is_power_of_two() && slots >= NUMBERS as u16 && firsts <= slots;
        if fits { Some(Self { slots, firsts, data }) } else { None }
    }

    /// How many slots there are.
    #[must_use]
    pub const fn slots(self) -> u16 {
        self.slots
    }

    /// How many words there are for data.
    #[must_use]
    pub const fn data(self) -> u32 {
        self.data
    }

    /// How many words of memory all of it takes.
    #[must_use]
    pub const fn words(self) -> usize {
        self.data_word(self.data)
    }

    pub(super) const fn begins_with(self, side: Side, slot: u16) -> bool {
        matches!(side, Side::First) == (slot < self.firsts)
    }

    const fn places(self) -> usize {
        self.slots as usize * LAPS
    }

    const fn line(side: Side) -> usize {
        match side {
            Side::First => 0,
            Side::Second => LINE,
        }
    }

    /// How many numbers a side has put into its ring.
    pub(super) const fn sent(side: Side) -> usize {
        Self::line(side)
    }

    /// Whether a side rests, and which rest that is: odd while it does.
    pub(super) const fn rest(side: Side) -> usize {
        Self::line(side) + 1
    }

    /// Whether a side has closed.
    pub(super) const fn closed(side: Side) -> usize {
        Self::line(side) + 2
    }

    /// The word with the number at a place of a side's ring, and how far it is shifted there.
    pub(super) const fn number(self, side: Side, at: u64) -> (usize, u32) {
        let place = at as usize & (self.places() - 1);
        let ring = match side {
            Side::First => 2 * LINE,
            Side::Second => 2 * LINE + self.places() / NUMBERS,
        };
        (ring + place / NUMBERS, (place % NUMBERS) as u32 * 16)
    }

    /// The first word of a slot. Precondition: there is such a slot.
    pub(super) const fn packet(self, slot: u16) -> usize {
        2 * LINE + 2 * (self.places() / NUMBERS) + slot as usize * PACKET_WORDS
    }

    /// A word of the data. Precondition: there is one.
    pub(super) const fn data_word(self, word: u32) -> usize {
        self.packet(self.slots) + word as usize
    }
}
