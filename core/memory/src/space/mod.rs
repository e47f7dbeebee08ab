//! Address spaces: the page table is the only map of what is at an address.
//!
//! A change goes in steps of at most `STEP` entries. A step that takes something from hardware says what has to be
//! forgotten, and leaves the frame in the entry (*leaving*); `settle` ends it once no CPU remembers.

mod cargo;
mod change;
mod copy;
mod fault;
mod fill;
mod object;
mod single;
mod sweep;
mod tables;
mod teardown;

use coldframe_abi::UserAddress;
use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights, span};
use coldframe_hal::{FRAME_BYTES, Frame, FrameRun, PhysicalAddress, PhysicalMemory};

pub use change::Whose;
pub use copy::Target;
pub use fault::Repair;
pub use fill::Filling;
pub use object::View;
pub use single::Taken;
pub(crate) use tables::Tables;
pub use tables::Unlinked;
pub use teardown::Teardown;

use crate::{Content, FrameError, Means, OverBudget};

/// How many entries one step of a long operation looks at.
pub const STEP: usize = 64;

/// Why a space could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceError {
    /// The address is not the start of a page of the user half, or there is no page that could go along.
    BadAddress(UserAddress),
    /// Something is there already.
    Occupied(UserAddress),
    /// Nothing is there.
    NotMapped(UserAddress),
    /// What is there was placed by a mapping, and changes only as a whole.
    Foreign(UserAddress),
    /// Another operation has not ended there.
    Busy(UserAddress),
    /// A page would have no rights at all.
    NoRights,
    /// The budget does not reach.
    OverBudget,
    /// There are no frames.
    Frames(FrameError),
}

impl From<FrameError> for SpaceError {
    fn from(error: FrameError) -> Self {
        Self::Frames(error)
    }
}

impl From<OverBudget> for SpaceError {
    fn from(_: OverBudget) -> Self {
        Self::OverBudget
    }
}

/// Whole pages of the user half, checked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pages {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Pages {
    /// No page at all.
    pub const NONE: Self = Self { start: 0, end: 0 };

    /// What joins with any pages to those.
    const NOWHERE: Self = Self { start: u64::MAX, end: 0 };

    /// Checks a range that somebody named: whole pages, at least one, wholly in the user half.
    #[must_use]
    pub fn check<F: Format>(start: u64, length: u64) -> Option<Self> {
        let end = start.checked_add(length)?;
        let whole = start.is_multiple_of(FRAME_BYTES) && length.is_multiple_of(FRAME_BYTES);
        (whole && length > 0 && end <= F::USER_END).then_some(Self { start, end })
    }

    /// The first address.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The address behind the last.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many bytes.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.end - self.start
    }

    /// What is left when an operation has come so far; the whole, if it has not begun.
    #[must_use]
    pub const fn from(self, at: u64) -> Self {
        Self { start: at, end: self.end }
    }

    /// The part before an address.
    #[must_use]
    pub const fn until(self, at: u64) -> Self {
        Self { start: self.start, end: at }
    }

    /// As many pages at another address, where they have been checked to fit.
    #[must_use]
    pub const fn moved(self, to: u64) -> Self {
        Self { start: to, end: to + self.length() }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Whether both have a page in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// One address space.
#[derive(Debug)]
pub struct AddressSpace<F> {
    tables: Tables<F>,
    /// The pages outside of which nothing has ever been: whoever takes the space down need not look there.
    reached: Pages,
    /// Up to where a teardown has come.
    cursor: u64,
    /// A large page that is being zeroed, before it is mapped.
    filling: Option<Filling>,
    /// What the first table holds as long as nothing is in the space.
    empty: Content,
}

impl<F> Clone for AddressSpace<F> {
    fn clone(&self) -> Self {
        Self {
            tables: self.tables,
            reached: self.reached,
            cursor: self.cursor,
            filling: self.filling,
            empty: self.empty,
        }
    }
}

impl<F: Format> AddressSpace<F> {
    /// An address space with an empty user half.
    ///
    /// # Errors
    /// If there is no frame for its first table.
    pub fn new(means: &mut Means<'_, impl PhysicalMemory>) -> Result<Self, SpaceError> {
        let root = means.take_root()?;
        debug_assert!(
            holds_nothing::<F>(means.memory, root),
            "an old table is no new one before it is empty (MEM-24)"
        );
        Ok(Self::with(root, Content::Root))
    }

    const fn with(root: Frame, empty: Content) -> Self {
        Self { tables: Tables::new(root), reached: Pages::NOWHERE, cursor: 0, filling: None, empty }
    }

    /// Its first table.
    #[must_use]
    pub const fn root(&self) -> Frame {
        self.tables.root
    }

    /// Places a page that this space owns from now on; it has been paid for.
    ///
    /// # Errors
    /// What is wrong with the request, or no frame for a table; tables made on the way stay and are used later.
    pub fn place(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: UserAddress,
        frame: Frame,
        rights: Rights,
    ) -> Result<(), SpaceError> {
        Pages::check::<F>(address.0, FRAME_BYTES).ok_or(SpaceError::BadAddress(address))?;
        if rights == Rights::None {
            return Err(SpaceError::NoRights);
        }
        self.reaches(Pages { start: address.0, end: address.0 + FRAME_BYTES });
        let spot = self.tables.make(means, address.0, 0)?;
        if spot.entry != Entry::Empty {
            return Err(SpaceError::Occupied(address));
        }
        Tables::<F>::write(means.memory, spot, Entry::Page(Leaf::private(frame, rights)));
        Ok(())
    }

    /// Something may be in these pages from now on.
    #[inline]
    fn reaches(&mut self, pages: Pages) {
        let Pages { start, end } = self.reached;
        self.reached = Pages { start: start.min(pages.start), end: end.max(pages.end) };
    }

    /// What the entry of an address says, and at which level it stands.
    #[must_use]
    pub fn query(&self, memory: &impl PhysicalMemory, address: UserAddress) -> Option<(Entry, u32)> {
        if address.0 >= F::USER_END {
            return None;
        }
        let spot = self.tables.spot(memory, address.0);
        Some((spot.entry, spot.level))
    }

    /// Where an address of the user half is, if a program may read there.
    #[must_use]
    pub fn translate(
        &self,
        memory: &impl PhysicalMemory,
        address: UserAddress,
    ) -> Option<(PhysicalAddress, Leaf)> {
        match self.query(memory, address)? {
            (Entry::Page(leaf), level) => {
                let offset = address.0 & (span(level) - 1);
                Some((PhysicalAddress(leaf.frame.start().0 + offset), leaf))
            }
            _ => None,
        }
    }
}

/// How many frames a page at a level has.
const fn frames_at(level: u32) -> u64 {
    span(level) / FRAME_BYTES
}

/// Gives up a page that an entry owns or shares.
fn release(means: &mut Means<'_, impl PhysicalMemory>, leaf: Leaf, level: u32) {
    let run = FrameRun { start: leaf.frame, count: frames_at(level) };
    match leaf.ownership {
        Ownership::Private => means.give_run(run),
        Ownership::Copied | Ownership::CopiedReadOnly => {
            (run.start.0..run.end().0).for_each(|frame| means.disown(Frame(frame)));
        }
        Ownership::Foreign => {}
    }
}

/// A space that was made and never used goes back at once.
pub fn unmake<F: Format>(space: AddressSpace<F>, means: &mut Means<'_, impl PhysicalMemory>) {
    means.give_holding(space.tables.root, space.empty);
}

/// Whether the user half of a top-level table is empty.
fn holds_nothing<F: Format>(memory: &impl PhysicalMemory, root: Frame) -> bool {
    let top = F::USER_END.div_ceil(span(F::LEVELS - 1));
    memory.zeros_from(root.word(0), top) == top
}
