//! x86_64 with four and five levels (Intel SDM volume 3, chapter 4).

use super::{Cache, Entry, Format, Leaf, Ownership, Rights};
use crate::{Frame, Tag};

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const UNCACHED: u64 = 3 << 3;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const SOFTWARE_SHIFT: u32 = 9;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME_MASK: u64 = 0x000f_ffff_ffff_f000;

#[inline(always)]
fn valid(entry: Entry, level: u32) -> u64 {
    match entry {
        // Rights are decided in the leaf alone, so that changing them touches one entry.
        Entry::Table(frame) => frame.start().0 | PRESENT | WRITABLE | USER,
        Entry::Page(leaf) => page(leaf, level),
        other => unreachable!("{other:?} is not valid"),
    }
}

#[inline(always)]
fn page(leaf: Leaf, level: u32) -> u64 {
    assert!(leaf.rights != Rights::None, "a page without rights has no valid entry");
    let large = if level > 0 { LARGE } else { 0 };
    let writable = if leaf.rights.writes() { WRITABLE } else { 0 };
    let no_execute = if leaf.rights.executes() { 0 } else { NO_EXECUTE };
    let uncached = if leaf.cache == Cache::Device { UNCACHED } else { 0 };
    leaf.frame.start().0
        | PRESENT
        | USER
        | ACCESSED
        | DIRTY
        | large
        | writable
        | no_execute
        | uncached
        | leaf.ownership.bits() << SOFTWARE_SHIFT
}

#[inline(always)]
fn read_valid(entry: u64, level: u32) -> Option<Entry> {
    if entry & PRESENT == 0 {
        return None;
    }
    let frame = Frame((entry & FRAME_MASK) / crate::FRAME_BYTES);
    if level > 0 && entry & LARGE == 0 {
        return Some(Entry::Table(frame));
    }
    let rights = match (entry & WRITABLE != 0, entry & NO_EXECUTE != 0) {
        (true, _) => Rights::ReadWrite,
        (false, true) => Rights::Read,
        (false, false) => Rights::ReadExecute,
    };
    let ownership = Ownership::from_bits(entry >> SOFTWARE_SHIFT);
    let cache = if entry & UNCACHED == UNCACHED { Cache::Device } else { Cache::Normal };
    Some(Entry::Page(Leaf { frame, rights, ownership, cache }))
}

macro_rules! format {
    ($(#[$doc:meta])* $name:ident, $levels:literal, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Format for $name {
            const NAME: &'static str = $text;
            const LEVELS: u32 = $levels;
            const ABSENT_MASK: u64 = FRAME_MASK;
            fn root_word(root: Frame, tag: Tag) -> u64 {
                // Bit 63: what is remembered under the PCID stays.
                let keep = if tag == Tag::NONE { 0 } else { 1 << 63 };
                root.start().0 | u64::from(tag.0) | keep
            }
            #[inline(always)]
            fn valid(entry: Entry, level: u32) -> u64 {
                valid(entry, level)
            }
            #[inline(always)]
            fn read_valid(entry: u64, level: u32) -> Option<Entry> {
                read_valid(entry, level)
            }
        }
    };
}

format!(
    /// Four levels: 47 bits of user half.
    FourLevel, 4, "x86_64 4-level"
);
format!(
    /// Five levels: 56 bits of user half.
    FiveLevel, 5, "x86_64 5-level"
);
