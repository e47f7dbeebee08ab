//! Page tables as such: found, made, split and freed, for spaces and for objects.

use core::marker::PhantomData;

use coldframe_abi::UserAddress;
use coldframe_hal::paging::{Entry, Format, index, span};
use coldframe_hal::{FRAME_WORDS, Frame, PhysicalAddress, PhysicalMemory};

use super::SpaceError;
use crate::{Content, Means};

/// No format has more levels.
pub(crate) const MAX_LEVELS: usize = 5;

/// The page tables below a root.
#[derive(Debug)]
pub(crate) struct Tables<F> {
    pub(crate) root: Frame,
    format: PhantomData<F>,
}

impl<F> Clone for Tables<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Tables<F> {}

/// The entry that decides about an address: the finest there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) slot: PhysicalAddress,
    pub(crate) level: u32,
    pub(crate) entry: Entry,
}

/// Tables that nothing leads to any more, and that some CPU may still remember: each names the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use = "the tables are not free yet"]
pub struct Unlinked {
    first: Option<Frame>,
}

impl Unlinked {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// They go back.
    ///
    /// Precondition: no CPU remembers them.
    pub fn reclaim(self, means: &mut Means<'_, impl PhysicalMemory>) {
        let mut next = self.first;
        while let Some(table) = next {
            next = linked(means.memory.read_word(table.word(0)));
            means.memory.write_word(table.word(0), 0);
            means.give_holding(table, Content::Zeros);
        }
    }
}

/// A link in a table that hardware may still look at: its lowest bit says that nothing is there, on every format.
const fn link(next: Option<Frame>) -> u64 {
    match next {
        Some(frame) => frame.0 << 2 | 2,
        None => 0,
    }
}

const fn linked(word: u64) -> Option<Frame> {
    if word == 0 { None } else { Some(Frame(word >> 2)) }
}

impl<F: Format> Tables<F> {
    pub(crate) const fn new(root: Frame) -> Self {
        Self { root, format: PhantomData }
    }

    /// The entry that decides about an address.
    #[inline]
    pub(crate) fn spot(self, memory: &impl PhysicalMemory, address: u64) -> Spot {
        let mut table = self.root;
        let mut level = F::LEVELS - 1;
        loop {
            let slot = table.word(index(address, level));
            match F::read(memory.read_word(slot), level) {
                Entry::Table(next) => table = next,
                entry => return Spot { slot, level, entry },
            }
            level -= 1;
        }
    }

    #[inline(always)]
    pub(crate) fn write(memory: &mut impl PhysicalMemory, spot: Spot, entry: Entry) {
        memory.write_word(spot.slot, F::word(entry, spot.level));
    }

    /// The empty entry of an address at a level, with the tables that lead there; or the entry that is in the way,
    /// at its level or, if there is a finer table, at the level of that.
    pub(crate) fn make(
        self,
        means: &mut Means<'_, impl PhysicalMemory>,
        address: u64,
        level: u32,
    ) -> Result<Spot, SpaceError> {
        let mut spot = self.spot(means.memory, address);
        while spot.entry == Entry::Empty && spot.level > level {
            let table = means.take_zeroed()?;
            Self::write(means.memory, spot, Entry::Table(table));
            let level = spot.level - 1;
            spot = Spot { slot: table.word(index(address, level)), level, entry: Entry::Empty };
        }
        Ok(spot)
    }

    /// The empty entry at another address for what stands at a spot; `None` if that has to be split first.
    pub(crate) fn matching(
        self,
        means: &mut Means<'_, impl PhysicalMemory>,
        source: Spot,
        target: u64,
    ) -> Result<Option<Spot>, SpaceError> {
        if target.is_multiple_of(span(source.level)) {
            let place = self.make(means, target, source.level)?;
            if place.level >= source.level {
                let free = place.entry == Entry::Empty;
                return if free { Ok(Some(place)) } else { Err(SpaceError::Occupied(UserAddress(target))) };
            }
        }
        Ok(None)
    }

    /// Turns an entry that stands for 512 of the next level into these.
    pub(crate) fn split(
        self,
        means: &mut Means<'_, impl PhysicalMemory>,
        spot: Spot,
    ) -> Result<(), SpaceError> {
        let table = means.take_zeroed()?;
        let below = spot.level - 1;
        let frames = span(below) / coldframe_hal::FRAME_BYTES;
        for part in 0..FRAME_WORDS {
            let mut entry = spot.entry;
            if let Entry::Page(leaf) | Entry::Closed(leaf) | Entry::Leaving(leaf) = &mut entry {
                leaf.frame.0 += part as u64 * frames;
            }
            means.memory.write_word(table.word(part), F::word(entry, below));
        }
        Self::write(means.memory, spot, Entry::Table(table));
        Ok(())
    }

    /// Takes the tables out that lead to an address and hold nothing, and puts them before the ones that are out.
    pub(crate) fn prune(self, memory: &mut impl PhysicalMemory, address: u64, out: Unlinked) -> Unlinked {
        let mut path = [PhysicalAddress(0); MAX_LEVELS];
        let mut tables = [self.root; MAX_LEVELS];
        let mut level = F::LEVELS - 1;
        loop {
            let slot = tables[level as usize].word(index(address, level));
            path[level as usize] = slot;
            match F::read(memory.read_word(slot), level) {
                Entry::Table(next) => {
                    level -= 1;
                    tables[level as usize] = next;
                }
                _ => break,
            }
        }
        let mut out = out;
        while level + 1 < F::LEVELS {
            let table = tables[level as usize];
            if !is_empty(memory, table, index(address, level)) {
                break;
            }
            level += 1;
            memory.write_word(path[level as usize], 0);
            memory.write_word(table.word(0), link(out.first));
            out.first = Some(table);
        }
        out
    }
}

/// Whether a table holds nothing: looked at from the last change on, both ways, for what is left is mostly near it.
fn is_empty(memory: &impl PhysicalMemory, table: Frame, from: usize) -> bool {
    let is_zero = |index: usize| memory.read_word(table.word(index % FRAME_WORDS)) == 0;
    (0..=FRAME_WORDS / 2).all(|offset| is_zero(from + offset) && is_zero(from + FRAME_WORDS - offset))
}
