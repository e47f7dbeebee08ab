//! Where a thread waits and how urgent it is, as one number that queues are in the order of.

/// How urgent a waiting thread is: ten bits, the most urgent the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u16);

const RANK_BITS: u32 = 10;
const PLACE_BITS: u32 = u64::BITS;

/// No search goes deeper than this, however many wait.
pub const LONGEST_PATH: u32 = PLACE_BITS + RANK_BITS;

impl Rank {
    /// The rank of a level, of which there are 1 024.
    #[must_use]
    pub const fn of_level(level: usize) -> Self {
        Self(level as u16 & ((1 << RANK_BITS) - 1))
    }
}

/// The place that somebody waits at, and how urgent he is there. Places rise; at one place the more urgent come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    place: u64,
    /// The rank, upside down.
    lateness: u16,
}

impl Key {
    /// The key of a thread of this rank at a place.
    #[must_use]
    pub const fn new(place: u64, rank: Rank) -> Self {
        Self { place, lateness: (1 << RANK_BITS) - 1 - rank.0 }
    }

    /// The place.
    #[must_use]
    pub const fn place(self) -> u64 {
        self.place
    }

    /// The smallest key at a place.
    pub(crate) const fn first_at(place: u64) -> Self {
        Self { place, lateness: 0 }
    }

    /// Its bit at a depth, the highest first: on which side of a node of that depth it is found. The deepest node has
    /// nothing on either side.
    pub(crate) const fn side(self, depth: u32) -> usize {
        if depth < PLACE_BITS {
            (self.place >> (PLACE_BITS - 1 - depth)) as usize & 1
        } else if depth < LONGEST_PATH {
            (self.lateness >> (LONGEST_PATH - 1 - depth)) as usize & 1
        } else {
            0
        }
    }
}
