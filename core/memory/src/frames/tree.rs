//! A set of numbers as bits in memory, with summaries: a bit of a level says that the word below it is not zero.
//!
//! Where the bit is not set, the word below it counts as zero whatever memory holds: so an empty set is one word, and
//! the others are written when something first goes there.

use coldframe_hal::{PhysicalAddress, PhysicalMemory};

/// 64^5 zones of 128 MiB are more than 56 address bits can name.
const MAX_DEPTH: usize = 5;

/// A set of numbers below a limit.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    levels: [PhysicalAddress; MAX_DEPTH],
    /// How many bits each level has.
    bits: [u64; MAX_DEPTH],
    depth: usize,
}

impl Tree {
    /// How many words of memory the set of the numbers below `limit` takes.
    pub(crate) const fn words(limit: u64) -> u64 {
        let (mut bits, mut words) = (limit, 0);
        loop {
            bits = bits.div_ceil(64);
            words += bits;
            if bits <= 1 {
                return words;
            }
        }
    }

    /// The empty set.
    pub(crate) fn new(memory: &mut impl PhysicalMemory, start: PhysicalAddress, limit: u64) -> Self {
        let mut tree = Self { levels: [start; MAX_DEPTH], bits: [0; MAX_DEPTH], depth: 0 };
        let (mut at, mut bits) = (start, limit);
        loop {
            tree.levels[tree.depth] = at;
            tree.bits[tree.depth] = bits;
            tree.depth += 1;
            bits = bits.div_ceil(64);
            if bits <= 1 {
                memory.write_word(at, 0);
                return tree;
            }
            at = PhysicalAddress(at.0 + bits * 8);
        }
    }

    #[inline]
    pub(crate) fn has(&self, memory: &impl PhysicalMemory, number: u64) -> bool {
        self.load(memory, 0, number / 64) >> (number % 64) & 1 == 1
    }

    /// A word as it counts.
    fn load(&self, memory: &impl PhysicalMemory, level: usize, index: u64) -> u64 {
        // From the top, where the words are sure to have been written.
        let counts = (level + 1..self.depth).rev().all(|above| {
            let bit = index >> (6 * (above - level - 1));
            memory.read_word(self.word(above, bit / 64)) >> (bit % 64) & 1 == 1
        });
        if counts { memory.read_word(self.word(level, index)) } else { 0 }
    }

    pub(crate) fn set(&self, memory: &mut impl PhysicalMemory, number: u64, to: bool) {
        let mut at = number;
        for level in 0..self.depth {
            let place = self.word(level, at / 64);
            let old = self.load(memory, level, at / 64);
            let bit = 1 << (at % 64);
            let new = if to { old | bit } else { old & !bit };
            memory.write_word(place, new);
            if (old == 0) == (new == 0) {
                return;
            }
            at /= 64;
        }
    }

    /// The first number of the set that is not below `from`.
    pub(crate) fn next(&self, memory: &impl PhysicalMemory, from: u64) -> Option<u64> {
        let (mut level, mut at) = (0, from);
        loop {
            if level == self.depth || at >= self.bits[level] {
                return None;
            }
            let word = self.load(memory, level, at / 64) & u64::MAX << (at % 64);
            if word != 0 {
                at = at / 64 * 64 + u64::from(word.trailing_zeros());
                break;
            }
            at = at / 64 + 1;
            level += 1;
        }
        while level > 0 {
            level -= 1;
            let word = memory.read_word(self.word(level, at));
            assert_ne!(word, 0, "a summary bit stands for a word that is not zero (MEM-2)");
            at = at * 64 + u64::from(word.trailing_zeros());
        }
        Some(at)
    }

    #[inline]
    const fn word(&self, level: usize, index: u64) -> PhysicalAddress {
        PhysicalAddress(self.levels[level].0 + index * 8)
    }
}
