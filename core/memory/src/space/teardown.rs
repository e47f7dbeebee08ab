//! The end of a space: every frame goes back, a step at a time.

use coldframe_hal::paging::{Entry, Format, index, span};
use coldframe_hal::{FRAME_WORDS, PhysicalAddress, PhysicalMemory};

use super::tables::MAX_LEVELS;
use super::{AddressSpace, Pages, STEP, release};
use crate::{Content, Means};

/// How many empty entries count as one: most tables are nearly empty, and looking is cheap.
const PASSED_AT_ONCE: u64 = 64;

/// Where the cursor stands behind the last step: whoever has something else to do first asks again.
const TAKEN_DOWN: u64 = u64::MAX;

/// Whether a step of taking a space down was the last one.
#[must_use = "an address space that is not wholly taken down leaks its frames"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teardown {
    /// There is more to do.
    More,
    /// All frames have gone back.
    Done,
}

impl<F: Format> AddressSpace<F> {
    /// Gives frames of the space back, pages and tables, `STEP` entries at a time.
    ///
    /// Precondition: no CPU has the space active, nothing is on its way, and no mapping record names the space.
    pub fn take_down(&mut self, means: &mut Means<'_, impl PhysicalMemory>) -> Teardown {
        if self.cursor == TAKEN_DOWN {
            return Teardown::Done;
        }
        self.stop_filling(means, Pages { start: 0, end: F::USER_END });
        self.cursor = self.cursor.max(self.reached.start);
        for _ in 0..STEP {
            if self.cursor >= F::USER_END {
                means.give_holding(self.root(), self.empty);
                self.cursor = TAKEN_DOWN;
                return Teardown::Done;
            }
            self.take_down_entry(means);
        }
        Teardown::More
    }

    /// Empties the entry under the cursor, moves on, and frees the tables that are left behind.
    fn take_down_entry(&mut self, means: &mut Means<'_, impl PhysicalMemory>) {
        let mut path = [self.root(); MAX_LEVELS];
        let mut level = F::LEVELS - 1;
        loop {
            let slot = path[level as usize].word(index(self.cursor, level));
            match F::read(means.memory.read_word(slot), level) {
                Entry::Table(next) => {
                    level -= 1;
                    path[level as usize] = next;
                    continue;
                }
                Entry::Page(leaf) | Entry::Closed(leaf) | Entry::Leaving(leaf) => {
                    means.memory.write_word(slot, 0);
                    release(means, leaf, level);
                }
                Entry::Lazy(_) | Entry::Promised(_) | Entry::Arriving => means.memory.write_word(slot, 0),
                Entry::Empty => {}
            }
            break;
        }
        // Where it begins it may be in the middle of what the entry stands for.
        self.cursor &= !(span(level) - 1);
        let slot = path[level as usize].word(index(self.cursor, level));
        let in_table = (FRAME_WORDS - index(self.cursor, level)) as u64;
        let room = in_table.min((F::USER_END - self.cursor) / span(level));
        let passed = if self.cursor + span(level) >= self.reached.end {
            // Nothing has ever been there.
            room
        } else {
            1 + means.memory.zeros_from(PhysicalAddress(slot.0 + 8), room.min(PASSED_AT_ONCE) - 1)
        };
        self.cursor += span(level) * passed;
        while level + 1 < F::LEVELS && index(self.cursor, level) == 0 {
            // The cursor has left this table.
            let parent = path[level as usize + 1].word(index(self.cursor - 1, level + 1));
            means.memory.write_word(parent, 0);
            means.give_holding(path[level as usize], Content::Zeros);
            level += 1;
        }
    }
}
