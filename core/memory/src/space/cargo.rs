//! Pages that go along with a message: made ready where they are, put where they go, and made ordinary again.
//!
//! Pages that are ready are frozen: what is moved is *leaving*, so that nobody reaches it; what is lent is *foreign*,
//! so that its owner reaches it and cannot change it. A range of a message is short: each of these is one step, but for
//! what a page takes that is not there yet.

use coldframe_abi::{Passage, UserAddress};
use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights, index, span};
use coldframe_hal::{FRAME_BYTES, PhysicalAddress, PhysicalMemory};

use super::change::changeable;
use super::fault::Repair;
use super::sweep::NEXT;
use super::tables::{Spot, Tables};
use super::{AddressSpace, Pages, SpaceError};
use crate::{Flush, Means};

/// Whether a page may go along so.
fn allows(rights: Rights, passage: Passage) -> bool {
    rights != Rights::None && (passage != Passage::LentToWrite || rights.writes())
}

impl<F: Format> AddressSpace<F> {
    /// Makes pages ready to go along, from `at` on: each is there, its space's own, and frozen. Says which shared page
    /// has to be copied first, if one has.
    ///
    /// # Errors
    /// `BadAddress`, `NoRights` or `Foreign` for the first page that cannot go, or no frame for one that is not there
    /// yet; what lies before it is ready.
    pub fn load(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        end: u64,
        passage: Passage,
    ) -> Result<(Flush, Option<Repair>), SpaceError> {
        let start = *at;
        let spot = self.tables.spot(means.memory, start);
        match spot.entry {
            Entry::Lazy(rights) if allows(rights, passage) => {
                self.fill_page(means, start, spot, rights)?;
                return Ok((Flush::NONE, None));
            }
            Entry::Page(leaf) if leaf.ownership.is_copied() && allows(leaf.granted(), passage) => {
                return self.make_private(means, start).map(|repair| (Flush::NONE, Some(repair)));
            }
            _ => {}
        }
        self.tables.sweep(means, at, end, |means, here, spot| {
            changeable(spot.entry, here)?;
            let entry = match spot.entry {
                Entry::Page(leaf) if !allows(leaf.granted(), passage) => return Err(SpaceError::NoRights),
                Entry::Page(leaf) if leaf.ownership.is_copied() => {
                    // The step ends before it; so it does before a page that is not there yet.
                    return Err(SpaceError::Busy(UserAddress(here)));
                }
                Entry::Page(leaf) if passage.is_lent() => {
                    Entry::Page(Leaf { ownership: Ownership::Foreign, ..leaf })
                }
                Entry::Page(leaf) => Entry::Leaving(leaf),
                Entry::Lazy(rights) if allows(rights, passage) => {
                    return Err(SpaceError::Busy(UserAddress(here)));
                }
                Entry::Lazy(_) | Entry::Closed(_) => return Err(SpaceError::NoRights),
                _ => return Err(SpaceError::BadAddress(UserAddress(here))),
            };
            Tables::<F>::write(means.memory, spot, entry);
            NEXT
        })?;
        let flush = if passage.is_lent() { Flush::NONE } else { Flush::pages(start, *at) };
        Ok((flush, None))
    }

    /// Makes pages ordinary again that were made ready and have gone nowhere, or have come back.
    pub fn unload(&mut self, means: &mut Means<'_, impl PhysicalMemory>, pages: Pages, passage: Passage) {
        self.settle(means, pages, |means, _, spot| {
            let entry = match spot.entry {
                Entry::Leaving(leaf) if !passage.is_lent() => Entry::Page(leaf),
                Entry::Page(leaf) if passage.is_lent() => {
                    Entry::Page(Leaf { ownership: Ownership::Private, ..leaf })
                }
                _ => return NEXT,
            };
            Tables::<F>::write(means.memory, spot, entry);
            NEXT
        });
    }

    /// How many tables it takes to put so many pages at an address; `None` if something is there.
    #[must_use]
    pub fn tables_for(&self, memory: &impl PhysicalMemory, pages: Pages) -> Option<u64> {
        let mut needed = 0;
        let mut at = pages.start;
        while at < pages.end {
            let spot = self.tables.spot(memory, at);
            if spot.entry != Entry::Empty {
                return None;
            }
            // A table that the page before needs as well has been counted there.
            let is_new = |level: &u32| at == pages.start || (0..=*level).all(|below| index(at, below) == 0);
            needed += (0..spot.level).filter(is_new).count() as u64;
            // What has no table yet is empty up to the end of it.
            at = if spot.level == 0 { at + FRAME_BYTES } else { end_of_table(at) };
        }
        Some(needed)
    }

    /// Makes the tables that pages need at an address where nothing is.
    ///
    /// # Errors
    /// If there is no frame for one; those made so far stay.
    pub fn make_tables(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        pages: Pages,
    ) -> Result<(), SpaceError> {
        self.reaches(pages);
        let mut at = pages.start;
        while at < pages.end {
            self.tables.make(means, at, 0)?;
            at = end_of_table(at);
        }
        Ok(())
    }

    /// Puts pages that are ready where they go: what is moved leaves, what is lent appears a second time.
    ///
    /// Precondition: the tables are there, nothing is in these places, and no CPU reaches what is moved.
    pub fn put(
        &self,
        memory: &mut impl PhysicalMemory,
        (pages, passage): (Pages, Passage),
        other: &Self,
        to: u64,
    ) {
        let (mut at, mut to) = (pages.start, to);
        let (mut from, mut place) = (self.tables.spot(memory, at), other.tables.spot(memory, to));
        loop {
            let leaf = match from.entry {
                Entry::Leaving(leaf) if !passage.is_lent() => leaf,
                Entry::Page(leaf) if leaf.ownership == Ownership::Foreign && passage.is_lent() => leaf,
                entry => unreachable!("a page that goes along is ready (MEM-21): {entry:?}"),
            };
            assert!(
                from.level == 0 && place.level == 0 && place.entry == Entry::Empty,
                "there is a place for each page (MEM-21)"
            );
            if !passage.is_lent() {
                Tables::<F>::write(memory, from, Entry::Empty);
            }
            Tables::<F>::write(memory, place, Entry::Page(Leaf { rights: passage.rights(), ..leaf }));
            (at, to) = (at + FRAME_BYTES, to + FRAME_BYTES);
            if at >= pages.end {
                return;
            }
            from = self.next_spot(memory, from, at);
            place = other.next_spot(memory, place, to);
        }
    }

    /// The entry of the page behind one whose entry is known: mostly its neighbour.
    fn next_spot(&self, memory: &impl PhysicalMemory, spot: Spot, address: u64) -> Spot {
        if spot.level > 0 || index(address, 0) == 0 {
            return self.tables.spot(memory, address);
        }
        let slot = PhysicalAddress(spot.slot.0 + 8);
        Spot { slot, level: 0, entry: F::read(memory.read_word(slot), 0) }
    }
}

/// Where the pages of the next table begin.
const fn end_of_table(address: u64) -> u64 {
    (address | (span(1) - 1)) + 1
}
