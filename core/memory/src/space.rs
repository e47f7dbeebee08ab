//! Address spaces: page tables built, read and taken down through the shared formats.

use core::marker::PhantomData;

use coldframe_abi::UserAddress;
use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights, index};
use coldframe_hal::{FRAME_BYTES, Frame, PhysicalAddress, PhysicalMemory};

use crate::{FrameError, Frames};

/// How many entries one step of a long operation looks at.
const STEP: usize = 64;

/// No format has more levels.
const MAX_LEVELS: usize = 5;

/// Why a page could not be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceError {
    /// The address is not the start of a page of the user half.
    BadAddress(UserAddress),
    /// Something is there already.
    Occupied(UserAddress),
    /// A page would have no rights at all.
    NoRights,
    /// There is no frame for a page table.
    Frames(FrameError),
}

impl From<FrameError> for SpaceError {
    fn from(error: FrameError) -> Self {
        Self::Frames(error)
    }
}

/// Whether a step of taking a space down was the last one.
#[must_use = "an address space that is not wholly taken down leaks its frames"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// There is more to do.
    More,
    /// All frames have gone back.
    Done,
}

/// One address space. The page table is the only map of what is at an address.
#[derive(Clone, Debug)]
pub struct AddressSpace<F> {
    root: Frame,
    /// Up to where a teardown has come.
    cursor: u64,
    format: PhantomData<F>,
}

impl<F: Format> AddressSpace<F> {
    /// An address space with an empty user half.
    ///
    /// # Errors
    /// `Exhausted` if there is no frame for its first table.
    pub fn new(memory: &mut impl PhysicalMemory, frames: &mut Frames) -> Result<Self, FrameError> {
        let root = frames.take_zeroed(memory)?;
        memory.share_kernel_half(root);
        Ok(Self { root, cursor: 0, format: PhantomData })
    }

    /// Its first table.
    #[must_use]
    pub const fn root(&self) -> Frame {
        self.root
    }

    /// Places a page that this space owns.
    ///
    /// # Errors
    /// What is wrong with the request, or no frame for a table; tables made on the way stay and are used later.
    pub fn map(
        &mut self,
        memory: &mut impl PhysicalMemory,
        frames: &mut Frames,
        address: UserAddress,
        frame: Frame,
        rights: Rights,
    ) -> Result<(), SpaceError> {
        if !address.0.is_multiple_of(FRAME_BYTES) || address.0 >= F::USER_END {
            return Err(SpaceError::BadAddress(address));
        }
        if rights == Rights::None {
            return Err(SpaceError::NoRights);
        }
        let mut table = self.root;
        for level in (1..F::LEVELS).rev() {
            let slot = table.word(index(address.0, level));
            table = match F::read(memory.read_word(slot), level) {
                Entry::Table(next) => next,
                Entry::Page(_) => return Err(SpaceError::Occupied(address)),
                Entry::Empty => {
                    let next = frames.take_zeroed(memory)?;
                    memory.write_word(slot, F::table(next));
                    next
                }
            };
        }
        let slot = table.word(index(address.0, 0));
        if F::read(memory.read_word(slot), 0) != Entry::Empty {
            return Err(SpaceError::Occupied(address));
        }
        memory.write_word(slot, F::page(Leaf { frame, rights, ownership: Ownership::Private }, 0));
        Ok(())
    }

    /// What is at an address of the user half.
    #[must_use]
    pub fn translate(
        &self,
        memory: &impl PhysicalMemory,
        address: UserAddress,
    ) -> Option<(PhysicalAddress, Leaf)> {
        if address.0 >= F::USER_END {
            return None;
        }
        let mut table = self.root;
        for level in (0..F::LEVELS).rev() {
            match F::read(memory.read_word(table.word(index(address.0, level))), level) {
                Entry::Empty => return None,
                Entry::Table(next) => table = next,
                Entry::Page(leaf) => {
                    let offset = address.0 & ((FRAME_BYTES << (9 * level)) - 1);
                    return Some((PhysicalAddress(leaf.frame.start().0 + offset), leaf));
                }
            }
        }
        None
    }

    /// Gives frames of the space back, pages and tables, `STEP` entries at a time.
    ///
    /// Precondition: no CPU has the space active.
    ///
    /// # Errors
    /// A frame that the allocator does not take back: the page table was damaged.
    pub fn take_down(
        &mut self,
        memory: &mut impl PhysicalMemory,
        frames: &mut Frames,
    ) -> Result<Teardown, FrameError> {
        for _ in 0..STEP {
            if self.cursor >= F::USER_END {
                frames.give(memory, self.root)?;
                return Ok(Teardown::Done);
            }
            self.take_down_entry(memory, frames)?;
        }
        Ok(Teardown::More)
    }

    /// Empties the entry under the cursor, moves on, and frees the tables that are left behind.
    fn take_down_entry(
        &mut self,
        memory: &mut impl PhysicalMemory,
        frames: &mut Frames,
    ) -> Result<(), FrameError> {
        let mut path = [self.root; MAX_LEVELS];
        let mut level = F::LEVELS - 1;
        loop {
            let slot = path[level as usize].word(index(self.cursor, level));
            match F::read(memory.read_word(slot), level) {
                Entry::Table(next) => {
                    level -= 1;
                    path[level as usize] = next;
                    continue;
                }
                Entry::Page(leaf) if leaf.ownership == Ownership::Private => {
                    memory.write_word(slot, 0);
                    frames.give(memory, leaf.frame)?;
                }
                Entry::Page(_) | Entry::Empty => {}
            }
            break;
        }
        self.cursor += FRAME_BYTES << (9 * level);
        while level + 1 < F::LEVELS && index(self.cursor, level) == 0 {
            // The cursor has left this table.
            let parent = path[level as usize + 1].word(index(self.cursor - 1, level + 1));
            memory.write_word(parent, 0);
            frames.give(memory, path[level as usize])?;
            level += 1;
        }
        Ok(())
    }
}
