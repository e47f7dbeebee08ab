//! The frame allocator: a bitmap with summaries, in frames of its own.
//!
//! Bit set means free. A word of a summary has a bit for each word below it that is not zero, so that one frame is
//! found and given back in as many steps as there are levels, whatever the size of the machine. The bitmap is the
//! truth (MEM-1).

use coldframe_hal::{FRAME_WORDS, Frame, FrameRun, PhysicalAddress, PhysicalMemory};

use crate::{MapFull, MemoryMap};

/// 64^6 frames are more than 57 address bits can name.
const MAX_LEVELS: usize = 6;

/// Why a frame could not be had or given back: a defect of the caller, except for `Exhausted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// There is no free frame, or no RAM for the allocator itself.
    Exhausted,
    /// The firmware's map has more runs than the allocator can hold.
    MapFull,
    /// The frame is free already.
    DoubleFree(Frame),
    /// The frame is not RAM that this allocator manages.
    NotRam(Frame),
}

impl From<MapFull> for FrameError {
    fn from(_: MapFull) -> Self {
        Self::MapFull
    }
}

/// The frames of a machine.
#[derive(Clone, Debug)]
pub struct Frames {
    ram: MemoryMap,
    first: Frame,
    /// Where each level's words start; level 0 has a bit a frame.
    levels: [PhysicalAddress; MAX_LEVELS],
    depth: usize,
    free: u64,
}

impl Frames {
    /// Takes the usable RAM of a machine in charge. A part of it becomes the allocator's bitmap.
    ///
    /// # Errors
    /// `Exhausted` if no run is large enough for the bitmap.
    pub fn new(memory: &mut impl PhysicalMemory, mut ram: MemoryMap) -> Result<Self, FrameError> {
        let (Some(lowest), Some(highest)) = (ram.runs().first(), ram.runs().last()) else {
            return Err(FrameError::Exhausted);
        };
        let first = lowest.start;
        let mut words = [0; MAX_LEVELS];
        let mut depth = 0;
        let mut bits = highest.end().0 - first.0;
        loop {
            bits = bits.div_ceil(64);
            words[depth] = bits;
            depth += 1;
            if bits == 1 {
                break;
            }
        }
        let total: u64 = words.iter().sum();
        let bitmap = total.div_ceil(FRAME_WORDS as u64);
        let home = ram.runs().iter().find(|run| run.count >= bitmap).ok_or(FrameError::Exhausted)?.start;
        ram.remove(FrameRun { start: home, count: bitmap })?;
        for frame in 0..bitmap {
            memory.zero_frame(Frame(home.0 + frame));
        }
        let mut levels = [home.start(); MAX_LEVELS];
        for level in 1..depth {
            levels[level] = PhysicalAddress(levels[level - 1].0 + words[level - 1] * 8);
        }
        let mut frames = Self { ram, first, levels, depth, free: 0 };
        for index in 0..frames.ram.runs().len() {
            let run = frames.ram.runs()[index];
            frames.set_run(memory, 0, run.start.0 - first.0, run.count);
            frames.free += run.count;
        }
        Ok(frames)
    }

    /// Sets `count` bits of a level from `start` on, and the bits above them.
    fn set_run(&self, memory: &mut impl PhysicalMemory, level: usize, start: u64, count: u64) {
        let end = start + count;
        for word in start / 64..end.div_ceil(64) {
            let low = start.saturating_sub(word * 64).min(63);
            let high = (end - word * 64).min(64);
            let mask = u64::MAX >> (64 - (high - low)) << low;
            let address = self.word(level, word);
            memory.write_word(address, memory.read_word(address) | mask);
        }
        if level + 1 < self.depth {
            self.set_run(memory, level + 1, start / 64, end.div_ceil(64) - start / 64);
        }
    }

    #[inline]
    fn word(&self, level: usize, index: u64) -> PhysicalAddress {
        PhysicalAddress(self.levels[level].0 + index * 8)
    }

    /// How many frames are free.
    #[must_use]
    pub const fn free_count(&self) -> u64 {
        self.free
    }

    /// How many frames there are, free or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ram.frames()
    }

    /// Whether the frame is one of those that are handed out.
    #[must_use]
    pub fn manages(&self, frame: Frame) -> bool {
        self.ram.contains(frame)
    }

    /// Whether a managed frame is free.
    #[must_use]
    pub fn is_free(&self, memory: &impl PhysicalMemory, frame: Frame) -> bool {
        let bit = frame.0 - self.first.0;
        memory.read_word(self.word(0, bit / 64)) >> (bit % 64) & 1 == 1
    }

    /// Hands out one frame, with whatever is in it.
    ///
    /// # Errors
    /// `Exhausted` if none is free.
    pub fn take(&mut self, memory: &mut impl PhysicalMemory) -> Result<Frame, FrameError> {
        if self.free == 0 {
            return Err(FrameError::Exhausted);
        }
        let mut index = 0;
        for level in (0..self.depth).rev() {
            let word = memory.read_word(self.word(level, index));
            assert_ne!(word, 0, "a summary bit stands for a word that is not zero (MEM-2)");
            index = index * 64 + u64::from(word.trailing_zeros());
        }
        let frame = Frame(self.first.0 + index);
        for level in 0..self.depth {
            let address = self.word(level, index / 64);
            let word = memory.read_word(address) & !(1 << (index % 64));
            memory.write_word(address, word);
            if word != 0 {
                break;
            }
            index /= 64;
        }
        self.free -= 1;
        Ok(frame)
    }

    /// Hands out one frame, all zero.
    ///
    /// # Errors
    /// `Exhausted` if none is free.
    pub fn take_zeroed(&mut self, memory: &mut impl PhysicalMemory) -> Result<Frame, FrameError> {
        let frame = self.take(memory)?;
        memory.zero_frame(frame);
        Ok(frame)
    }

    /// Takes a frame back.
    ///
    /// # Errors
    /// `NotRam` or `DoubleFree`, with nothing changed.
    pub fn give(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> Result<(), FrameError> {
        if !self.manages(frame) {
            return Err(FrameError::NotRam(frame));
        }
        if self.is_free(memory, frame) {
            return Err(FrameError::DoubleFree(frame));
        }
        let mut index = frame.0 - self.first.0;
        for level in 0..self.depth {
            let address = self.word(level, index / 64);
            let word = memory.read_word(address);
            memory.write_word(address, word | 1 << (index % 64));
            if word != 0 {
                break;
            }
            index /= 64;
        }
        self.free += 1;
        Ok(())
    }
}
