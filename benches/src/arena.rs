//! Frame allocators in the state in which they are measured: a half-full arena of which every other frame is random.

use coldframe_hal::{FRAME_WORDS, Frame, FrameRun, PhysicalAddress, PhysicalMemory};
use coldframe_memory::{Frames, Limits, MemoryMap};

/// So much RAM there really is: 512 MiB, of which the host gives what is touched.
const WORDS: usize = 1 << 26;

/// RAM as a window on metal shows it: reached without a check. What lies further away is the same memory again; what an
/// allocator touches in these benches, even of 127 TiB, does not meet.
pub struct Window(Box<[u64; WORDS]>);

impl Default for Window {
    fn default() -> Self {
        let words = vec![0; WORDS].into_boxed_slice();
        Self(words.try_into().unwrap_or_else(|_| unreachable!("it was made with this length")))
    }
}

const fn index(address: PhysicalAddress) -> usize {
    (address.0 / 8) as usize % WORDS
}

impl PhysicalMemory for Window {
    #[inline]
    fn read_word(&self, address: PhysicalAddress) -> u64 {
        self.0[index(address)]
    }

    #[inline]
    fn write_word(&mut self, address: PhysicalAddress, value: u64) {
        self.0[index(address)] = value;
    }

    fn zero_frame(&mut self, frame: Frame) {
        let start = index(frame.start());
        self.0[start..start + FRAME_WORDS].fill(0);
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        let start = index(from.start());
        self.0.copy_within(start..start + FRAME_WORDS, index(to.start()));
    }

    fn share_kernel_half(&mut self, _root: Frame) {}
}

/// The frames of a machine, some of them out.
pub struct Arena {
    /// The RAM.
    pub memory: Window,
    /// The allocator.
    pub frames: Frames,
    /// What is out, in no order.
    pub out: Vec<Frame>,
}

/// The same numbers every time, in no order.
pub struct Shuffle(u64);

impl Shuffle {
    /// From the beginning.
    #[must_use]
    pub const fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Any order.
    pub fn mix<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}

impl Default for Shuffle {
    fn default() -> Self {
        Self::new()
    }
}

/// RAM that is cut into so many runs of the same length.
///
/// # Panics
/// If there are more than fit.
#[must_use]
pub fn map(frames: u64, runs: u64) -> MemoryMap {
    let mut map = MemoryMap::default();
    let each = frames / runs;
    for index in 0..runs {
        let run = FrameRun { start: Frame(index * each), count: each - u64::from(runs > 1) };
        map.add(run).unwrap_or_else(|error| panic!("{error:?}"));
    }
    map
}

impl Arena {
    /// A fresh machine.
    ///
    /// # Panics
    /// If there is no room for the allocator itself.
    #[must_use]
    pub fn new(frames: u64, runs: u64) -> Self {
        let mut memory = Window::default();
        let frames = Frames::new(&mut memory, map(frames, runs)).unwrap_or_else(|error| panic!("{error:?}"));
        Self { memory, frames, out: Vec::new() }
    }

    /// A machine with `used` frames reached, of which a random half has come back.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn half_full(frames: u64, runs: u64, used: usize) -> Self {
        let mut arena = Self::new(frames, runs);
        arena.out = vec![Frame(0); used];
        let taken = arena.frames.take_many(&mut arena.memory, &mut arena.out);
        arena.out.truncate(taken);
        Shuffle::new().mix(&mut arena.out);
        for frame in arena.out.split_off(taken / 2) {
            arena.frames.give(&mut arena.memory, frame).unwrap_or_else(|error| panic!("{error:?}"));
        }
        arena
    }

    /// 16 GiB in which every mebibyte but a few of the last ones holds a frame that is out.
    ///
    /// # Panics
    /// If there are fewer frames.
    #[must_use]
    pub fn fragmented() -> Self {
        const FRAMES: u64 = 16 << 18;
        let mut arena = Self::new(FRAMES, 1);
        let mut shuffle = Shuffle::new();
        let mut keep = Vec::new();
        while let Ok(block) = arena.frames.take_run(&mut arena.memory, 256, Limits::NONE) {
            arena.out.extend((block.start.0..block.end().0).map(Frame));
            let hole = block.start.0 + shuffle.below(256);
            if block.start.0 < FRAMES - FRAMES / 50 {
                keep.push(hole);
            }
        }
        keep.sort_unstable();
        for frame in std::mem::take(&mut arena.out) {
            if keep.binary_search(&frame.0).is_err() {
                arena.frames.give(&mut arena.memory, frame).unwrap_or_else(|error| panic!("{error:?}"));
            }
        }
        arena
    }
}
