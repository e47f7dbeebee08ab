//! Physical memory by the byte and by the frame.

/// The size of a frame in bytes, on every ground.
pub const FRAME_BYTES: u64 = 4096;

/// The size of a frame in machine words.
pub const FRAME_WORDS: usize = 512;

/// A byte of physical memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysicalAddress(pub u64);

/// A frame of physical memory, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(pub u64);

impl Frame {
    /// Its first byte.
    #[must_use]
    pub const fn start(self) -> PhysicalAddress {
        PhysicalAddress(self.0 * FRAME_BYTES)
    }

    /// Its word number `index`.
    #[must_use]
    pub const fn word(self, index: usize) -> PhysicalAddress {
        PhysicalAddress(self.0 * FRAME_BYTES + index as u64 * 8)
    }
}

impl PhysicalAddress {
    /// The frame that the byte lies in.
    #[must_use]
    pub const fn frame(self) -> Frame {
        Frame(self.0 / FRAME_BYTES)
    }
}

/// Frames that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameRun {
    /// The first one.
    pub start: Frame,
    /// How many.
    pub count: u64,
}

impl FrameRun {
    /// The frames that lie wholly inside of a range of bytes.
    #[must_use]
    pub const fn inside(start: u64, length: u64) -> Self {
        let end = start.saturating_add(length) / FRAME_BYTES;
        let first = start.div_ceil(FRAME_BYTES);
        Self { start: Frame(first), count: end.saturating_sub(first) }
    }

    /// The frames that a range of bytes touches.
    #[must_use]
    pub const fn around(start: u64, length: u64) -> Self {
        let first = start / FRAME_BYTES;
        let end = start.saturating_add(length).div_ceil(FRAME_BYTES);
        Self { start: Frame(first), count: if length == 0 { 0 } else { end - first } }
    }

    /// The first frame behind the run.
    #[must_use]
    pub const fn end(self) -> Frame {
        Frame(self.start.0.saturating_add(self.count))
    }

    /// Whether the frame is one of them.
    #[must_use]
    pub const fn contains(self, frame: Frame) -> bool {
        self.start.0 <= frame.0 && frame.0 < self.end().0
    }
}
