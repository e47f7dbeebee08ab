//! What is known of free frames: what whoever had them has left in them, so that the next one need not write it again.
//!
//! Only frames that share a word of the bitmap are known, those of the last that went back with a word about it; and
//! that is only a hint. If one goes back of which nobody says anything, nothing is known any more (MEM-24).

use coldframe_hal::{Frame, PhysicalAddress, PhysicalMemory};

use super::{FrameError, Frames, Hint};

/// What a free frame may be known to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing but zeros.
    Zeros,
    /// A top-level table with the kernel's half and nothing else.
    Root,
}

/// How many contents there are.
const CONTENTS: usize = 2;

/// A frame that has been taken, and whether it holds what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the frame is out"]
pub struct Held {
    /// The frame.
    pub frame: Frame,
    /// Whether the content need not be written.
    pub is_ready: bool,
}

/// Stands for no word of a bitmap.
const NOWHERE: PhysicalAddress = PhysicalAddress(u64::MAX);

/// Which frames are known: a bit for each of those that share a word of the bitmap, by content. Bits of frames that
/// are out mean nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    word: PhysicalAddress,
    /// One of the frames that the bits stand for.
    near: Frame,
    holding: [u64; CONTENTS],
}

impl Known {
    /// Of no frame.
    pub(super) const NOTHING: Self = Self { word: NOWHERE, near: Frame(0), holding: [0; CONTENTS] };

    /// Somebody gives frames back and does not say what they hold: they may be among those that are known. It is one
    /// store, for whoever gives a frame back pays for it.
    #[inline(always)]
    pub(super) const fn forget(&mut self) {
        self.word = NOWHERE;
    }
}

impl Frames {
    /// Takes a frame back, of which the content is known.
    ///
    /// Precondition: it holds that.
    ///
    /// # Errors
    /// As `give`.
    pub fn give_holding(
        &mut self,
        memory: &mut impl PhysicalMemory,
        frame: Frame,
        content: Content,
    ) -> Result<(), FrameError> {
        self.return_one(memory, frame)?;
        let Hint { word, frame: near } = self.hint;
        if word.0 != self.known.word.0 {
            self.known = Known { word, near, ..Known::NOTHING };
        }
        let bit = 1 << (frame.0 % 64);
        self.known.holding = self.known.holding.map(|others| others & !bit);
        self.known.holding[content as usize] |= bit;
        Ok(())
    }

    /// Hands out one frame, one that holds this if such a one is known.
    ///
    /// # Errors
    /// `Exhausted` if none is free.
    pub fn take_holding(
        &mut self,
        memory: &mut impl PhysicalMemory,
        content: Content,
    ) -> Result<Held, FrameError> {
        if memory.refuses() {
            return Err(FrameError::Exhausted);
        }
        self.free = self.free.checked_sub(1).ok_or(FrameError::Exhausted)?;
        let holding = self.known.holding[content as usize];
        if holding != 0 && self.known.word.0 != NOWHERE.0 {
            let free = memory.read_word(self.known.word);
            let fit = free & holding;
            if fit != 0 {
                let frame = Frame(self.known.near.0 & !63 | u64::from(fit.trailing_zeros()));
                let rest = free & !(1 << (frame.0 % 64));
                memory.write_word(self.known.word, rest);
                if rest == 0 || free == u64::MAX {
                    self.note(memory, frame, free, rest);
                }
                return Ok(Held { frame, is_ready: true });
            }
        }
        Ok(Held { frame: self.pick(memory), is_ready: false })
    }

    /// Hands out one frame, all zero.
    ///
    /// # Errors
    /// `Exhausted` if none is free.
    pub fn take_zeroed(&mut self, memory: &mut impl PhysicalMemory) -> Result<Frame, FrameError> {
        let Held { frame, is_ready } = self.take_holding(memory, Content::Zeros)?;
        if is_ready {
            debug_assert!(holds_zeros(memory, frame), "{frame:?} was given back as one of zeros (MEM-24)");
        } else {
            memory.zero_frame(frame);
        }
        Ok(frame)
    }
}

/// Whether a frame holds nothing but zeros.
pub(crate) fn holds_zeros(memory: &impl PhysicalMemory, frame: Frame) -> bool {
    memory.zeros_from(frame.word(0), coldframe_hal::FRAME_WORDS as u64) == coldframe_hal::FRAME_WORDS as u64
}
