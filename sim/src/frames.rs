//! The frame allocator beside a set: memory full of garbage, operations, and what each of them must do.

use std::collections::{BTreeSet, HashMap};

use coldframe_hal::{FRAME_WORDS, Frame, FrameRun, PhysicalAddress, PhysicalMemory};
use coldframe_memory::{Content, FrameError, Frames, Limits, MemoryMap};

use crate::source::Source;

/// How many frames a zone of the allocator has.
pub const ZONE: u64 = 1 << 15;

/// RAM whose frames hold garbage until they are written; anything beside it must not be touched.
pub struct Garbage {
    ram: MemoryMap,
    written: HashMap<u64, Box<[u64; FRAME_WORDS]>>,
    /// How many words have been written.
    pub words: u64,
}

impl Garbage {
    /// RAM where the map says.
    #[must_use]
    pub fn new(ram: &MemoryMap) -> Self {
        Self { ram: ram.clone(), written: HashMap::new(), words: 0 }
    }

    fn word(frame: Frame, word: usize) -> u64 {
        (frame.0 * FRAME_WORDS as u64 + word as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn frame(&mut self, frame: Frame) -> &mut [u64; FRAME_WORDS] {
        assert!(self.ram.contains(frame), "{frame:?} is no RAM");
        self.written
            .entry(frame.0)
            .or_insert_with(|| Box::new(std::array::from_fn(|word| Self::word(frame, word))))
    }
}

const fn place(address: PhysicalAddress) -> (Frame, usize) {
    (address.frame(), (address.0 / 8) as usize % FRAME_WORDS)
}

impl PhysicalMemory for Garbage {
    fn read_word(&self, address: PhysicalAddress) -> u64 {
        let (frame, word) = place(address);
        assert!(self.ram.contains(frame), "{frame:?} is no RAM");
        self.written.get(&frame.0).map_or_else(|| Self::word(frame, word), |page| page[word])
    }

    fn write_word(&mut self, address: PhysicalAddress, value: u64) {
        self.words += 1;
        let (frame, word) = place(address);
        self.frame(frame)[word] = value;
    }

    fn zero_frame(&mut self, frame: Frame) {
        self.words += FRAME_WORDS as u64;
        self.frame(frame).fill(0);
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        let copy: Vec<u64> = (0..FRAME_WORDS).map(|word| self.read_word(from.word(word))).collect();
        self.words += FRAME_WORDS as u64;
        self.frame(to).copy_from_slice(&copy);
    }

    fn share_kernel_half(&mut self, root: Frame) {
        self.write_word(root.word(KERNEL_WORD), KERNEL_HALF);
    }
}

/// A word of the kernel's half, and what stands there.
const KERNEL_WORD: usize = FRAME_WORDS - 1;
const KERNEL_HALF: u64 = 3;

/// What a frame holds that is said to hold this.
fn word_of(content: Content, word: usize) -> u64 {
    match content {
        Content::Root if word == KERNEL_WORD => KERNEL_HALF,
        Content::Root | Content::Zeros => 0,
    }
}

/// What is asked of an allocator. A `pick` names one of the frames that are out.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the methods")]
pub enum Op {
    Take,
    TakeMany {
        most: usize,
    },
    TakeZeroed,
    TakeHolding {
        content: Content,
    },
    TakeRun {
        count: u64,
        limits: Limits,
    },
    Give {
        pick: u32,
    },
    /// One of those that went out last.
    GiveHolding {
        back: u32,
        content: Content,
    },
    GiveRun {
        pick: u32,
        count: u64,
    },
    AddOwner {
        pick: u32,
    },
    /// A frame that is not out.
    GiveWrong {
        frame: u64,
    },
    /// Frames of a piece of RAM that were kept back.
    Reclaim {
        piece: u32,
        count: u64,
    },
}

/// An allocator, and what it must have.
pub struct Beside {
    memory: Garbage,
    frames: Frames,
    /// All there is, and what of it the allocator is in charge of, but for its own.
    all: MemoryMap,
    known: MemoryMap,
    free: BTreeSet<u64>,
    out: Vec<u64>,
    /// The frames with more than one owner, and how many.
    shared: HashMap<u64, u32>,
    /// Frames that hold counts: the allocator has taken them itself.
    sections: BTreeSet<u64>,
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Beside {
    /// An allocator for all of the RAM but what is kept back; `None` if there is too little.
    #[must_use]
    pub fn new(all: MemoryMap, kept: &[FrameRun]) -> Option<Self> {
        let mut known = all.clone();
        for run in kept {
            known.remove(*run).ok()?;
        }
        let mut memory = Garbage::new(&all);
        let frames = Frames::new(&mut memory, known.clone()).ok()?;
        let ram = known.runs().iter().flat_map(|run| run.start.0..run.end().0);
        let free = ram.filter(|frame| frames.manages(Frame(*frame))).collect();
        Some(Self {
            memory,
            frames,
            all,
            known,
            free,
            out: Vec::new(),
            shared: HashMap::new(),
            sections: BTreeSet::new(),
        })
    }

    /// Does it, and looks at what came of it.
    ///
    /// # Errors
    /// What should have come of it.
    pub fn apply(&mut self, op: Op) -> Result<(), String> {
        match op {
            Op::Take => match self.frames.take(&mut self.memory) {
                Ok(frame) => self.goes_out(frame.0)?,
                Err(error) => check(error == FrameError::Exhausted && self.spare() == 0, || {
                    format!("{error:?} although {} frames are free", self.spare())
                })?,
            },
            Op::TakeMany { most } => {
                let mut into = vec![Frame(0); most];
                let taken = self.frames.take_many(&mut self.memory, &mut into);
                check(taken == most.min(self.spare() as usize), || {
                    format!("{taken} of {most} frames were taken")
                })?;
                for frame in &into[..taken] {
                    self.goes_out(frame.0)?;
                }
            }
            Op::TakeZeroed => {
                let taken = self.frames.take_zeroed(&mut self.memory).map(|frame| (frame, true));
                self.comes_with(taken, Content::Zeros)?;
            }
            Op::TakeHolding { content } => {
                let taken = self.frames.take_holding(&mut self.memory, content);
                self.comes_with(taken.map(|held| (held.frame, held.is_ready)), content)?;
            }
            Op::TakeRun { count, limits } => self.take_run(count, limits)?,
            Op::AddOwner { pick } if !self.out.is_empty() => {
                let frame = self.out[pick as usize % self.out.len()];
                self.add_owner(frame)?;
            }
            Op::AddOwner { .. } => {}
            Op::Give { pick } if !self.out.is_empty() => {
                return self.give(pick as usize % self.out.len(), None);
            }
            Op::GiveHolding { back, content } if !self.out.is_empty() => {
                let last = self.out.len() - 1;
                return self.give(last - (back as usize).min(last), Some(content));
            }
            Op::GiveRun { pick, count } if !self.out.is_empty() => self.give_run(pick, count)?,
            Op::GiveWrong { frame } if !self.out.contains(&frame) && !self.sections.contains(&frame) => {
                self.give_wrong(frame)?
            }
            Op::Reclaim { piece, count } => self.reclaim(piece, count)?,
            Op::Give { .. } | Op::GiveHolding { .. } | Op::GiveRun { .. } | Op::GiveWrong { .. } => {}
        }
        let (counted, free) = (self.frames.free_count(), self.spare());
        check(counted == free, || format!("{counted} frames are said to be free, and {free} are"))
    }

    fn give(&mut self, index: usize, content: Option<Content>) -> Result<(), String> {
        if !self.drop_owner(self.out[index])? {
            return Ok(());
        }
        let frame = self.out.swap_remove(index);
        let given = match content {
            None => self.frames.give(&mut self.memory, Frame(frame)),
            Some(content) => {
                for word in 0..FRAME_WORDS {
                    self.memory.write_word(Frame(frame).word(word), word_of(content, word));
                }
                self.frames.give_holding(&mut self.memory, Frame(frame), content)
            }
        };
        check(given == Ok(()), || format!("{frame} was out and comes back: {given:?}"))?;
        self.free.insert(frame);
        self.give_wrong(frame)
    }

    /// A frame that was taken holds what it is said to.
    fn comes_with(
        &mut self,
        taken: Result<(Frame, bool), FrameError>,
        content: Content,
    ) -> Result<(), String> {
        match taken {
            Ok((frame, is_ready)) => {
                let fits = |word: &usize| self.memory.read_word(frame.word(*word)) == word_of(content, *word);
                check(!is_ready || (0..FRAME_WORDS).all(|word| fits(&word)), || {
                    format!("{frame:?} is said to hold {content:?}")
                })?;
                self.goes_out(frame.0)
            }
            Err(error) => check(error == FrameError::Exhausted && self.spare() == 0, || {
                format!("{error:?} although {} frames are free", self.spare())
            }),
        }
    }

    /// How many frames are free and not kept back.
    fn spare(&self) -> u64 {
        (self.free.len() as u64).saturating_sub(self.frames.kept_back())
    }

    fn add_owner(&mut self, frame: u64) -> Result<(), String> {
        let kept = self.frames.kept_back();
        let added = self.frames.add_owner(&mut self.memory, Frame(frame));
        check(added == Ok(()), || format!("{frame} is out and cannot be shared: {added:?}"))?;
        *self.shared.entry(frame).or_insert(1) += 1;
        if self.frames.kept_back() < kept {
            // One of the free frames holds counts from now on, whichever it is.
            let section =
                self.free.iter().copied().find(|frame| !self.frames.is_free(&self.memory, Frame(*frame)));
            let section = section.ok_or("a section of counts is no frame that was free")?;
            self.free.remove(&section);
            self.sections.insert(section);
        }
        self.counted(frame)
    }

    fn counted(&self, frame: u64) -> Result<(), String> {
        let owners = self.frames.owners(&self.memory, Frame(frame));
        let expected = self.shared.get(&frame).copied().unwrap_or(1);
        check(owners == expected, || format!("{frame} has {owners} owners and not {expected}"))
    }

    /// One owner less; says whether that was the last.
    fn drop_owner(&mut self, frame: u64) -> Result<bool, String> {
        self.counted(frame)?;
        let Some(owners) = self.shared.remove(&frame) else {
            let left = self.frames.drop_owner(&mut self.memory, Frame(frame));
            return check(left == 0, || format!("{left} owners are left of one of {frame}")).map(|()| true);
        };
        let left = self.frames.drop_owner(&mut self.memory, Frame(frame));
        check(left == owners - 1, || format!("{left} owners are left of {owners} of {frame}"))?;
        if left > 1 {
            self.shared.insert(frame, left);
        }
        Ok(false)
    }

    fn goes_out(&mut self, frame: u64) -> Result<(), String> {
        // Whoever has it writes there.
        self.memory.write_word(Frame(frame).word(frame as usize % FRAME_WORDS), frame | 1);
        self.out.push(frame);
        check(self.free.remove(&frame), || format!("{frame} was not free"))
    }

    fn take_run(&mut self, count: u64, limits: Limits) -> Result<(), String> {
        let (size, spare) = (count.next_power_of_two(), self.spare());
        match self.frames.take_run(&mut self.memory, count, limits) {
            Ok(run) => {
                let fits = run.start >= limits.from && run.end() <= limits.below;
                check(run.count == count && run.start.0.is_multiple_of(size) && fits, || {
                    format!("{run:?} is not {count} frames within {limits:?}")
                })?;
                (run.start.0..run.end().0).try_for_each(|frame| self.goes_out(frame))
            }
            Err(error) => {
                let fits = |start: u64| {
                    start.is_multiple_of(size)
                        && start >= limits.from.0
                        && start + size <= limits.below.0
                        && (start..start + size).all(|frame| self.free.contains(&frame))
                };
                let missed = self.free.iter().copied().find(|start| fits(*start));
                check(error == FrameError::Exhausted && (missed.is_none() || count > spare), || {
                    format!("{error:?} although there are {count} frames at {missed:?}")
                })
            }
        }
    }

    fn wrong(&self, frame: u64) -> FrameError {
        if self.free.contains(&frame) {
            FrameError::DoubleFree(Frame(frame))
        } else {
            FrameError::NotRam(Frame(frame))
        }
    }

    fn give_wrong(&mut self, frame: u64) -> Result<(), String> {
        let (given, wrong) = (self.frames.give(&mut self.memory, Frame(frame)), self.wrong(frame));
        check(given == Err(wrong), || format!("{given:?} and not {wrong:?}"))
    }

    fn give_run(&mut self, pick: u32, count: u64) -> Result<(), String> {
        let start = self.out[pick as usize % self.out.len()];
        let run = FrameRun { start: Frame(start), count };
        if self.shared.keys().chain(&self.sections).any(|frame| run.contains(Frame(*frame))) {
            return Ok(());
        }
        let stranger = (start..start + count).find(|frame| !self.out.contains(frame));
        let expected = stranger.map_or(Ok(()), |frame| Err(self.wrong(frame)));
        let given = self.frames.give_run(&mut self.memory, run);
        check(given == expected, || format!("{given:?} and not {expected:?} for {run:?}"))?;
        if given.is_ok() {
            self.out.retain(|frame| !run.contains(Frame(*frame)));
            self.free.extend(start..start + count);
        }
        Ok(())
    }

    fn reclaim(&mut self, piece: u32, count: u64) -> Result<(), String> {
        let pieces = self.all.runs();
        let piece = pieces[piece as usize % pieces.len()];
        let known = |frame: &u64| self.known.contains(Frame(*frame));
        let unknown = (piece.start.0..piece.end().0).skip_while(known).take_while(|frame| !known(frame));
        let unknown: Vec<u64> = unknown.take(count as usize).collect();
        let Some(first) = unknown.first() else { return Ok(()) };
        let run = FrameRun { start: Frame(*first), count: unknown.len() as u64 };
        match self.frames.reclaim(&mut self.memory, run) {
            Ok(()) => {
                self.free.extend(unknown);
                self.known.add(run).map_err(|error| format!("{error:?}"))
            }
            // So far from all other RAM that it has no bits.
            Err(error) => check(matches!(error, FrameError::NotRam(_)), || format!("{error:?}")),
        }
    }

    /// Everything comes back, and everything can be had again.
    ///
    /// # Errors
    /// What is missing.
    pub fn finish(mut self) -> Result<(), String> {
        for frame in std::mem::take(&mut self.out) {
            while !self.drop_owner(frame)? {}
            check(!self.frames.is_free(&self.memory, Frame(frame)), || format!("{frame} is out and free"))?;
            let given = self.frames.give(&mut self.memory, Frame(frame));
            check(given == Ok(()), || format!("{frame} was out and comes back: {given:?}"))?;
            self.free.insert(frame);
        }
        let busy = self.free.iter().find(|frame| !self.frames.is_free(&self.memory, Frame(**frame)));
        check(busy.is_none(), || format!("{busy:?} is not free"))?;
        for _ in 0..self.spare() {
            self.apply(Op::Take)?;
        }
        check(self.frames.take(&mut self.memory).is_err(), || "there is more than there is".to_owned())
    }
}

/// An address near an edge of a zone: of the first ones, of a near and of a far one.
fn address(source: &mut dyn Source) -> u64 {
    let edge = [0, 64, ZONE, ZONE * 2, ZONE * 3, ZONE * 90][source.choose(6) as usize];
    (edge + u64::from(source.choose(400))).saturating_sub(150)
}

fn limits(source: &mut dyn Source) -> Limits {
    let mut limits = Limits::NONE;
    match source.choose(6) {
        0 => limits.from = Frame(address(source)),
        1 => limits.below = Frame(address(source)),
        2 => (limits.from, limits.below) = (Frame(address(source)), Frame(address(source))),
        _ => {}
    }
    limits
}

fn op(source: &mut dyn Source) -> Op {
    let pick = u32::MAX;
    let content = if source.choose(2) == 0 { Content::Root } else { Content::Zeros };
    match source.choose(30) {
        0..4 => Op::Take,
        4 => Op::TakeMany { most: source.choose(200) as usize },
        5..9 => {
            let counts = [1, 2, 3, 16, 64, 65, 128, 1 + u64::from(source.choose(300))];
            Op::TakeRun { count: counts[source.choose(8) as usize], limits: limits(source) }
        }
        9..12 => Op::Give { pick: source.choose(pick) },
        12 | 13 => Op::GiveRun { pick: source.choose(pick), count: 1 + u64::from(source.choose(150)) },
        14 => Op::GiveWrong { frame: address(source) },
        15 | 16 => Op::AddOwner { pick: source.choose(pick) },
        17..20 => Op::TakeZeroed,
        20..22 => Op::TakeHolding { content },
        22..29 => Op::GiveHolding { back: source.choose(4), content },
        _ => Op::Reclaim { piece: source.choose(pick), count: 1 + u64::from(source.choose(80)) },
    }
}

fn run(source: &mut dyn Source, most: u32) -> FrameRun {
    FrameRun { start: Frame(address(source)), count: u64::from(source.choose(most)) }
}

/// Draws a machine and operations, and does them.
///
/// # Errors
/// The first that goes wrong, and how.
pub fn drawn(source: &mut dyn Source, most: u32) -> Result<(), String> {
    let mut all = MemoryMap::default();
    for _ in 0..=source.choose(6) {
        all.add(run(source, 300)).map_err(|error| format!("{error:?}"))?;
    }
    let kept: Vec<FrameRun> = (0..source.choose(4)).map(|_| run(source, 60)).collect();
    let Some(mut beside) = Beside::new(all, &kept) else { return Ok(()) };
    for number in 0..source.choose(most) {
        let op = op(source);
        beside.apply(op).map_err(|problem| format!("{number}: {op:?}: {problem}"))?;
    }
    beside.finish()
}
