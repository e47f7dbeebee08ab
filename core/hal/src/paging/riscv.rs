//! RISC-V Sv39, Sv48 and Sv57 (Privileged Architecture, chapter "Supervisor-Level ISA").

use super::{Cache, Entry, Format, Leaf, Ownership, Rights};
use crate::{Frame, Tag};

const VALID: u64 = 1 << 0;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 2;
const EXECUTE: u64 = 1 << 3;
const USER: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 6;
const DIRTY: u64 = 1 << 7;
const SOFTWARE_SHIFT: u32 = 8;
const FRAME_SHIFT: u32 = 10;
const FRAME_MASK: u64 = (1 << 44) - 1;

#[inline(always)]
fn valid(entry: Entry) -> u64 {
    match entry {
        Entry::Table(frame) => frame.0 << FRAME_SHIFT | VALID,
        Entry::Page(leaf) => page(leaf),
        other => unreachable!("{other:?} is not valid"),
    }
}

#[inline(always)]
fn page(leaf: Leaf) -> u64 {
    assert!(leaf.rights != Rights::None, "a page without rights has no valid entry");
    let write = if leaf.rights.writes() { WRITE } else { 0 };
    let execute = if leaf.rights.executes() { EXECUTE } else { 0 };
    // A and D are set at once: an implementation may fault on a clear one instead of setting it.
    leaf.frame.0 << FRAME_SHIFT
        | VALID
        | READ
        | write
        | execute
        | USER
        | ACCESSED
        | DIRTY
        | leaf.ownership.bits() << SOFTWARE_SHIFT
}

#[inline(always)]
fn read_valid(entry: u64) -> Option<Entry> {
    if entry & VALID == 0 {
        return None;
    }
    let frame = Frame(entry >> FRAME_SHIFT & FRAME_MASK);
    if entry & (READ | WRITE | EXECUTE) == 0 {
        return Some(Entry::Table(frame));
    }
    let rights = match (entry & WRITE != 0, entry & EXECUTE != 0) {
        (true, _) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (false, false) => Rights::Read,
    };
    let ownership = Ownership::from_bits(entry >> SOFTWARE_SHIFT);
    Some(Entry::Page(Leaf { frame, rights, ownership, cache: Cache::Normal }))
}

macro_rules! format {
    ($(#[$doc:meta])* $name:ident, $levels:literal, $mode:literal, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Format for $name {
            const NAME: &'static str = $text;
            const LEVELS: u32 = $levels;
            const ABSENT_MASK: u64 = 0;
            fn root_word(root: Frame, tag: Tag) -> u64 {
                $mode << 60 | u64::from(tag.0) << 44 | root.0
            }
            #[inline(always)]
            fn valid(entry: Entry, _: u32) -> u64 {
                valid(entry)
            }
            #[inline(always)]
            fn read_valid(entry: u64, _: u32) -> Option<Entry> {
                read_valid(entry)
            }
        }
    };
}

format!(
    /// Three levels: 38 bits of user half.
    Sv39, 3, 8, "Sv39"
);
format!(
    /// Four levels: 47 bits of user half.
    Sv48, 4, 9, "Sv48"
);
format!(
    /// Five levels: 56 bits of user half.
    Sv57, 5, 10, "Sv57"
);
