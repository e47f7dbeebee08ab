//! Frames that follow each other: powers of two, naturally aligned, between limits.

use coldframe_hal::{Frame, FrameRun, PhysicalMemory};

use super::zone::{ZONE_FRAMES, ZONE_WORDS, Zone, ones};
use super::{FrameError, Frames};

/// The largest block has 2^this frames: a tebibyte.
const MAX_ORDER: u32 = 28;
/// A block of a word of a bitmap.
const WORD_ORDER: u32 = 6;
/// A block of 64 words.
const GROUP_ORDER: u32 = 12;
/// A block of a zone.
const ZONE_ORDER: u32 = 15;
/// How many orders there are from that of a word to that of a zone.
pub(crate) const BARREN_ORDERS: usize = (ZONE_ORDER - WORD_ORDER) as usize + 1;

/// Where the frames of a request may lie: what a device can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Not below this frame.
    pub from: Frame,
    /// Wholly below this frame.
    pub below: Frame,
}

impl Limits {
    /// Anywhere.
    pub const NONE: Self = Self { from: Frame(0), below: Frame(u64::MAX) };

    /// What of a run lies between them.
    const fn cut(self, run: FrameRun) -> FrameRun {
        let start = if self.from.0 > run.start.0 { self.from } else { run.start };
        let end = if self.below.0 < run.end().0 { self.below } else { run.end() };
        FrameRun { start, count: end.0.saturating_sub(start.0) }
    }

    /// The same as bits of a zone.
    const fn inside(self, zone: Zone) -> (u64, u64) {
        let end = self.below.0.saturating_sub(zone.first.0);
        (self.from.0.saturating_sub(zone.first.0), if end < ZONE_FRAMES { end } else { ZONE_FRAMES })
    }
}

/// The first bits of aligned runs of 2^order ones in a word.
const fn aligned(word: u64, order: u32) -> u64 {
    const FIRSTS: [u64; 7] = [
        u64::MAX,
        0x5555_5555_5555_5555,
        0x1111_1111_1111_1111,
        0x0101_0101_0101_0101,
        0x0001_0001_0001_0001,
        0x0000_0001_0000_0001,
        1,
    ];
    let (mut ones, mut step) = (word, 0);
    while step < order {
        ones &= ones >> (1 << step);
        step += 1;
    }
    ones & FIRSTS[order as usize]
}

impl Frames {
    /// Hands out `count` frames that follow each other, aligned to the next power of two. Once out, they are only
    /// frames: any part of them may go back.
    ///
    /// # Errors
    /// `Exhausted` if there is no such block, `BadSize` for none at all or more than a tebibyte.
    pub fn take_run(
        &mut self,
        memory: &mut impl PhysicalMemory,
        count: u64,
        limits: Limits,
    ) -> Result<FrameRun, FrameError> {
        if count == 0 || count > 1 << MAX_ORDER {
            return Err(FrameError::BadSize(count));
        }
        if count > self.free || memory.refuses() {
            return Err(FrameError::Exhausted);
        }
        let order = count.next_power_of_two().trailing_zeros();
        let start = self.find_block(memory, order, limits).ok_or(FrameError::Exhausted)?;
        self.take_block(memory, start, order);
        let tail = FrameRun { start: Frame(start.0 + count), count: (1 << order) - count };
        self.put_back(memory, tail);
        self.free -= count;
        Ok(FrameRun { start, count })
    }

    fn find_block(&mut self, memory: &mut impl PhysicalMemory, order: u32, limits: Limits) -> Option<Frame> {
        if order > ZONE_ORDER {
            return self.find_zones(memory, order, limits);
        }
        let found = if order < WORD_ORDER {
            self.find_touched(memory, order, limits, 0).ok()
        } else {
            let barren = (order - WORD_ORDER) as usize;
            let found = self.find_touched(memory, order, limits, self.barren[barren]);
            if limits == Limits::NONE {
                self.barren[barren] = match found {
                    Ok(frame) => self.regions.zone_of(memory, frame)?,
                    Err(end) => end,
                };
            }
            found.ok()
        };
        found.or_else(|| self.find_untouched(memory, order, limits))
    }

    /// Looks in zones that have been reached, from a number on; says where it found nothing more.
    fn find_touched(
        &self,
        memory: &impl PhysicalMemory,
        order: u32,
        limits: Limits,
        from: u64,
    ) -> Result<Frame, u64> {
        let mut number = self.regions.first_zone_from(memory, limits.from).max(from);
        let holders = if order < WORD_ORDER { &self.some } else { &self.whole };
        while let Some(found) = holders.next(memory, number) {
            let zone = self.zone(memory, found);
            if zone.first >= limits.below {
                break;
            }
            if let Some(frame) = zone.find_block(memory, order, limits) {
                return Ok(frame);
            }
            number = found + 1;
        }
        Err(number)
    }

    /// A zone may have larger blocks than it had.
    pub(super) fn look_again(&mut self, number: u64) {
        for barren in &mut self.barren {
            *barren = number.min(*barren);
        }
    }

    /// Looks in zones that nobody has reached, and reaches the one where it finds something.
    fn find_untouched(
        &mut self,
        memory: &mut impl PhysicalMemory,
        order: u32,
        limits: Limits,
    ) -> Option<Frame> {
        if self.pristine == self.regions.zones() {
            return None;
        }
        let from = limits.from.max(self.regions.first_frame(memory, self.pristine));
        for index in 0..self.ram.runs().len() {
            let run = Limits { from, ..limits }.cut(self.ram.runs()[index]);
            if run.count == 0 {
                continue;
            }
            let mut start = run.start.0.next_multiple_of(1 << order);
            while start + (1 << order) <= run.end().0 {
                let number = self.regions.zone_of(memory, Frame(start))?;
                if self.reach(memory, number) {
                    return Some(Frame(start));
                }
                start = (start + 1).next_multiple_of(ZONE_FRAMES);
            }
        }
        None
    }

    /// Looks for zones that follow each other and are wholly free, touched or not.
    fn find_zones(&mut self, memory: &mut impl PhysicalMemory, order: u32, limits: Limits) -> Option<Frame> {
        for index in 0..self.ram.runs().len() {
            let run = limits.cut(self.ram.runs()[index]);
            if run.count == 0 {
                continue;
            }
            let mut start = run.start.0.next_multiple_of(1 << order);
            while start + (1 << order) <= run.end().0 {
                let first = self.regions.zone_of(memory, Frame(start))?;
                let zones = first..first + (1 << (order - ZONE_ORDER));
                let taken = zones.clone().find(|number| {
                    self.reached.has(memory, *number) && !self.zone(memory, *number).is_all_free(memory)
                });
                if taken.is_none() {
                    for number in zones {
                        self.reach(memory, number);
                    }
                    return Some(Frame(start));
                }
                start += 1 << order;
            }
        }
        None
    }

    /// Takes a block that is free.
    fn take_block(&mut self, memory: &mut impl PhysicalMemory, start: Frame, order: u32) {
        let end = start.0 + (1 << order);
        if order < WORD_ORDER {
            let zone = self.known_zone(memory, start);
            let bit = zone.bit_of(start);
            let place = zone.word(bit / 64);
            let old = memory.read_word(place);
            let new = old & !ones(0, bit % 64, bit % 64 + (1 << order));
            memory.write_word(place, new);
            self.note(memory, start, old, new);
            return;
        }
        let mut at = start.0;
        while at < end {
            let zone = self.known_zone(memory, Frame(at));
            if at.is_multiple_of(ZONE_FRAMES) && end - at >= ZONE_FRAMES {
                zone.take_all(memory);
                self.some.set(memory, zone.number, false);
                self.whole.set(memory, zone.number, false);
                at += ZONE_FRAMES;
                continue;
            }
            memory.write_word(zone.word(zone.bit_of(Frame(at)) / 64), 0);
            self.note(memory, Frame(at), u64::MAX, 0);
            at += 64;
        }
    }
}

impl Zone {
    /// Looks for a free block of at most the whole zone.
    fn find_block(self, memory: &impl PhysicalMemory, order: u32, limits: Limits) -> Option<Frame> {
        let (from, below) = limits.inside(self);
        let bit = if order < WORD_ORDER {
            self.find_in_words(memory, order, from, below)
        } else {
            self.find_words(memory, order, from, below)
        };
        bit.map(|bit| Frame(self.first.0 + bit))
    }

    fn find_in_words(self, memory: &impl PhysicalMemory, order: u32, from: u64, below: u64) -> Option<u64> {
        for group in 0..Self::GROUPS {
            let mut words = self.some(memory, group) & ones(group * 64, from / 64, below.div_ceil(64));
            while words != 0 {
                let word = group * 64 + u64::from(words.trailing_zeros());
                words &= words - 1;
                let free = memory.read_word(self.word(word)) & ones(word * 64, from, below);
                let blocks = aligned(free, order);
                if blocks != 0 {
                    return Some(word * 64 + u64::from(blocks.trailing_zeros()));
                }
            }
        }
        None
    }

    fn find_words(self, memory: &impl PhysicalMemory, order: u32, from: u64, below: u64) -> Option<u64> {
        let whole = |group: u64| self.whole(memory, group) & ones(group * 64, from.div_ceil(64), below / 64);
        if order <= GROUP_ORDER {
            return (0..Self::GROUPS).find_map(|group| {
                let blocks = aligned(whole(group), order - WORD_ORDER);
                (blocks != 0).then(|| (group * 64 + u64::from(blocks.trailing_zeros())) * 64)
            });
        }
        let step = 1_u64 << (order - GROUP_ORDER);
        (0..Self::GROUPS / step)
            .map(|block| block * step)
            .find(|first| (*first..*first + step).all(|group| whole(group) == u64::MAX))
            .map(|first| first * 64 * 64)
    }

    fn is_all_free(self, memory: &impl PhysicalMemory) -> bool {
        (0..Self::GROUPS).all(|group| self.whole(memory, group) == u64::MAX)
    }
}

const _: () = assert!(ZONE_WORDS == 64 * Zone::GROUPS, "a block of a group is a group of the record");
