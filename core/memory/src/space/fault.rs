//! Faults: lazy pages are filled, copied ones get a frame of their own, and everything else is the thread's affair.

use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights};
use coldframe_hal::{Access, FRAME_BYTES, Frame, PhysicalMemory};

use super::tables::{Spot, Tables};
use super::{AddressSpace, SpaceError};
use crate::{Flush, Means};

/// What a fault has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Repair {
    /// The program may do it now: this CPU forgets the page and goes on.
    Done(Flush),
    /// The page is being copied: it goes on once no CPU remembers it and `settle_copy` has been called.
    Copying {
        /// The page.
        page: u64,
        /// Where its copy will be.
        frame: Frame,
        /// What has to be forgotten.
        flush: Flush,
    },
    /// An object has the page: the mapping record says which.
    Promised(u32),
    /// The page is on its way, by an operation that has not ended.
    Wait,
    /// The program may not.
    Refused,
}

pub(super) const fn allowed(rights: Rights, access: Access) -> bool {
    match access {
        Access::Load => !matches!(rights, Rights::None),
        Access::Store => rights.writes(),
        Access::Fetch => rights.executes(),
    }
}

/// What a shared page becomes for whoever gets a frame of its own.
fn own(leaf: Leaf, frame: Frame) -> Entry {
    let leaf = Leaf { frame, rights: leaf.granted(), ownership: Ownership::Private, ..leaf };
    if leaf.rights == Rights::None { Entry::Closed(leaf) } else { Entry::Page(leaf) }
}

impl<F: Format> AddressSpace<F> {
    /// Does what makes an access possible that hardware has refused.
    ///
    /// # Errors
    /// If it takes a frame, and there is none.
    pub fn fault(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: u64,
        access: Access,
    ) -> Result<Repair, SpaceError> {
        if address >= F::USER_END {
            return Ok(Repair::Refused);
        }
        let page = address & !(FRAME_BYTES - 1);
        let spot = self.tables.spot(means.memory, page);
        let here = || Flush::pages(page, page + FRAME_BYTES);
        Ok(match spot.entry {
            // Somebody else has repaired it, or a CPU remembers what was here before.
            Entry::Page(leaf) if allowed(leaf.rights, access) => Repair::Done(here()),
            Entry::Page(leaf) if leaf.ownership == Ownership::Copied && access == Access::Store => {
                self.copy_on_write(means, page, spot)?
            }
            Entry::Lazy(rights) if allowed(rights, access) => {
                self.fill_page(means, page, spot, rights)?;
                Repair::Done(here())
            }
            Entry::Promised(record) => Repair::Promised(record),
            Entry::Leaving(_) => Repair::Wait,
            _ => Repair::Refused,
        })
    }

    /// Puts a page that is all zero where a lazy entry is.
    pub(super) fn fill_page(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
        spot: Spot,
        rights: Rights,
    ) -> Result<(), SpaceError> {
        let spot = self.split_to_page(means, page, spot)?;
        let entry = match (rights, means.take_zeroed()?) {
            (Rights::None, frame) => Entry::Closed(Leaf::private(frame, rights)),
            (_, frame) => Entry::Page(Leaf::private(frame, rights)),
        };
        Tables::<F>::write(means.memory, spot, entry);
        Ok(())
    }

    fn split_to_page(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
        mut spot: Spot,
    ) -> Result<Spot, SpaceError> {
        while spot.level > 0 {
            self.tables.split(means, spot)?;
            spot = self.tables.spot(means.memory, page);
        }
        Ok(spot)
    }

    /// Gives a shared page a frame of its own, whatever its program may do with it.
    pub(super) fn make_private(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
    ) -> Result<Repair, SpaceError> {
        let spot = self.tables.spot(means.memory, page);
        self.copy_on_write(means, page, spot)
    }

    fn copy_on_write(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
        spot: Spot,
    ) -> Result<Repair, SpaceError> {
        let spot = if spot.level > 0 { self.split_to_page(means, page, spot)? } else { spot };
        let (Entry::Page(leaf) | Entry::Closed(leaf)) = spot.entry else {
            unreachable!("a part of a page is a page: {:?}", spot.entry)
        };
        let flush = Flush::pages(page, page + FRAME_BYTES);
        if means.frames.owners(means.memory, leaf.frame) == 1 {
            // Nobody else is left: no CPU can remember more than that it may read.
            Tables::<F>::write(means.memory, spot, own(leaf, leaf.frame));
            return Ok(Repair::Done(flush));
        }
        // The page has been paid for when it was shared.
        let frame = means.frames.take(means.memory)?;
        Tables::<F>::write(means.memory, spot, Entry::Leaving(leaf));
        Ok(Repair::Copying { page, frame, flush })
    }

    /// Puts the copy in its place, and gives up the page that it was made from.
    ///
    /// Precondition: no CPU remembers the page.
    pub fn settle_copy(&mut self, means: &mut Means<'_, impl PhysicalMemory>, page: u64, frame: Frame) {
        let spot = self.tables.spot(means.memory, page);
        let Entry::Leaving(leaf) = spot.entry else {
            unreachable!("nothing changes in a space while a page is copied (MEM-14): {:?}", spot.entry)
        };
        means.memory.copy_frame(leaf.frame, frame);
        Tables::<F>::write(means.memory, spot, own(leaf, frame));
        if means.frames.drop_owner(means.memory, leaf.frame) == 0
            && let Err(error) = means.frames.give(means.memory, leaf.frame)
        {
            unreachable!("a shared frame is out (MEM-4): {error:?}");
        }
    }
}
