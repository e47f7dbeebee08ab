//! From frames to zones: RAM that lies far apart is numbered without the gaps.

use coldframe_hal::{Frame, PhysicalAddress, PhysicalMemory};

use super::zone::ZONE_FRAMES;
use crate::MemoryMap;

/// Runs with a smaller gap between them, in zones, share a region: the hole below 4 GiB of a PC is one.
const GAP: u64 = 8;

/// How long the record of a region is, in words.
const WORDS: u64 = 3;

/// Zones that follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Region {
    /// The address of the first, in zones.
    start: u64,
    count: u64,
    /// The number of the first.
    number: u64,
}

/// The regions of a map, in order.
fn regions(ram: &MemoryMap) -> impl Iterator<Item = Region> {
    let mut number = 0;
    let mut runs = ram.runs().iter().peekable();
    core::iter::from_fn(move || {
        let run = runs.next()?;
        let start = run.start.0 / ZONE_FRAMES;
        let mut end = run.end().0.div_ceil(ZONE_FRAMES);
        while let Some(run) = runs.next_if(|run| run.start.0 / ZONE_FRAMES <= end + GAP) {
            end = run.end().0.div_ceil(ZONE_FRAMES);
        }
        let region = Region { start, count: end - start, number };
        number += region.count;
        Some(region)
    })
}

/// All zones of a machine, by address and by number.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    table: PhysicalAddress,
    length: u64,
    zones: u64,
    /// The one with the most zones: nearly every frame is in it.
    largest: Region,
}

impl Regions {
    /// How many zones the RAM of a map has, and how many words the table of its regions takes.
    pub(crate) fn measure(ram: &MemoryMap) -> (u64, u64) {
        regions(ram).fold((0, 0), |(zones, words), region| (zones + region.count, words + WORDS))
    }

    pub(crate) fn new(memory: &mut impl PhysicalMemory, table: PhysicalAddress, ram: &MemoryMap) -> Self {
        let mut all = Self { table, length: 0, zones: 0, largest: Region::default() };
        for region in regions(ram) {
            for (word, value) in (0..).zip([region.start, region.count, region.number]) {
                memory.write_word(all.word(all.length, word), value);
            }
            all.length += 1;
            all.zones += region.count;
            if region.count > all.largest.count {
                all.largest = region;
            }
        }
        all
    }

    /// How many zones there are.
    pub(crate) const fn zones(&self) -> u64 {
        self.zones
    }

    const fn word(&self, region: u64, word: u64) -> PhysicalAddress {
        PhysicalAddress(self.table.0 + (region * WORDS + word) * 8)
    }

    fn read(&self, memory: &impl PhysicalMemory, region: u64) -> Region {
        let [start, count, number] = [0, 1, 2].map(|word| memory.read_word(self.word(region, word)));
        Region { start, count, number }
    }

    /// The last region that `is` true of, which is true of the first ones.
    fn last(&self, memory: &impl PhysicalMemory, is: impl Fn(Region) -> bool) -> Option<Region> {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = u64::midpoint(low, high);
            if is(self.read(memory, middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low > 0).then(|| self.read(memory, low - 1))
    }

    /// The number of the zone that a frame lies in.
    #[inline]
    pub(crate) fn zone_of(&self, memory: &impl PhysicalMemory, frame: Frame) -> Option<u64> {
        let zone = frame.0 / ZONE_FRAMES;
        let inside = zone.wrapping_sub(self.largest.start);
        if inside < self.largest.count { Some(self.largest.number + inside) } else { self.find(memory, zone) }
    }

    #[cold]
    fn find(&self, memory: &impl PhysicalMemory, zone: u64) -> Option<u64> {
        let region = self.last(memory, |region| region.start <= zone)?;
        let inside = zone - region.start;
        (inside < region.count).then_some(region.number + inside)
    }

    /// The number of the first zone that does not lie wholly below a frame.
    pub(crate) fn first_zone_from(&self, memory: &impl PhysicalMemory, frame: Frame) -> u64 {
        let zone = frame.0 / ZONE_FRAMES;
        let region = self.last(memory, |region| region.start <= zone);
        region.map_or(0, |region| region.number + (zone - region.start).min(region.count))
    }

    /// The first frame of a zone.
    pub(crate) fn first_frame(&self, memory: &impl PhysicalMemory, number: u64) -> Frame {
        let region = self.last(memory, |region| region.number <= number).unwrap_or_default();
        Frame((region.start + number - region.number) * ZONE_FRAMES)
    }
}
