//! Page-table formats as plain code, shared by every ground: host and metal walk the same bits.

mod absent;
mod riscv;
mod x86_64;

pub use riscv::{Sv39, Sv48, Sv57};
pub use x86_64::{FiveLevel, FourLevel};

pub use coldframe_abi::PageRights as Rights;

use crate::{Frame, Tag};

/// Whose frame a leaf shows: two software bits, the same on every format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// This entry owns the frame.
    #[default]
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

    /// Whether the frame may have other owners that are counted.
    #[must_use]
    pub const fn is_copied(self) -> bool {
        matches!(self, Self::Copied | Self::CopiedReadOnly)
    }
}

/// How the bytes behind a page are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cache {
    /// Through the caches: RAM.
    #[default]
    Normal,
    /// One access for each that a program makes, in order: registers of devices.
    Device,
}

/// A page of the user half as an entry shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// Its (first) frame.
    pub frame: Frame,
    /// What user mode may do with it now: a `Copied` page is never writable.
    pub rights: Rights,
    /// Whose frame it is.
    pub ownership: Ownership,
    /// How its bytes are reached. RISC-V without Svpbmt decides that by physical address, and reads `Normal`.
    pub cache: Cache,
}

impl Leaf {
    /// An ordinary page that its entry owns.
    #[must_use]
    pub const fn private(frame: Frame, rights: Rights) -> Self {
        Self { frame, rights, ownership: Ownership::Private, cache: Cache::Normal }
    }

    /// What user mode may do once a copy is its own.
    #[must_use]
    pub const fn granted(self) -> Rights {
        match self.ownership {
            Ownership::Copied => Rights::ReadWrite,
            _ => self.rights,
        }
    }
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
    /// The first touch brings a page that is all zero.
    Lazy(Rights),
    /// The first touch brings a page of an object, by this mapping record.
    Promised(u32),
    /// A page is here that may not be touched.
    Closed(Leaf),
    /// A page was here; it goes on once no CPU reaches it any more.
    Leaving(Leaf),
    /// A page will be here once no CPU reaches it where it was.
    Arriving,
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

    /// What is changed in the frame field of an entry that is not valid: hardware that speculates past the valid bit
    /// finds no memory there (L1TF).
    const ABSENT_MASK: u64;

    /// What the register holds that says which table is active, under which tag. Where tags are told apart, writing
    /// it forgets nothing, unless the tag is `Tag::NONE`.
    fn root_word(root: Frame, tag: Tag) -> u64;

    /// The entry of a page or a table, for hardware.
    ///
    /// Precondition: the rights of a page are not `None`; above level 0, its frame is aligned to its size; what is
    /// written is a table or a page.
    fn valid(entry: Entry, level: u32) -> u64;

    /// What a valid entry at a level says; `None` if hardware finds nothing there.
    fn read_valid(entry: u64, level: u32) -> Option<Entry>;

    /// An entry as a word.
    #[must_use]
    #[inline(always)]
    fn word(entry: Entry, level: u32) -> u64 {
        match entry {
            Entry::Table(_) | Entry::Page(_) => Self::valid(entry, level),
            other => absent::word(other, Self::ABSENT_MASK),
        }
    }

    /// What an entry at a level says.
    #[must_use]
    #[inline(always)]
    fn read(entry: u64, level: u32) -> Entry {
        match Self::read_valid(entry, level) {
            Some(entry) => entry,
            None => absent::read(entry, Self::ABSENT_MASK),
        }
    }
}

/// How many bytes an entry at a level stands for.
#[must_use]
pub const fn span(level: u32) -> u64 {
    crate::FRAME_BYTES << (9 * level)
}

/// Which entry of the table at `level` an address goes through.
#[must_use]
pub const fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level) & 511) as usize
}
