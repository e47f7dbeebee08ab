//! Entries that hardware does not look into, the same on every format: the lowest bit is clear.

use super::{Cache, Entry, Leaf, Ownership, Rights};
use crate::Frame;

const KIND_SHIFT: u32 = 1;
const RIGHTS_SHIFT: u32 = 4;
const OWNERSHIP_SHIFT: u32 = 6;
const CACHE_SHIFT: u32 = 8;
const NUMBER_SHIFT: u32 = 12;
const NUMBER_MASK: u64 = (1 << 44) - 1;

const LAZY: u64 = 1;
const PROMISED: u64 = 2;
const CLOSED: u64 = 3;
const LEAVING: u64 = 4;
const ARRIVING: u64 = 5;

fn number(kind: u64, number: u64, mask: u64) -> u64 {
    (number << NUMBER_SHIFT ^ mask) | kind << KIND_SHIFT
}

fn leaf(kind: u64, leaf: Leaf, mask: u64) -> u64 {
    number(kind, leaf.frame.0, mask)
        | (leaf.rights as u64) << RIGHTS_SHIFT
        | leaf.ownership.bits() << OWNERSHIP_SHIFT
        | (leaf.cache as u64) << CACHE_SHIFT
}

#[inline(always)]
pub(super) fn word(entry: Entry, mask: u64) -> u64 {
    match entry {
        Entry::Empty => 0,
        Entry::Lazy(rights) => LAZY << KIND_SHIFT | (rights as u64) << RIGHTS_SHIFT,
        Entry::Promised(record) => number(PROMISED, u64::from(record), mask),
        Entry::Closed(page) => leaf(CLOSED, page, mask),
        Entry::Leaving(page) => leaf(LEAVING, page, mask),
        Entry::Arriving => ARRIVING << KIND_SHIFT,
        Entry::Table(_) | Entry::Page(_) => unreachable!("{entry:?} is valid"),
    }
}

#[inline(always)]
pub(super) fn read(entry: u64, mask: u64) -> Entry {
    let number = (entry ^ mask) >> NUMBER_SHIFT & NUMBER_MASK;
    let rights = Rights::ALL[(entry >> RIGHTS_SHIFT & 3) as usize];
    let page = || Leaf {
        frame: Frame(number),
        rights,
        ownership: Ownership::from_bits(entry >> OWNERSHIP_SHIFT),
        cache: if entry >> CACHE_SHIFT & 1 == 1 { Cache::Device } else { Cache::Normal },
    };
    match entry >> KIND_SHIFT & 7 {
        LAZY => Entry::Lazy(rights),
        PROMISED => Entry::Promised(number as u32),
        CLOSED => Entry::Closed(page()),
        LEAVING => Entry::Leaving(page()),
        ARRIVING => Entry::Arriving,
        _ => Entry::Empty,
    }
}
