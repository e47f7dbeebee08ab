//! Copy on write: a range appears a second time, and whoever writes first gets a page of its own.

use coldframe_hal::Frame;
use coldframe_hal::PhysicalMemory;
use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights};

use super::change::changeable;
use super::sweep::{AGAIN, NEXT};
use super::tables::{Spot, Tables};
use super::{AddressSpace, Pages, SpaceError, frames_at};
use crate::{Budget, Flush, Means};

/// The largest page whose frames are counted in one step; a larger one is split before it is shared.
const LARGEST_SHARED: u32 = 1;

/// The leaf as both owners have it.
fn shared(leaf: Leaf) -> Leaf {
    let ownership = match leaf.granted() {
        Rights::ReadWrite => Ownership::Copied,
        // Closed by its owner: whoever opens it again says what for.
        _ => Ownership::CopiedReadOnly,
    };
    let rights = if leaf.rights.writes() { Rights::Read } else { leaf.rights };
    Leaf { rights, ownership, ..leaf }
}

impl<F: Format> AddressSpace<F> {
    /// Lets the pages from `at` on appear at `to - pages.start` further on in another space, or in this one: lazy
    /// ones as lazy ones, the others shared until somebody writes. What a mapping has placed is left out.
    ///
    /// Each page of the target costs its budget a frame from the start, so that the copy on write never lacks one.
    ///
    /// # Errors
    /// `Occupied` if a page of the target is not empty, or no frame for a
    /// table; what lies before it has been copied.
    pub fn duplicate(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
        mut target: Target<'_, F>,
    ) -> Result<Flush, SpaceError> {
        let start = *at;
        let mut touched = false;
        let tables = self.tables;
        tables.sweep(means, at, pages.end, |means, here, spot| {
            let foreign = matches!(changeable(spot.entry, here), Err(SpaceError::Foreign(_)));
            if spot.entry == Entry::Empty || foreign {
                return NEXT;
            }
            changeable(spot.entry, here)?;
            if matches!(spot.entry, Entry::Page(_) | Entry::Closed(_)) && spot.level > LARGEST_SHARED {
                tables.split(means, spot)?;
                return AGAIN;
            }
            let address = target.to + (here - pages.start);
            let Some(place) = target.place(means, (tables, spot), address)? else { return AGAIN };
            let entry = match spot.entry {
                Entry::Page(leaf) => {
                    touched |= leaf.rights.writes();
                    Entry::Page(shared(leaf))
                }
                Entry::Closed(leaf) => Entry::Closed(shared(leaf)),
                lazy => {
                    Tables::<F>::write(means.memory, place, lazy);
                    return NEXT;
                }
            };
            share::<F>(&mut target.means(means), spot, entry)?;
            Tables::<F>::write(means.memory, place, entry);
            NEXT
        })?;
        Ok(if touched { Flush::pages(start, *at) } else { Flush::NONE })
    }

    /// Where copies of as many pages can go: into these of this space, which pays for them by `budget`, or by that of the source if it
    /// is the same.
    #[must_use]
    pub fn target<'a>(&mut self, room: Pages, budget: Option<&'a mut Budget>) -> Target<'a, F> {
        self.reaches(room);
        Target { tables: self.tables, to: room.start, budget }
    }
}

/// Where copies go: a space, the address of the first, and who pays.
#[derive(Debug)]
pub struct Target<'a, F> {
    tables: Tables<F>,
    to: u64,
    budget: Option<&'a mut Budget>,
}

impl<F: Format> Target<'_, F> {
    fn means<'b, M>(&'b mut self, source: &'b mut Means<'_, M>) -> Means<'b, M> {
        let budget = match &mut self.budget {
            Some(budget) => budget,
            None => &mut *source.budget,
        };
        Means { memory: source.memory, frames: source.frames, budget }
    }

    /// The empty entry for what stands at a spot; `None` if that has been split.
    fn place(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        source: (Tables<F>, Spot),
        address: u64,
    ) -> Result<Option<Spot>, SpaceError> {
        let tables = self.tables;
        match tables.matching(&mut self.means(means), source.1, address)? {
            Some(place) => Ok(Some(place)),
            None => source.0.split(means, source.1).map(|()| None),
        }
    }
}

/// Counts one owner more for each frame behind an entry, and writes the entry as all its owners have it.
fn share<F: Format>(
    means: &mut Means<'_, impl PhysicalMemory>,
    spot: Spot,
    entry: Entry,
) -> Result<(), SpaceError> {
    let (Entry::Page(leaf) | Entry::Closed(leaf)) = entry else { return Ok(()) };
    let count = frames_at(spot.level);
    means.budget.charge(count)?;
    for done in 0..count {
        if let Err(error) = means.frames.add_owner(means.memory, Frame(leaf.frame.0 + done)) {
            for undone in 0..done {
                let _ = means.frames.drop_owner(means.memory, Frame(leaf.frame.0 + undone));
            }
            means.budget.refund(count);
            return Err(error.into());
        }
    }
    Tables::<F>::write(means.memory, spot, entry);
    Ok(())
}
