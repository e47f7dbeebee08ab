//! How many owners a frame has: four bytes a frame, in sections of one frame each, made when their part is first
//! shared.
//!
//! A frame that is out and has no count belongs to one owner. So many free frames are kept back that a section can
//! always be made: counting never fails for want of memory.

use coldframe_hal::{FRAME_WORDS, Frame, PhysicalAddress, PhysicalMemory};

use super::zone::{ZONE_FRAMES, Zone};
use super::{FrameError, Frames, parts};
use crate::MemoryMap;

/// Two counts share a word.
const SECTION_FRAMES: u64 = FRAME_WORDS as u64 * 2;
/// How many sections a zone has.
pub(super) const SECTIONS: u64 = ZONE_FRAMES / SECTION_FRAMES;

/// How many sections have RAM: a run may begin or end within one that another has counted.
pub(super) fn sections_of(ram: &MemoryMap) -> u64 {
    let mut last = None;
    let mut count = 0;
    for run in ram.runs() {
        let (first, end) = (run.start.0 / SECTION_FRAMES, run.end().0.div_ceil(SECTION_FRAMES));
        count += end - first - u64::from(last == Some(first));
        last = end.checked_sub(1);
    }
    count
}

/// Where the count of a frame is.
#[derive(Clone, Copy)]
struct Count {
    word: PhysicalAddress,
    shift: u32,
}

impl Count {
    const fn of(section: Frame, frame: Frame) -> Self {
        let index = frame.0 % SECTION_FRAMES;
        Self { word: section.word(index as usize / 2), shift: index as u32 % 2 * 32 }
    }

    fn read(self, memory: &impl PhysicalMemory) -> u32 {
        (memory.read_word(self.word) >> self.shift) as u32
    }

    fn write(self, memory: &mut impl PhysicalMemory, count: u32) {
        let others = memory.read_word(self.word) & !(u64::from(u32::MAX) << self.shift);
        memory.write_word(self.word, others | u64::from(count) << self.shift);
    }
}

impl Frames {
    /// How many owners a frame has that is out.
    #[must_use]
    pub fn owners(&self, memory: &impl PhysicalMemory, frame: Frame) -> u32 {
        self.count_of(memory, frame).map_or(1, |count| count.read(memory).max(1))
    }

    /// Counts one owner more.
    ///
    /// # Errors
    /// `NotRam` if the frame cannot be out, `TooManyOwners` if the count is full; nothing has changed.
    pub fn add_owner(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> Result<(), FrameError> {
        let count = self.make_count(memory, frame)?;
        let owners = count.read(memory).max(1);
        let more = owners.checked_add(1).ok_or(FrameError::TooManyOwners(frame))?;
        count.write(memory, more);
        Ok(())
    }

    /// Takes one owner away and says how many are left; the last one has to give the frame back.
    ///
    /// A count that falls to one is forgotten: whoever is left owns the frame alone.
    pub fn drop_owner(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> u32 {
        let Some(count) = self.count_of(memory, frame) else { return 0 };
        let left = count.read(memory).saturating_sub(1);
        count.write(memory, if left == 1 { 0 } else { left });
        left
    }

    /// How many sections of counts have been made.
    #[must_use]
    pub fn sections_made(&self, memory: &impl PhysicalMemory) -> u64 {
        (0..self.regions.zones())
            .filter(|number| self.reached.has(memory, *number))
            .map(|number| u64::from(self.zone(memory, number).sections(memory).count_ones()))
            .sum()
    }

    const fn section_of(frame: Frame) -> u64 {
        frame.0 % ZONE_FRAMES / SECTION_FRAMES
    }

    const fn directory_entry(&self, zone: Zone, section: u64) -> PhysicalAddress {
        PhysicalAddress(self.directory.0 + (zone.number * SECTIONS + section) * 8)
    }

    fn count_of(&self, memory: &impl PhysicalMemory, frame: Frame) -> Option<Count> {
        let zone = self.zone_of(memory, frame).filter(|zone| self.reached.has(memory, zone.number))?;
        let section = Self::section_of(frame);
        (zone.sections(memory) >> section & 1 == 1).then(|| {
            let home = Frame(memory.read_word(self.directory_entry(zone, section)));
            Count::of(home, frame)
        })
    }

    fn make_count(&mut self, memory: &mut impl PhysicalMemory, frame: Frame) -> Result<Count, FrameError> {
        if let Some(count) = self.count_of(memory, frame) {
            return Ok(count);
        }
        let zone = self.zone_of(memory, frame).filter(|_| self.manages(frame));
        let zone = zone.ok_or(FrameError::NotRam(frame))?;
        if !self.reached.has(memory, zone.number) {
            return Err(FrameError::NotRam(frame));
        }
        let section = Self::section_of(frame);
        assert!(self.kept > 0, "a frame is kept back for every section (MEM-12)");
        self.kept -= 1;
        let home = self.pick(memory);
        memory.zero_frame(home);
        memory.write_word(self.directory_entry(zone, section), home.0);
        zone.note_section(memory, section);
        Ok(Count::of(home, frame))
    }

    /// How many more sections have to be kept back if a run becomes RAM.
    pub(super) fn sections_more(&self, run: coldframe_hal::FrameRun) -> u64 {
        parts(run, SECTION_FRAMES)
            .filter(|part| {
                let start = Frame(part.start.0 & !(SECTION_FRAMES - 1));
                let section = coldframe_hal::FrameRun { start, count: SECTION_FRAMES };
                self.ram.within(section).next().is_none()
            })
            .count() as u64
    }
}
