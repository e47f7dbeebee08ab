//! What an operation works with: the memory, the frames of the machine, and the budget that pays for them.

use coldframe_hal::{FRAME_WORDS, Frame, FrameRun, PhysicalMemory};

use crate::frames::{Content, Held, Limits, holds_zeros};
use crate::{Budget, FrameError, Frames, SpaceError};

/// What frames that have been given back hold in checked builds.
pub const POISON: u64 = 0x5f72_6565_645f_6f66;

/// The memory, the frames of the machine, and the budget that pays for them.
#[derive(Debug)]
pub struct Means<'a, M> {
    /// The memory.
    pub memory: &'a mut M,
    /// The frames of the machine.
    pub frames: &'a mut Frames,
    /// Who pays.
    pub budget: &'a mut Budget,
}

impl<M: PhysicalMemory> Means<'_, M> {
    /// A frame, all zero, paid for.
    ///
    /// # Errors
    /// If the budget or the machine has none left.
    pub fn take_zeroed(&mut self) -> Result<Frame, SpaceError> {
        self.pay(|frames, memory| frames.take_zeroed(memory))
    }

    /// Whether a frame can be had and paid for.
    #[inline(always)]
    pub(crate) fn have_one(&self) -> bool {
        self.budget.left() > 0 && self.frames.free_count() > 0 && !self.memory.refuses_next()
    }

    /// A top-level table with the kernel's half and nothing else, paid for.
    pub(crate) fn take_root(&mut self) -> Result<Frame, SpaceError> {
        let Held { frame, is_ready } =
            self.pay(|frames, memory| frames.take_holding(memory, Content::Root))?;
        if !is_ready {
            self.memory.zero_frame(frame);
            self.memory.share_kernel_half(frame);
        }
        Ok(frame)
    }

    fn pay<T>(
        &mut self,
        take: impl FnOnce(&mut Frames, &mut M) -> Result<T, FrameError>,
    ) -> Result<T, SpaceError> {
        self.budget.charge(1)?;
        take(self.frames, self.memory).map_err(|error| {
            self.budget.refund(1);
            error.into()
        })
    }

    /// Aligned frames that follow each other, with whatever is in them, paid for.
    pub(crate) fn take_run(&mut self, count: u64) -> Result<FrameRun, SpaceError> {
        self.budget.charge(count)?;
        match self.frames.take_run(self.memory, count, Limits::NONE) {
            Ok(run) => Ok(run),
            Err(error) => {
                self.budget.refund(count);
                Err(error.into())
            }
        }
    }

    /// A frame goes back, and its price. In checked builds whoever still reads there reads what nobody wrote.
    #[inline]
    pub fn give(&mut self, frame: Frame) {
        self.spoil(FrameRun { start: frame, count: 1 });
        let given = self.frames.give(self.memory, frame);
        self.has_given(given, 1);
    }

    /// A frame goes back that holds this, and its price.
    pub(crate) fn give_holding(&mut self, frame: Frame, content: Content) {
        debug_assert!(
            content != Content::Zeros || holds_zeros(self.memory, frame),
            "{frame:?} is not what it is said to be (MEM-24)"
        );
        if let Err(error) = self.frames.give_holding(self.memory, frame, content) {
            unreachable!("a page table is a frame that is out (MEM-4): {error:?}");
        }
        self.budget.refund(1);
    }

    /// The same of several.
    pub(crate) fn give_run(&mut self, run: FrameRun) {
        if run.count == 1 {
            return self.give(run.start);
        }
        self.spoil(run);
        let given = self.frames.give_run(self.memory, run);
        self.has_given(given, run.count);
    }

    #[inline(always)]
    fn spoil(&mut self, run: FrameRun) {
        if cfg!(debug_assertions) {
            let words = (run.start.0..run.end().0)
                .flat_map(|frame| (0..FRAME_WORDS).map(move |word| Frame(frame).word(word)));
            words.for_each(|word| self.memory.write_word(word, POISON));
        }
    }

    #[inline(always)]
    fn has_given(&mut self, given: Result<(), FrameError>, count: u64) {
        if let Err(error) = given {
            unreachable!("a page table holds only frames that are out (MEM-4): {error:?}");
        }
        self.budget.refund(count);
    }

    /// One of several owners goes; the last one gives the frame back. Its price comes back in any case.
    pub(crate) fn disown(&mut self, frame: Frame) {
        if self.frames.drop_owner(self.memory, frame) == 0 {
            self.give(frame);
        } else {
            self.budget.refund(1);
        }
    }
}
