//! Page-table formats as plain code, shared by every ground: host and metal walk the same bits.

mod riscv;
mod x86_64;

pub use riscv::{Sv39, Sv48, Sv57};
pub use x86_64::{FiveLevel, FourLevel};

use crate::Frame;

/// What user mode may do with a page: never writable and executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rights {
    /// Nothing.
    #[default]
    None,
    /// Read.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

impl Rights {
    /// Whether user mode may write.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::ReadWrite)
    }

    /// Whether user mode may fetch instructions.
    #[must_use]
    pub const fn executes(self) -> bool {
        matches!(self, Self::ReadExecute)
    }
}

/// Whose frame a valid leaf shows: two software bits, the same on every format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// This entry owns the frame.
    Private,
    /// The frame has several owners, counted in its word; the first write copies it.
    Copied,
    /// As `Copied`, and not writable after the copy either.
    CopiedReadOnly,
    /// Owned elsewhere, placed by a mapping record.
    Foreign,
}

impl Ownership {
    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        match self {
            Self::Private => 0,
            Self::Copied => 1,
            Self::CopiedReadOnly => 2,
            Self::Foreign => 3,
        }
    }

    /// What two bits mean.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Private,
            1 => Self::Copied,
            2 => Self::CopiedReadOnly,
            _ => Self::Foreign,
        }
    }
}

/// A page of the user half as an entry shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// Its (first) frame.
    pub frame: Frame,
    /// What user mode may do with it.
    pub rights: Rights,
    /// Whose frame it is.
    pub ownership: Ownership,
}

/// What an entry of a page table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Nothing is here.
    Empty,
    /// The next table is here.
    Table(Frame),
    /// A page is here.
    Page(Leaf),
}

/// The bits of one page-table format. All tables have 512 entries of 64 bits.
pub trait Format: Clone + 'static {
    /// What people call it.
    const NAME: &'static str;

    /// How many levels a walk has; level 0 is the one of 4 KiB pages.
    const LEVELS: u32;

    /// How many address bits the user half has.
    const USER_BITS: u32 = 12 + 9 * Self::LEVELS - 1;

    /// The first address behind the user half.
    const USER_END: u64 = 1 << Self::USER_BITS;

    /// The entry that leads to the next table.
    fn table(frame: Frame) -> u64;

    /// The entry of a user page at a level.
    ///
    /// Precondition: the rights are not `None`; above level 0, the frame is aligned to the size of the page.
    fn page(leaf: Leaf, level: u32) -> u64;

    /// What an entry at a level says.
    fn read(entry: u64, level: u32) -> Entry;
}

/// Which entry of the table at `level` an address goes through.
#[must_use]
pub const fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level) & 511) as usize
}
