//! The boot memory map: what firmware says, made disjoint and sorted.

use coldframe_hal::{Frame, FrameRun};

/// How many separate runs of memory a machine may have.
pub const MAX_RUNS: usize = 256;

/// The map has more separate runs than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFull;

/// Runs of frames: sorted, disjoint, none empty, no two that touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryMap {
    runs: [FrameRun; MAX_RUNS],
    length: usize,
}

impl Default for MemoryMap {
    fn default() -> Self {
        Self { runs: [FrameRun::default(); MAX_RUNS], length: 0 }
    }
}

impl MemoryMap {
    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &[FrameRun] {
        &self.runs[..self.length]
    }

    /// How many frames there are in all.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.runs().iter().map(|run| run.count).sum()
    }

    /// Whether a frame is in one of the runs.
    #[must_use]
    pub fn contains(&self, frame: Frame) -> bool {
        let after = self.runs().partition_point(|run| run.start <= frame);
        after > 0 && self.runs[after - 1].contains(frame)
    }

    /// The first frame of a range that is in none of the runs.
    #[must_use]
    pub fn first_missing(&self, range: FrameRun) -> Option<Frame> {
        let after = self.runs().partition_point(|run| run.start <= range.start);
        let covered = self.runs()[..after].last().map_or(range.start, |run| run.end().max(range.start));
        (covered < range.end()).then_some(covered)
    }

    /// The parts of the runs that lie within a range.
    pub fn within(&self, range: FrameRun) -> impl Iterator<Item = FrameRun> {
        let first = self.runs().partition_point(|run| run.end() <= range.start);
        self.runs()[first..].iter().take_while(move |run| run.start < range.end()).map(move |run| {
            let start = run.start.max(range.start);
            FrameRun { start, count: run.end().min(range.end()).0 - start.0 }
        })
    }

    /// Adds frames, some of which may be there already.
    ///
    /// # Errors
    /// `MapFull` if the run touches no other and there is no room for one more; the map is unchanged.
    pub fn add(&mut self, run: FrameRun) -> Result<(), MapFull> {
        if run.count == 0 {
            return Ok(());
        }
        let first = self.runs().partition_point(|other| other.end() < run.start);
        let behind = self.runs().partition_point(|other| other.start <= run.end());
        if first == behind {
            return self.insert(first, run);
        }
        let start = self.runs[first].start.min(run.start);
        let end = self.runs[behind - 1].end().max(run.end());
        self.runs[first] = FrameRun { start, count: end.0 - start.0 };
        self.delete(first + 1, behind);
        Ok(())
    }

    /// Takes frames out, whether they are there or not.
    ///
    /// # Errors
    /// `MapFull` if that splits a run and there is no room for the second part; the map is unchanged.
    pub fn remove(&mut self, run: FrameRun) -> Result<(), MapFull> {
        if run.count == 0 {
            return Ok(());
        }
        let first = self.runs().partition_point(|other| other.end() <= run.start);
        let behind = self.runs().partition_point(|other| other.start < run.end());
        if first >= behind {
            return Ok(());
        }
        let before = self.runs[first];
        let after = self.runs[behind - 1];
        let head = FrameRun { start: before.start, count: run.start.0.saturating_sub(before.start.0) };
        let tail = FrameRun { start: run.end(), count: after.end().0.saturating_sub(run.end().0) };
        if first + 1 == behind && head.count > 0 && tail.count > 0 {
            self.insert(behind, tail)?;
            self.runs[first] = head;
            return Ok(());
        }
        let mut keep = first;
        for part in [head, tail] {
            if part.count > 0 {
                self.runs[keep] = part;
                keep += 1;
            }
        }
        self.delete(keep, behind);
        Ok(())
    }

    fn insert(&mut self, at: usize, run: FrameRun) -> Result<(), MapFull> {
        if self.length == MAX_RUNS {
            return Err(MapFull);
        }
        self.runs.copy_within(at..self.length, at + 1);
        self.runs[at] = run;
        self.length += 1;
        Ok(())
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.runs.copy_within(to..self.length, from);
        self.length -= to - from;
        self.runs[self.length..].fill(FrameRun::default());
    }
}
