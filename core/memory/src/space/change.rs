//! Reserve, unmap, protect, move: what a program can do with a range.

use coldframe_abi::UserAddress;
use coldframe_hal::PhysicalMemory;
use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights, index, span};

use super::sweep::{AGAIN, NEXT, Visit};
use super::tables::{Spot, Tables};
use super::{AddressSpace, Pages, STEP, SpaceError, Unlinked, release};
use crate::{Flush, Means};

/// The leaf with other rights: an entry that is closed if these are none.
#[inline(always)]
pub(super) fn with_rights(leaf: Leaf, rights: Rights) -> Entry {
    let ownership = match (leaf.ownership.is_copied(), rights) {
        (false, _) | (true, Rights::None) => leaf.ownership,
        (true, Rights::ReadWrite) => Ownership::Copied,
        (true, _) => Ownership::CopiedReadOnly,
    };
    match (rights, ownership) {
        (Rights::None, _) => Entry::Closed(Leaf { rights, ..leaf }),
        (_, Ownership::Copied) => Entry::Page(Leaf { rights: Rights::Read, ownership, ..leaf }),
        _ => Entry::Page(Leaf { rights, ownership, ..leaf }),
    }
}

/// An entry with other rights; notes if hardware may remember more than those.
#[inline(always)]
pub(super) fn protected(
    entry: Entry,
    at: u64,
    rights: Rights,
    takes_away: &mut bool,
) -> Result<Entry, SpaceError> {
    changeable(entry, at)?;
    Ok(match entry {
        Entry::Empty => return Err(SpaceError::NotMapped(UserAddress(at))),
        Entry::Lazy(_) => Entry::Lazy(rights),
        Entry::Page(leaf) => {
            let entry = with_rights(leaf, rights);
            let still = matches!(entry, Entry::Page(new) if leaf.rights.within(new.rights));
            *takes_away |= !still;
            entry
        }
        Entry::Closed(leaf) => with_rights(leaf, rights),
        entry => unreachable!("{entry:?} was refused"),
    })
}

/// Whose pages an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those of the space itself.
    Own,
    /// Those that a mapping has placed.
    Foreign,
}

/// Refuses what somebody else has placed or has not finished.
#[inline(always)]
pub(super) fn changeable(entry: Entry, at: u64) -> Result<(), SpaceError> {
    match entry {
        Entry::Page(leaf) | Entry::Closed(leaf) if leaf.ownership == Ownership::Foreign => {
            Err(SpaceError::Foreign(UserAddress(at)))
        }
        // Nothing changes in a space while a round is open: what is on its way belongs to a message.
        Entry::Promised(_) | Entry::Leaving(_) | Entry::Arriving => Err(SpaceError::Foreign(UserAddress(at))),
        _ => Ok(()),
    }
}

impl<F: Format> AddressSpace<F> {
    /// Reserves the pages from `at` on: the first touch of each brings a page that is all zero, or one that a mapping
    /// record promises. One entry reserves as much as its level allows.
    ///
    /// # Errors
    /// `Occupied` by the first page that is not empty, or no frame for a table. What has been reserved so far stays.
    pub fn reserve(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
        with: Entry,
    ) -> Result<(), SpaceError> {
        assert!(matches!(with, Entry::Lazy(_) | Entry::Promised(_)), "what is reserved has no frame yet");
        self.reaches(pages);
        let mut left = STEP;
        while left > 0 && *at < pages.end {
            let fits = |level: &u32| at.is_multiple_of(span(*level)) && pages.end - *at >= span(*level);
            let level = (0..F::LEVELS).rev().find(fits).unwrap_or(0);
            let made = self.tables.make(means, *at, level).and_then(|spot| match spot.entry {
                Entry::Empty => Ok(spot),
                _ => Err(SpaceError::Occupied(UserAddress(*at))),
            });
            let mut spot = match made {
                Ok(spot) => spot,
                Err(_) if left < STEP => return Ok(()),
                Err(error) => return Err(error),
            };
            // There may be finer tables than are needed. Neighbours in the same table take no walk of their own.
            let size = span(spot.level);
            loop {
                Tables::<F>::write(means.memory, spot, with);
                *at += size;
                left -= 1;
                spot.slot.0 += 8;
                let another = left > 0 && pages.end - *at >= size && index(*at, spot.level) != 0;
                if !another || means.memory.read_word(spot.slot) != 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes the pages from `at` on away: hardware finds them no more once the flush is done, and `settle_unmap`
    /// gives their frames back.
    ///
    /// # Errors
    /// `Foreign` for the first page that cannot go, or no frame for a table that splits a large page;
    /// what lies before it has gone.
    pub fn unmap(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        end: u64,
        whose: Whose,
    ) -> Result<Flush, SpaceError> {
        let start = *at;
        let mut touched = false;
        self.tables.sweep(means, at, end, |means, here, spot| {
            let refused = changeable(spot.entry, here);
            if whose == Whose::Own || !matches!(refused, Err(SpaceError::Foreign(_))) {
                refused?;
            }
            let entry = match spot.entry {
                Entry::Page(leaf) => {
                    touched = true;
                    Entry::Leaving(leaf)
                }
                Entry::Closed(leaf) => {
                    release(means, leaf, spot.level);
                    Entry::Empty
                }
                Entry::Lazy(_) | Entry::Promised(_) => Entry::Empty,
                _ => return NEXT,
            };
            Tables::<F>::write(means.memory, spot, entry);
            NEXT
        })?;
        Ok(if touched { Flush::pages(start, *at) } else { Flush::NONE })
    }

    /// Gives the frames of pages back that were taken away in one step, and takes out the tables that became empty.
    ///
    /// Precondition: no CPU remembers the pages.
    pub fn settle_unmap(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        pages: Pages,
    ) -> (Unlinked, Flush) {
        self.settle(means, pages, |means, _, spot| {
            if let Entry::Leaving(leaf) = spot.entry {
                release(means, leaf, spot.level);
                Tables::<F>::write(means.memory, spot, Entry::Empty);
            }
            NEXT
        });
        self.prune(means, pages)
    }

    /// Goes over a range that one step has gone over, whatever it takes.
    pub(super) fn settle<M: PhysicalMemory>(
        &mut self,
        means: &mut Means<'_, M>,
        pages: Pages,
        mut visit: impl FnMut(&mut Means<'_, M>, u64, Spot) -> Visit,
    ) {
        let mut at = pages.start;
        while at < pages.end {
            let swept = self.tables.sweep(means, &mut at, pages.end, &mut visit);
            if let Err(error) = swept {
                unreachable!("what one step has seen is whole in the next (MEM-14): {error:?}");
            }
        }
    }

    /// Takes out the tables at both ends of a range that hold nothing. Those between had all their entries in it.
    pub fn prune(&mut self, means: &mut Means<'_, impl PhysicalMemory>, pages: Pages) -> (Unlinked, Flush) {
        if pages.is_empty() {
            return (Unlinked::default(), Flush::NONE);
        }
        let mut out = self.tables.prune(means.memory, pages.start, Unlinked::default());
        let last = pages.end - 1;
        if pages.start / span(1) != last / span(1) {
            out = self.tables.prune(means.memory, last, out);
        }
        let flush = if out.is_empty() { Flush::NONE } else { Flush::tables() };
        (out, flush)
    }

    /// Changes what a program may do with the pages from `at` on; `None` closes them.
    ///
    /// # Errors
    /// `NotMapped` or `Foreign` for the first page that cannot change, or no frame for a table that splits
    /// a large page; what lies before it has changed.
    pub fn protect(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        end: u64,
        rights: Rights,
    ) -> Result<Flush, SpaceError> {
        let start = *at;
        let mut touched = false;
        self.tables.sweep(means, at, end, |means, here, spot| {
            let entry = protected(spot.entry, here, rights, &mut touched)?;
            Tables::<F>::write(means.memory, spot, entry);
            NEXT
        })?;
        Ok(if touched { Flush::pages(start, *at) } else { Flush::NONE })
    }

    /// Moves the pages from `at` on by `to - pages.start`: they are on their way until `settle_move`.
    ///
    /// # Errors
    /// `Occupied` if a page of the target is not empty, `Foreign` for a page that cannot move, or no frame
    /// for a table; what lies before it has moved.
    pub fn relocate(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
        to: u64,
    ) -> Result<Flush, SpaceError> {
        let start = *at;
        let mut touched = false;
        self.reaches(pages.moved(to));
        let tables = self.tables;
        tables.sweep(means, at, pages.end, |means, here, spot| {
            changeable(spot.entry, here)?;
            if spot.entry == Entry::Empty {
                return NEXT;
            }
            let target = to + (here - pages.start);
            let Some(place) = tables.matching(means, spot, target)? else {
                tables.split(means, spot)?;
                return AGAIN;
            };
            if let Entry::Page(leaf) = spot.entry {
                touched = true;
                Tables::<F>::write(means.memory, place, Entry::Arriving);
                Tables::<F>::write(means.memory, spot, Entry::Leaving(leaf));
            } else {
                Tables::<F>::write(means.memory, place, spot.entry);
                Tables::<F>::write(means.memory, spot, Entry::Empty);
            }
            NEXT
        })?;
        Ok(if touched { Flush::pages(start, *at) } else { Flush::NONE })
    }

    /// Lets the pages arrive that one step of a move has sent on their way.
    ///
    /// Precondition: no CPU remembers them where they were.
    pub fn settle_move(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        pages: Pages,
        to: u64,
    ) -> (Unlinked, Flush) {
        let tables = self.tables;
        self.settle(means, pages, |means, here, spot| {
            if let Entry::Leaving(leaf) = spot.entry {
                let place = tables.spot(means.memory, to + (here - pages.start));
                assert!(
                    place.entry == Entry::Arriving && place.level == spot.level,
                    "a moved page has a place"
                );
                Tables::<F>::write(means.memory, place, Entry::Page(leaf));
                Tables::<F>::write(means.memory, spot, Entry::Empty);
            }
            NEXT
        });
        self.prune(means, pages)
    }
}
