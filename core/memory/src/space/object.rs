//! What a space shows of memory objects, and objects themselves: tables in the same format that no CPU ever activates.
//!
//! In the table of an object an empty entry stands for a page that is all zero and costs nothing yet. In a space a
//! *promised* entry says which mapping record brings its pages; those that are there are *foreign*.

use coldframe_abi::UserAddress;
use coldframe_hal::paging::{Cache, Entry, Format, Leaf, Ownership, Rights, span};
use coldframe_hal::{FRAME_BYTES, Frame, FrameRun, PhysicalAddress, PhysicalMemory};

use super::fault::{Repair, allowed};
use super::sweep::{AGAIN, NEXT};
use super::tables::{Spot, Tables};
use super::{AddressSpace, Pages, SpaceError, frames_at};
use crate::{Content, Means};

/// The largest page that hardware has on every format.
const LARGEST: u32 = 2;

/// What a mapping shows at its start: pages of an object from an offset on, or a range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The pages in the space.
    pub pages: Pages,
    /// Where they begin in the object, in bytes.
    pub offset: u64,
    /// What the program may do with them.
    pub rights: Rights,
}

impl View {
    /// Where in the object an address of the view is.
    #[must_use]
    pub const fn offset_of(&self, address: u64) -> u64 {
        self.offset + (address - self.pages.start)
    }
}

impl<F: Format> AddressSpace<F> {
    /// The table of an object: no kernel's half, for no CPU will have it.
    ///
    /// # Errors
    /// If there is no frame for it.
    pub fn detached(means: &mut Means<'_, impl PhysicalMemory>) -> Result<Self, SpaceError> {
        let root = means.take_zeroed()?;
        Ok(Self::with(root, Content::Zeros))
    }

    /// The frame of an object's page; a zeroed one, if it has none yet.
    ///
    /// # Errors
    /// If that takes a frame, and there is none.
    pub fn page_at(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        offset: u64,
    ) -> Result<Frame, SpaceError> {
        let page = offset & !(FRAME_BYTES - 1);
        self.reaches(Pages { start: page, end: page + FRAME_BYTES });
        let spot = self.tables.make(means, page, 0)?;
        match spot.entry {
            Entry::Page(leaf) => {
                let inside = (page & (span(spot.level) - 1)) / FRAME_BYTES;
                Ok(Frame(leaf.frame.0 + inside))
            }
            _ => {
                let frame = means.take_zeroed()?;
                let entry = Entry::Page(Leaf::private(frame, Rights::ReadWrite));
                Tables::<F>::write(means.memory, spot, entry);
                Ok(frame)
            }
        }
    }

    /// The word at an offset of an object; zero, if nobody has touched its page.
    ///
    /// Precondition: the offset is a multiple of eight.
    #[must_use]
    pub fn word_of_object(&self, memory: &impl PhysicalMemory, offset: u64) -> u64 {
        let spot = self.tables.spot(memory, offset);
        match spot.entry {
            Entry::Page(leaf) => {
                let inside = offset & (span(spot.level) - 1);
                memory.read_word(PhysicalAddress(leaf.frame.start().0 + inside))
            }
            _ => 0,
        }
    }

    /// Whether a program that touches an address of a view may.
    #[must_use]
    pub const fn view_allows(view: &View, access: coldframe_hal::Access) -> bool {
        allowed(view.rights, access)
    }

    /// Puts a page of an object where a promise of it is.
    ///
    /// # Errors
    /// If that takes a frame for a table, and there is none.
    pub fn show_page(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: u64,
        frame: Frame,
        rights: Rights,
    ) -> Result<(), SpaceError> {
        let spot = self.tables.spot(means.memory, address);
        let spot = self.split_to(means, address, spot, 0)?;
        let leaf = Leaf { ownership: Ownership::Foreign, ..Leaf::private(frame, rights) };
        Tables::<F>::write(means.memory, spot, Entry::Page(leaf));
        Ok(())
    }

    /// Puts the largest page of physical memory where a promise of it is that fits there.
    ///
    /// # Errors
    /// If that takes a frame for a table, and there is none.
    pub fn show_range(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: u64,
        view: &View,
        (run, cache): (FrameRun, Cache),
    ) -> Result<(), SpaceError> {
        let spot = self.tables.spot(means.memory, address);
        let first = |level: u32| address & !(span(level) - 1);
        let frame = |level: u32| run.start.0 + view.offset_of(first(level)) / FRAME_BYTES;
        let fits = |level: &u32| {
            let (start, end) = (first(*level), first(*level) + span(*level));
            view.pages.start <= start
                && end <= view.pages.end
                && frame(*level).is_multiple_of(frames_at(*level))
        };
        let level = (0..=LARGEST.min(spot.level)).rev().find(fits).unwrap_or(0);
        let spot = self.split_to(means, address, spot, level)?;
        let leaf =
            Leaf { frame: Frame(frame(level)), rights: view.rights, ownership: Ownership::Foreign, cache };
        Tables::<F>::write(means.memory, spot, Entry::Page(leaf));
        Ok(())
    }

    fn split_to(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: u64,
        mut spot: Spot,
        level: u32,
    ) -> Result<Spot, SpaceError> {
        while spot.level > level {
            self.tables.split(means, spot)?;
            spot = self.tables.spot(means.memory, address);
        }
        Ok(spot)
    }

    /// Hands the pages from `at` on over to an object, in place: the frames are the object's from now on, and the
    /// entries show them by a mapping record. Says which shared page has to be copied first, if one has.
    ///
    /// # Errors
    /// `NotMapped` or `Foreign` for the first page that cannot be, or no frame for a table; what lies before
    /// it is the object's.
    pub fn hand_over(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
        object: &mut Self,
        record: u32,
    ) -> Result<Option<Repair>, SpaceError> {
        let mut shared = None;
        object.reaches(pages.moved(0));
        let (tables, theirs) = (self.tables, object.tables);
        tables
            .sweep(means, at, pages.end, |means, here, spot| {
                super::change::changeable(spot.entry, here)?;
                let (Entry::Page(leaf) | Entry::Closed(leaf)) = spot.entry else {
                    if !matches!(spot.entry, Entry::Lazy(_)) {
                        return Err(SpaceError::NotMapped(UserAddress(here)));
                    }
                    Tables::<F>::write(means.memory, spot, Entry::Promised(record));
                    return NEXT;
                };
                if leaf.ownership.is_copied() {
                    shared = Some(here);
                    // The step ends before it.
                    return Err(SpaceError::Busy(UserAddress(here)));
                }
                let Some(place) = theirs.matching(means, spot, here - pages.start)? else {
                    tables.split(means, spot)?;
                    return AGAIN;
                };
                let own = Leaf { rights: Rights::ReadWrite, ..leaf };
                Tables::<F>::write(means.memory, place, Entry::Page(own));
                let shown = Leaf { ownership: Ownership::Foreign, ..leaf };
                let entry = if matches!(spot.entry, Entry::Page(_)) {
                    Entry::Page(shown)
                } else {
                    Entry::Closed(shown)
                };
                Tables::<F>::write(means.memory, spot, entry);
                NEXT
            })
            .or_else(|error| if shared.is_some() { Ok(()) } else { Err(error) })?;
        match shared {
            Some(page) if page == *at => self.make_private(means, page).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes pages back from an object that they have been handed over to.
    ///
    /// # Errors
    /// None, as long as the entries are those that `hand_over` has left, and what has been shown since.
    pub fn take_back(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
        object: &mut Self,
    ) -> Result<(), SpaceError> {
        let theirs = object.tables;
        self.tables.sweep(means, at, pages.end, |means, here, spot| {
            let entry = match spot.entry {
                Entry::Promised(_) => Entry::Lazy(Rights::ReadWrite),
                Entry::Page(leaf) | Entry::Closed(leaf) if leaf.ownership == Ownership::Foreign => {
                    let place = theirs.spot(means.memory, here - pages.start);
                    Tables::<F>::write(means.memory, place, Entry::Empty);
                    let own = Leaf { ownership: Ownership::Private, ..leaf };
                    if matches!(spot.entry, Entry::Page(_)) { Entry::Page(own) } else { Entry::Closed(own) }
                }
                _ => return NEXT,
            };
            Tables::<F>::write(means.memory, spot, entry);
            NEXT
        })
    }
}
