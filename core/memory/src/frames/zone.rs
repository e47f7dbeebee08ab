//! 128 MiB of frames: the bitmap, and the record that says where in it something is.

use coldframe_hal::{Frame, FrameRun, PhysicalAddress, PhysicalMemory};

use crate::MemoryMap;

/// How many frames a zone has: one frame of bits.
pub(crate) const ZONE_FRAMES: u64 = 1 << 15;
/// How many words a bitmap has.
pub(crate) const ZONE_WORDS: u64 = ZONE_FRAMES / 64;

/// How long a record is, in words.
pub(crate) const RECORD_WORDS: u64 = 24;
/// The RAM of the zone, if it is one piece: its first frame, and in the upper half how many.
const RAM: u64 = 0;
/// Which of the next two groups' words are not zero: eight bits each.
const SUMMARY: u64 = 1;
/// Which sections of owner counts have been made: a bit each.
const SECTIONS: u64 = 2;
/// From here on a bit for each word of the bitmap that is not zero.
const SOME: u64 = 8;
/// From here on a bit for each word of the bitmap that is all ones.
const WHOLE: u64 = SOME + GROUP_WORDS;
/// How many words such a group has.
const GROUP_WORDS: u64 = ZONE_WORDS / 64;

/// Where the parts of a zone are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zone {
    pub(crate) number: u64,
    pub(crate) first: Frame,
    pub(crate) bitmap: PhysicalAddress,
    pub(crate) record: PhysicalAddress,
}

impl Zone {
    /// All its frames, RAM or not.
    pub(crate) const fn frames(self) -> FrameRun {
        FrameRun { start: self.first, count: ZONE_FRAMES }
    }

    #[inline]
    pub(crate) const fn bit_of(self, frame: Frame) -> u64 {
        frame.0 % ZONE_FRAMES
    }

    /// Where a word of the bitmap is.
    #[inline]
    pub(crate) const fn word(self, index: u64) -> PhysicalAddress {
        PhysicalAddress(self.bitmap.0 + index * 8)
    }

    #[inline]
    const fn record(self, index: u64) -> PhysicalAddress {
        PhysicalAddress(self.record.0 + index * 8)
    }

    /// Whether the frame is RAM; a zone with holes is not sure.
    #[inline]
    pub(crate) fn surely_has(self, memory: &impl PhysicalMemory, bit: u64) -> bool {
        let ram = memory.read_word(self.record(RAM));
        bit.wrapping_sub(ram & u64::from(u32::MAX)) < ram >> 32
    }

    /// Notes the RAM of the zone if that is one piece.
    pub(crate) fn remember_ram(self, memory: &mut impl PhysicalMemory, only: Option<FrameRun>) {
        let ram = only.map_or(0, |run| (run.start.0 - self.first.0) | (run.count << 32));
        memory.write_word(self.record(RAM), ram);
    }

    /// Writes the bitmap, all RAM free, and the record; says whether a word is not zero, and whether one is all ones.
    pub(crate) fn write(self, memory: &mut impl PhysicalMemory, ram: &MemoryMap) -> (bool, bool) {
        memory.zero_frame(self.bitmap.frame());
        let mut groups = [[0; GROUP_WORDS as usize]; 2];
        for run in ram.within(self.frames()) {
            let (start, end) = (run.start.0 - self.first.0, run.end().0 - self.first.0);
            for index in start / 64..end.div_ceil(64) {
                let place = self.word(index);
                memory.write_word(place, memory.read_word(place) | ones(index * 64, start, end));
            }
            for (group, base) in (0..).step_by(64).enumerate().take(GROUP_WORDS as usize) {
                groups[0][group] |= ones(base, start / 64, end.div_ceil(64));
                // No two runs touch: none of them fills a word that another has begun.
                groups[1][group] |= ones(base, start.div_ceil(64), end / 64);
            }
        }
        let mut summary = 0;
        for (index, word) in (SOME..).zip(groups.into_iter().flatten()) {
            memory.write_word(self.record(index), word);
            summary |= u64::from(word != 0) << (index - SOME);
        }
        memory.write_word(self.record(SUMMARY), summary);
        memory.write_word(self.record(SECTIONS), 0);
        (summary & 0xff != 0, summary >> 8 != 0)
    }

    /// Which sections of owner counts have been made: a bit each.
    pub(crate) fn sections(self, memory: &impl PhysicalMemory) -> u64 {
        memory.read_word(self.record(SECTIONS))
    }

    /// Notes that a section has been made.
    pub(crate) fn note_section(self, memory: &mut impl PhysicalMemory, section: u64) {
        let made = self.sections(memory) | 1 << section;
        memory.write_word(self.record(SECTIONS), made);
    }

    /// Notes that a word is not zero, or is; true if that changed whether the zone has such a word at all.
    pub(crate) fn note_some(self, memory: &mut impl PhysicalMemory, word: u64, is: bool) -> bool {
        self.note(memory, SOME, word, is)
    }

    /// Notes that a word is all ones, or is not; true if that changed whether the zone has such a word at all.
    pub(crate) fn note_whole(self, memory: &mut impl PhysicalMemory, word: u64, is: bool) -> bool {
        self.note(memory, WHOLE, word, is)
    }

    fn note(self, memory: &mut impl PhysicalMemory, group: u64, word: u64, is: bool) -> bool {
        let place = self.record(group + word / 64);
        let old = memory.read_word(place);
        let new = if is { old | 1 << (word % 64) } else { old & !(1 << (word % 64)) };
        memory.write_word(place, new);
        if (old == 0) == (new == 0) {
            return false;
        }
        let bit = 1 << (group - SOME + word / 64);
        let old = memory.read_word(self.record(SUMMARY));
        let new = if is { old | bit } else { old & !bit };
        memory.write_word(self.record(SUMMARY), new);
        let mask = 0xff << (group - SOME);
        (old & mask == 0) != (new & mask == 0)
    }

    /// Notes that every frame is taken. Precondition: every frame was free.
    pub(crate) fn take_all(self, memory: &mut impl PhysicalMemory) {
        memory.zero_frame(self.bitmap.frame());
        memory.write_word(self.record(SUMMARY), 0);
        for index in SOME..RECORD_WORDS {
            memory.write_word(self.record(index), 0);
        }
    }

    /// The first word of the bitmap that is not zero.
    pub(crate) fn first_word(self, memory: &impl PhysicalMemory) -> Option<u64> {
        let summary = memory.read_word(self.record(SUMMARY)) & 0xff;
        if summary == 0 {
            return None;
        }
        let group = u64::from(summary.trailing_zeros());
        let words = memory.read_word(self.record(SOME + group));
        Some(group * 64 + u64::from(words.trailing_zeros()))
    }

    /// 64 bits, one for each word of the bitmap that is not zero, from word `64 * group` on.
    pub(crate) fn some(self, memory: &impl PhysicalMemory, group: u64) -> u64 {
        memory.read_word(self.record(SOME + group))
    }

    /// 64 bits, one for each word of the bitmap that is all ones, from word `64 * group` on.
    pub(crate) fn whole(self, memory: &impl PhysicalMemory, group: u64) -> u64 {
        memory.read_word(self.record(WHOLE + group))
    }

    /// How many groups of 64 words there are.
    pub(crate) const GROUPS: u64 = GROUP_WORDS;
}

/// The bits of a word, of which the lowest stands for `base`, that stand for numbers from `start` on and below `end`.
pub(crate) const fn ones(base: u64, start: u64, end: u64) -> u64 {
    let low = start.saturating_sub(base);
    let high = end.saturating_sub(base);
    if low >= 64 || high <= low {
        return 0;
    }
    let above = if high >= 64 { u64::MAX } else { (1 << high) - 1 };
    above & u64::MAX << low
}
