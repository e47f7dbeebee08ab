//! The frame allocator: a bit a frame, in frames of its own, written when their part is first reached.
//!
//! RAM is cut into zones of 128 MiB. The bitmap of a zone fills one frame, and a record beside it says which words of
//! it hold something; trees over the zones say which records do. So one frame is found and given back in as many
//! steps as there are levels, whatever the size of the machine. Bit set means free. The bitmap is the truth (MEM-1);
//! the word that was used last is looked at first, and that is only a hint.

mod block;
mod known;
mod owners;
mod regions;
mod tree;
mod zone;

use core::num::NonZero;

use coldframe_hal::{FRAME_WORDS, Frame, FrameRun, PhysicalAddress, PhysicalMemory};

use block::BARREN_ORDERS;
pub use block::Limits;
use known::Known;
pub(crate) use known::holds_zeros;
pub use known::{Content, Held};
use owners::SECTIONS;
use regions::Regions;
use tree::Tree;
use zone::{RECORD_WORDS, ZONE_FRAMES, Zone, ones};

use crate::{MapFull, MemoryMap};

/// Why frames could not be had or given back: a defect of the caller, except for `Exhausted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// There are no such frames that are free, or no RAM for the allocator itself.
    Exhausted,
    /// There are more runs of RAM than the allocator can hold.
    MapFull,
    /// The frame is free already.
    DoubleFree(Frame),
    /// The frame is not RAM that this allocator manages.
    NotRam(Frame),
    /// The frame is RAM that this allocator manages already.
    KnownRam(Frame),
    /// Nothing was asked for, or more than there can be in one piece.
    BadSize(u64),
    /// The frame has as many owners as can be counted.
    TooManyOwners(Frame),
}

impl From<MapFull> for FrameError {
    fn from(_: MapFull) -> Self {
        Self::MapFull
    }
}

/// The word of a bitmap that is looked at first, and one of the frames that its bits stand for.
#[derive(Clone, Copy, Debug)]
struct Hint {
    word: PhysicalAddress,
    frame: Frame,
}

/// Refuses a run that ends behind the last frame that has a number.
fn nameable(run: FrameRun) -> Result<(), FrameError> {
    run.start.0.checked_add(run.count).map(|_| ()).ok_or(FrameError::NotRam(run.start))
}

/// A run cut where a multiple of `size` is.
fn parts(run: FrameRun, size: u64) -> impl Iterator<Item = FrameRun> {
    let mut at = run.start.0;
    core::iter::from_fn(move || {
        let left = run.end().0 - at;
        let start = Frame(at);
        let count = left.min(size - at % size);
        at += count;
        (count > 0).then_some(FrameRun { start, count })
    })
}

/// The bits of frames that share a word.
const fn bits_of(part: FrameRun) -> u64 {
    ones(part.start.0 & !63, part.start.0, part.start.0 + part.count)
}

/// Frames of a run that are surely RAM, and surely reached: the usual case of `give` looks no further.
#[derive(Clone, Copy, Debug, Default)]
struct Sure {
    start: u64,
    count: u64,
    /// Where the word of the bitmap would be that stands for the frames from 0 on; may wrap.
    bits: u64,
}

impl Sure {
    /// The word of the bitmap for a frame, if that is one of these.
    #[inline(always)]
    const fn place_of(self, frame: Frame) -> Option<PhysicalAddress> {
        if frame.0.wrapping_sub(self.start) < self.count {
            Some(PhysicalAddress(self.bits.wrapping_add(frame.0 / 64 * 8)))
        } else {
            None
        }
    }
}

/// The frames of a machine.
#[derive(Clone, Debug)]
pub struct Frames {
    ram: MemoryMap,
    regions: Regions,
    bitmaps: PhysicalAddress,
    records: PhysicalAddress,
    /// Where the sections of owner counts are that have been made.
    directory: PhysicalAddress,
    /// Which zones have a free frame.
    some: Tree,
    /// Which zones have 64 free frames that share a word.
    whole: Tree,
    /// Which zones have been reached: bitmap and record of the others were never written.
    reached: Tree,
    hint: Hint,
    known: Known,
    /// Of the largest run.
    sure: Sure,
    /// Of another, the last to which a frame went back.
    near: Sure,
    /// Every zone with RAM below this one has been reached.
    pristine: u64,
    /// By order: no zone below this one, of those that have been reached, has a block of this size.
    barren: [u64; BARREN_ORDERS],
    /// How many frames are free and not kept back.
    free: u64,
    /// How many free frames are kept back for sections of owner counts that have not been made.
    kept: u64,
}

impl Frames {
    /// Takes the usable RAM of a machine in charge. A part of it becomes the allocator's own.
    ///
    /// # Errors
    /// `Exhausted` if no run is large enough for that part, or nothing is left.
    pub fn new(memory: &mut impl PhysicalMemory, mut ram: MemoryMap) -> Result<Self, FrameError> {
        let (zones, region_words) = Regions::measure(&ram);
        let tree_words = Tree::words(zones);
        let table_frames = (region_words + tree_words * 3).div_ceil(FRAME_WORDS as u64);
        let record_frames = (zones * RECORD_WORDS).div_ceil(FRAME_WORDS as u64);
        let directory_frames = (zones * SECTIONS).div_ceil(FRAME_WORDS as u64);
        let needed = table_frames + record_frames + directory_frames + zones;
        // From the top: low memory is what old devices can reach.
        let run = ram.runs().iter().rev().find(|run| run.count >= needed).ok_or(FrameError::Exhausted)?;
        let home = Frame(run.end().0 - needed);
        let regions = Regions::new(memory, home.start(), &ram);
        ram.remove(FrameRun { start: home, count: needed })?;
        let mut tree = |number: u64| {
            let words = region_words + number * tree_words;
            Tree::new(memory, PhysicalAddress(home.start().0 + words * 8), zones)
        };
        let records = Frame(home.0 + table_frames);
        let directory = Frame(records.0 + record_frames);
        let bitmaps = Frame(directory.0 + directory_frames).start();
        let kept = owners::sections_of(&ram);
        let mut frames = Self {
            free: ram.frames().checked_sub(kept).ok_or(FrameError::Exhausted)?,
            kept,
            ram,
            regions,
            bitmaps,
            records: records.start(),
            directory: directory.start(),
            some: tree(0),
            whole: tree(1),
            reached: tree(2),
            hint: Hint { word: bitmaps, frame: Frame(0) },
            known: Known::NOTHING,
            sure: Sure::default(),
            near: Sure::default(),
            pristine: 0,
            barren: [0; BARREN_ORDERS],
        };
        let first = frames.reach_next(memory).ok_or(FrameError::Exhausted)?;
        let zone = frames.zone(memory, first);
        frames.hint = Hint { word: zone.word(0), frame: zone.first };
        Ok(frames)
    }

    /// How many frames can be had.
    #[must_use]
    pub const fn free_count(&self) -> u64 {
        self.free
    }

    /// How many free frames are kept back, so that owners can always be counted.
    #[must_use]
    pub const fn kept_back(&self) -> u64 {
        self.kept
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
        let Some(zone) = self.zone_of(memory, frame) else { return false };
        if !self.reached.has(memory, zone.number) {
            return self.manages(frame);
        }
        let bit = zone.bit_of(frame);
        memory.read_word(zone.word(bit / 64)) >> (bit % 64) & 1 == 1
    }

    /// Hands out one frame, with whatever is in it.
    ///
    /// # Errors
    /// `Exhausted` if none is free.
    #[inline(always)]
    pub fn take(&mut self, memory: &mut impl PhysicalMemory) -> Result<Frame, FrameError> {
        if memory.refuses() {
            return Err(FrameError::Exhausted);
        }
        self.free = self.free.checked_sub(1).ok_or(FrameError::Exhausted)?;
        Ok(self.pick(memory))
    }

    /// Finds a free frame; the caller has seen to it that there is one.
    #[inline(always)]
    fn pick(&mut self, memory: &mut impl PhysicalMemory) -> Frame {
        let word = match NonZero::new(memory.read_word(self.hint.word)) {
            Some(word) => word,
            None => self.find_word(memory),
        };
        let frame = Frame(self.hint.frame.0 & !63 | u64::from(word.trailing_zeros()));
        let word = word.get();
        let rest = word & (word - 1);
        memory.write_word(self.hint.word, rest);
        if rest == 0 || word == u64::MAX {
            self.note(memory, frame, word, rest);
        }
        frame
    }

    /// Hands out as many frames as there is room for, or as there are; says how many.
    pub fn take_many(&mut self, memory: &mut impl PhysicalMemory, into: &mut [Frame]) -> usize {
        for (taken, place) in into.iter_mut().enumerate() {
            match self.take(memory) {
                Ok(frame) => *place = frame,
                Err(_) => return taken,
            }
        }
        into.len()
    }

    /// Takes a frame back.
    ///
    /// # Errors
    /// `NotRam` or `DoubleFree`, with nothing changed.
    #[inline(always)]
    pub fn give(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> Result<(), FrameError> {
        self.return_one(memory, frame)?;
        self.known.forget();
        Ok(())
    }

    #[inline(always)]
    fn return_one(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> Result<(), FrameError> {
        let place = match self.sure.place_of(frame).or_else(|| self.near.place_of(frame)) {
            Some(place) => place,
            None => {
                let place = self.place_of(memory, frame)?;
                self.near = self.sure_near(memory, frame);
                place
            }
        };
        let word = memory.read_word(place);
        let more = word | 1 << (frame.0 % 64);
        if more == word {
            return Err(FrameError::DoubleFree(frame));
        }
        memory.write_word(place, more);
        self.hint = Hint { word: place, frame };
        self.free += 1;
        if word == 0 || more == u64::MAX {
            self.note(memory, frame, word, more);
        }
        Ok(())
    }

    /// Takes frames back that follow each other, however they were taken.
    ///
    /// # Errors
    /// `NotRam` or `DoubleFree` for the first frame that cannot be given back, with nothing changed.
    pub fn give_run(&mut self, memory: &mut impl PhysicalMemory, run: FrameRun) -> Result<(), FrameError> {
        nameable(run)?;
        if let Some(stranger) = self.ram.first_missing(run) {
            let known = FrameRun { start: run.start, count: stranger.0 - run.start.0 };
            self.nothing_is_free(memory, known)?;
            return Err(FrameError::NotRam(stranger));
        }
        self.nothing_is_free(memory, run)?;
        self.put_back(memory, run);
        self.free += run.count;
        Ok(())
    }

    /// Takes RAM in charge that something of the boot was using: it is free from now on.
    ///
    /// # Errors
    /// `KnownRam` if a part of it is in charge already; `NotRam` if it is so far from all other RAM that nothing was
    /// kept back for it; `MapFull` if there are too many runs. Nothing has changed then.
    pub fn reclaim(&mut self, memory: &mut impl PhysicalMemory, run: FrameRun) -> Result<(), FrameError> {
        nameable(run)?;
        if let Some(known) = self.ram.within(run).next() {
            return Err(FrameError::KnownRam(known.start));
        }
        for part in parts(run, ZONE_FRAMES) {
            self.zone_of(memory, part.start).ok_or(FrameError::NotRam(part.start))?;
        }
        let more = self.sections_more(run);
        self.ram.add(run)?;
        self.kept += more;
        self.free += run.count - more;
        for part in parts(run, ZONE_FRAMES) {
            let zone = self.known_zone(memory, part.start);
            if self.reached.has(memory, zone.number) {
                self.remember_ram(memory, zone);
                self.put_back(memory, part);
            } else {
                self.pristine = self.pristine.min(zone.number);
            }
        }
        self.make_sure(memory);
        Ok(())
    }

    fn nothing_is_free(&self, memory: &impl PhysicalMemory, run: FrameRun) -> Result<(), FrameError> {
        for part in parts(run, 64) {
            let place = self.place_of(memory, part.start)?;
            let free = memory.read_word(place) & bits_of(part);
            if free != 0 {
                let first = part.start.0 & !63 | u64::from(free.trailing_zeros());
                return Err(FrameError::DoubleFree(Frame(first)));
            }
        }
        Ok(())
    }

    /// Sets the bits of frames that are out, a word at a time.
    fn put_back(&mut self, memory: &mut impl PhysicalMemory, run: FrameRun) {
        for part in parts(run, 64) {
            let zone = self.known_zone(memory, part.start);
            let place = zone.word(zone.bit_of(part.start) / 64);
            let old = memory.read_word(place);
            let new = old | bits_of(part);
            memory.write_word(place, new);
            self.known.forget();
            self.hint = Hint { word: place, frame: part.start };
            if old == 0 || new == u64::MAX {
                self.note(memory, part.start, old, new);
            }
        }
    }

    /// Where the bit of a frame is, if the frame can have been handed out.
    #[cold]
    fn place_of(&self, memory: &impl PhysicalMemory, frame: Frame) -> Result<PhysicalAddress, FrameError> {
        let zone = self.zone_of(memory, frame).ok_or(FrameError::NotRam(frame))?;
        let bit = zone.bit_of(frame);
        let reached = self.reached.has(memory, zone.number);
        let surely = reached && zone.surely_has(memory, bit);
        if !surely && !self.manages(frame) {
            Err(FrameError::NotRam(frame))
        } else if !reached {
            Err(FrameError::DoubleFree(frame))
        } else {
            Ok(zone.word(bit / 64))
        }
    }

    /// More is sure than before.
    fn make_sure(&mut self, memory: &impl PhysicalMemory) {
        let Some(run) = self.ram.runs().iter().rev().max_by_key(|run| run.count) else { return };
        (self.sure, self.near) = (self.sure_of(memory, *run), Sure::default());
    }

    /// What is sure of the run of a frame.
    #[cold]
    fn sure_near(&self, memory: &impl PhysicalMemory, frame: Frame) -> Sure {
        let has_it = |run: &&FrameRun| run.start.0 <= frame.0 && frame.0 < run.end().0;
        self.ram.runs().iter().find(has_it).map_or_else(Sure::default, |run| self.sure_of(memory, *run))
    }

    fn sure_of(&self, memory: &impl PhysicalMemory, run: FrameRun) -> Sure {
        let Some(zone) = self.zone_of(memory, run.start) else { return Sure::default() };
        let end = if self.pristine == self.regions.zones() {
            run.end()
        } else {
            run.end().min(self.regions.first_frame(memory, self.pristine))
        };
        Sure {
            start: run.start.0,
            count: end.0.saturating_sub(run.start.0),
            bits: zone.bitmap.0.wrapping_sub(zone.first.0 / 64 * 8),
        }
    }

    /// Makes the hint point to a word with a free frame, and returns the word.
    #[cold]
    fn find_word(&mut self, memory: &mut impl PhysicalMemory) -> NonZero<u64> {
        let near = self.zone_of(memory, self.hint.frame).filter(|zone| self.reached.has(memory, zone.number));
        let word = match near.and_then(|zone| zone.first_word(memory).map(|word| (zone, word))) {
            Some(found) => Some(found),
            None => {
                let number = self.some.next(memory, 0).or_else(|| self.reach_next(memory));
                let zone = number.map(|number| self.zone(memory, number));
                zone.and_then(|zone| zone.first_word(memory).map(|word| (zone, word)))
            }
        };
        let (zone, word) = word.unwrap_or_else(|| unreachable!("free frames are counted (MEM-1)"));
        self.hint = Hint { word: zone.word(word), frame: Frame(zone.first.0 + word * 64) };
        let word = NonZero::new(memory.read_word(self.hint.word));
        word.unwrap_or_else(|| unreachable!("a record knows which words are not zero (MEM-2)"))
    }

    /// A word of a bitmap has become empty or full, or is so no longer: record and trees follow.
    #[inline(never)]
    fn note(&mut self, memory: &mut impl PhysicalMemory, frame: Frame, old: u64, new: u64) {
        let zone = self.known_zone(memory, frame);
        let word = zone.bit_of(frame) / 64;
        if (old == 0) != (new == 0) && zone.note_some(memory, word, new != 0) {
            self.some.set(memory, zone.number, new != 0);
        }
        if (old == u64::MAX) == (new == u64::MAX) {
            return;
        }
        if zone.note_whole(memory, word, new == u64::MAX) {
            self.whole.set(memory, zone.number, new == u64::MAX);
        }
        if new == u64::MAX {
            self.look_again(zone.number);
        }
    }

    #[inline]
    fn zone_of(&self, memory: &impl PhysicalMemory, frame: Frame) -> Option<Zone> {
        let number = self.regions.zone_of(memory, frame)?;
        Some(self.place(number, Frame(frame.0 & !(ZONE_FRAMES - 1))))
    }

    /// The zone of a frame that has been looked up before.
    fn known_zone(&self, memory: &impl PhysicalMemory, frame: Frame) -> Zone {
        self.zone_of(memory, frame).unwrap_or_else(|| unreachable!("{frame:?} has a bit"))
    }

    fn zone(&self, memory: &impl PhysicalMemory, number: u64) -> Zone {
        self.place(number, self.regions.first_frame(memory, number))
    }

    #[inline]
    const fn place(&self, number: u64, first: Frame) -> Zone {
        Zone {
            number,
            first,
            bitmap: PhysicalAddress(self.bitmaps.0 + number * FRAME_WORDS as u64 * 8),
            record: PhysicalAddress(self.records.0 + number * RECORD_WORDS * 8),
        }
    }

    /// Reaches the first zone that has RAM and that nobody has reached yet.
    fn reach_next(&mut self, memory: &mut impl PhysicalMemory) -> Option<u64> {
        while self.pristine < self.regions.zones() {
            let number = self.pristine;
            self.pristine += 1;
            if self.reach(memory, number) {
                self.make_sure(memory);
                return Some(number);
            }
        }
        None
    }

    /// Writes bitmap and record of a zone for the first time; false if it had been reached, or has no RAM.
    fn reach(&mut self, memory: &mut impl PhysicalMemory, number: u64) -> bool {
        let zone = self.zone(memory, number);
        if self.reached.has(memory, number) || self.ram.within(zone.frames()).next().is_none() {
            return false;
        }
        let (some, whole) = zone.write(memory, &self.ram);
        self.remember_ram(memory, zone);
        self.reached.set(memory, number, true);
        self.look_again(number);
        if some {
            self.some.set(memory, number, true);
        }
        if whole {
            self.whole.set(memory, number, true);
        }
        true
    }

    fn remember_ram(&self, memory: &mut impl PhysicalMemory, zone: Zone) {
        let mut pieces = self.ram.within(zone.frames());
        let only = pieces.next().filter(|_| pieces.next().is_none());
        zone.remember_ram(memory, only);
    }
}
