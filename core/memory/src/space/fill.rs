//! Filling: lazy pages become resident before they are touched, as large ones where that is possible.

use coldframe_abi::UserAddress;
use coldframe_hal::paging::{Entry, Format, Leaf, Rights, span};
use coldframe_hal::{Frame, FrameRun, PhysicalMemory};

use super::tables::Tables;
use super::{AddressSpace, Pages, STEP, SpaceError, frames_at};
use crate::Means;

/// The largest page that hardware has on every format.
const LARGEST: u32 = 2;

/// A large page that is being zeroed, a frame a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filling {
    page: u64,
    run: FrameRun,
    zeroed: u64,
}

impl Filling {
    /// Its frames.
    #[must_use]
    pub const fn run(&self) -> FrameRun {
        self.run
    }
}

impl<F: Format> AddressSpace<F> {
    /// Makes the lazy pages from `at` on resident: a frame is zeroed a step, or `STEP` entries are passed by.
    ///
    /// # Errors
    /// `NotMapped` for the first page that is not there at all, or no frame; what lies before it is resident.
    pub fn fill(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        at: &mut u64,
        pages: Pages,
    ) -> Result<(), SpaceError> {
        for passed in 0..STEP {
            if *at >= pages.end {
                break;
            }
            let spot = self.tables.spot(means.memory, *at);
            let size = span(spot.level);
            let start = *at & !(size - 1);
            match spot.entry {
                Entry::Empty if passed == 0 => return Err(SpaceError::NotMapped(UserAddress(*at))),
                Entry::Empty => break,
                Entry::Lazy(rights) => {
                    let whole = start == *at && pages.end - start >= size;
                    let large = whole && (1..=LARGEST).contains(&spot.level) && rights != Rights::None;
                    if large && let Some(done) = self.fill_large(means, start, spot.level, rights) {
                        if done {
                            *at = start + size;
                        }
                    } else if spot.level > 1 {
                        // Its parts may still be large pages.
                        self.tables.split(means, spot)?;
                    } else {
                        self.fill_page(means, *at, spot, rights)?;
                        *at += coldframe_hal::FRAME_BYTES;
                    }
                    break;
                }
                _ => *at = (start + size).min(pages.end),
            }
        }
        Ok(())
    }

    /// Zeroes one frame of a large page, and maps it once all are; `None` if there are no such frames, or another
    /// thread is filling one.
    fn fill_large(
        &mut self,
        means: &mut Means<'_, impl PhysicalMemory>,
        page: u64,
        level: u32,
        rights: Rights,
    ) -> Option<bool> {
        let count = frames_at(level);
        let filling = match &mut self.filling {
            Some(filling) if filling.page == page && filling.run.count == count => filling,
            Some(_) => return None,
            none => {
                let run = means.take_run(count).ok()?;
                none.insert(Filling { page, run, zeroed: 0 })
            }
        };
        means.memory.zero_frame(Frame(filling.run.start.0 + filling.zeroed));
        filling.zeroed += 1;
        if filling.zeroed < count {
            return Some(false);
        }
        let frame = filling.run.start;
        self.filling = None;
        let spot = self.tables.spot(means.memory, page);
        Tables::<F>::write(means.memory, spot, Entry::Page(Leaf::private(frame, rights)));
        Some(true)
    }

    /// Gives a large page of a range back that will not be filled any more.
    pub fn stop_filling(&mut self, means: &mut Means<'_, impl PhysicalMemory>, pages: Pages) {
        if let Some(filling) =
            self.filling.take_if(|filling| pages.start <= filling.page && filling.page < pages.end)
        {
            means.give_run(filling.run);
        }
    }

    /// The large page that is being filled.
    #[must_use]
    pub const fn filling(&self) -> Option<Filling> {
        self.filling
    }
}
