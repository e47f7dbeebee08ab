//! How an operation goes over the entries of a range: a step at a time, splitting what is only touched in part.

use coldframe_hal::paging::{Entry, Format, index, span};
use coldframe_hal::{PhysicalAddress, PhysicalMemory};

use super::tables::{Spot, Tables};
use super::{STEP, SpaceError};
use crate::Means;

/// What happens behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    /// The entry has been split: its parts are next.
    Again,
}

pub(super) type Visit = Result<Flow, SpaceError>;

pub(super) const NEXT: Visit = Ok(Flow::Next);
pub(super) const AGAIN: Visit = Ok(Flow::Again);

impl<F: Format> Tables<F> {
    /// Shows the entries from `at` on and below `end`, at most `STEP`, and moves `at` behind what has been done.
    ///
    /// An empty entry may reach beyond the range; every other lies within it. A problem is said only if it is the
    /// first thing in a step, so that what was done before it is never forgotten over it.
    #[inline]
    pub(super) fn sweep<M: PhysicalMemory>(
        self,
        means: &mut Means<'_, M>,
        at: &mut u64,
        end: u64,
        mut visit: impl FnMut(&mut Means<'_, M>, u64, Spot) -> Visit,
    ) -> Result<(), SpaceError> {
        let mut left = STEP;
        while *at < end && left > 0 {
            let mut spot = self.spot(means.memory, *at);
            loop {
                let size = span(spot.level);
                let start = *at & !(size - 1);
                let whole = start == *at && end - start >= size;
                let done = if whole || spot.entry == Entry::Empty {
                    visit(means, *at, spot)
                } else {
                    match self.split(means, spot) {
                        Ok(()) => break,
                        Err(error) => Err(error),
                    }
                };
                let flow = match done {
                    Ok(flow) => flow,
                    Err(_) if left < STEP => return Ok(()),
                    Err(error) => return Err(error),
                };
                left -= 1;
                if flow == Flow::Again {
                    break;
                }
                *at = (start + size).min(end);
                if *at >= end || left == 0 || index(*at, spot.level) == 0 {
                    break;
                }
                spot.slot = PhysicalAddress(spot.slot.0 + 8);
                spot.entry = F::read(means.memory.read_word(spot.slot), spot.level);
                if matches!(spot.entry, Entry::Table(_)) {
                    break;
                }
            }
        }
        Ok(())
    }
}
