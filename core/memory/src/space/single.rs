//! One page at a time, where its last table is there already: what most changes of a space are about.
//!
//! Each comes to what the steps of a long one would have come to, or changes nothing.

use coldframe_hal::paging::{Entry, Format, Leaf, Ownership, Rights, index};
use coldframe_hal::{Access, FRAME_BYTES, FRAME_WORDS, Frame, PhysicalAddress, PhysicalMemory};

use super::change::{changeable, protected};
use super::fault::allowed;
use super::{AddressSpace, Pages};
use crate::{Flush, Means};

/// A page that no table shows any more, and that some CPU may still remember.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its frame is not free yet"]
pub struct Taken(Option<Frame>);

impl Taken {
    /// Its frame goes back.
    ///
    /// Precondition: no CPU remembers it.
    #[inline(always)]
    pub fn give(self, means: &mut Means<'_, impl PhysicalMemory>) {
        if let Self(Some(frame)) = self {
            means.give(frame);
        }
    }
}

/// Where the entry of a page stands in its table.
#[derive(Clone, Copy)]
struct Slot {
    table: Frame,
    index: usize,
}

impl Slot {
    const fn address(self) -> PhysicalAddress {
        self.table.word(self.index)
    }

    /// Whether its table holds something else. What is left is mostly near it.
    #[inline(always)]
    fn has_neighbours(self, memory: &impl PhysicalMemory) -> bool {
        let is_used = |index: usize| memory.read_word(self.table.word(index % FRAME_WORDS)) != 0;
        // A closure that two places call is a call.
        is_used(self.index + 1)
            || is_used(self.index + FRAME_WORDS - 1)
            || (2..=FRAME_WORDS / 2)
                .any(|offset| is_used(self.index + offset) || is_used(self.index + FRAME_WORDS - offset))
    }
}

impl<F: Format> AddressSpace<F> {
    #[inline(always)]
    fn slot(&self, memory: &impl PhysicalMemory, page: u64) -> Option<Slot> {
        let mut table = self.tables.root;
        for level in (1..F::LEVELS).rev() {
            match F::read_valid(memory.read_word(table.word(index(page, level))), level)? {
                Entry::Table(next) => table = next,
                _ => return None,
            }
        }
        Some(Slot { table, index: index(page, 0) })
    }

    /// Reserves an empty page.
    #[inline(always)]
    pub fn reserve_one(&mut self, memory: &mut impl PhysicalMemory, page: u64, rights: Rights) -> Option<()> {
        let slot = self.slot(memory, page)?.address();
        if memory.read_word(slot) != F::word(Entry::Empty, 0) {
            return None;
        }
        self.reaches(Pages { start: page, end: page + FRAME_BYTES });
        memory.write_word(slot, F::word(Entry::Lazy(rights), 0));
        Some(())
    }

    /// Makes a reserved page resident, for a program that has tried to do this there, or has asked for it.
    #[inline(always)]
    pub fn fill_one(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
        access: Option<Access>,
    ) -> Option<()> {
        let slot = self.slot(means.memory, page)?.address();
        let Entry::Lazy(rights) = F::read(means.memory.read_word(slot), 0) else { return None };
        // Who fills a large page stops if this range is done.
        let is_free = access.map_or(self.filling.is_none(), |access| allowed(rights, access));
        if !is_free || rights == Rights::None || !means.have_one() {
            return None;
        }
        let Ok(frame) = means.take_zeroed() else { unreachable!("there is a frame, and it can be paid for") };
        means.memory.write_word(slot, F::word(Entry::Page(Leaf::private(frame, rights)), 0));
        Some(())
    }

    /// Changes what a program may do with a page.
    #[inline(always)]
    pub fn protect_one(
        &mut self,
        memory: &mut impl PhysicalMemory,
        page: u64,
        rights: Rights,
    ) -> Option<Flush> {
        let slot = self.slot(memory, page)?.address();
        let mut takes_away = false;
        let entry = protected(F::read(memory.read_word(slot), 0), page, rights, &mut takes_away).ok()?;
        memory.write_word(slot, F::word(entry, 0));
        Some(if takes_away { Flush::pages(page, page + FRAME_BYTES) } else { Flush::NONE })
    }

    /// Takes a page away that is the space's own, and not the last in its table.
    #[inline(always)]
    pub fn unmap_one(&mut self, memory: &mut impl PhysicalMemory, page: u64) -> Option<(Flush, Taken)> {
        let slot = self.slot(memory, page)?;
        let entry = F::read(memory.read_word(slot.address()), 0);
        changeable(entry, page).ok()?;
        let taken = match entry {
            Entry::Page(leaf) if leaf.ownership == Ownership::Private => {
                (Flush::pages(page, page + FRAME_BYTES), Taken(Some(leaf.frame)))
            }
            Entry::Lazy(_) => (Flush::NONE, Taken(None)),
            _ => return None,
        };
        if !slot.has_neighbours(memory) {
            return None;
        }
        memory.write_word(slot.address(), F::word(Entry::Empty, 0));
        Some(taken)
    }
}
