//! The frame allocator against a set, over memory that is full of garbage and notices who writes where.

use std::collections::BTreeSet;

use coldframe_hal::{Frame, FrameRun};
use coldframe_memory::{FrameError, Frames, Limits, MemoryMap};
use proptest::prelude::*;
use sim::frames::{Garbage, ZONE, drawn};
use sim::source::{Bytes, Random};

const GIB: u64 = 1 << 18;
const TIB: u64 = 1 << 28;

fn run(start: u64, count: u64) -> FrameRun {
    FrameRun { start: Frame(start), count }
}

fn map_of(runs: &[FrameRun]) -> MemoryMap {
    let mut map = MemoryMap::default();
    for run in runs {
        map.add(*run).expect("the runs fit");
    }
    map
}

proptest! {
    #[test]
    fn frames_are_a_set(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        drawn(&mut Bytes::new(&bytes), 200).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn frames_are_a_set_for_long() {
    for seed in 0..200 {
        if let Err(problem) = drawn(&mut Random::new(seed), 600) {
            panic!("seed {seed}: {problem}");
        }
    }
}

/// 127 TiB in 200 runs, none of which starts or ends at a round address.
fn huge() -> MemoryMap {
    let step = 127 * TIB / 200;
    map_of(&(0..200).map(|index| run(index * step + 7 + index * 131, step - 40_000)).collect::<Vec<_>>())
}

#[test]
fn a_huge_machine_starts_by_arithmetic() {
    let map = huge();
    let mut memory = Garbage::new(&map);
    let mut frames = Frames::new(&mut memory, map.clone()).expect("there is memory");
    assert!(
        memory.words * 8 < 1 << 20,
        "{} words were written before the first frame was asked for",
        memory.words
    );
    assert!(
        map.frames() - frames.total() < map.frames() / GIB * 9 + 200,
        "at most 36 KB of each GiB are kept"
    );
    let before = frames.free_count();
    let one = frames.take(&mut memory).expect("there is memory");
    let low = Limits { from: Frame(0), below: Frame(GIB * 4) };
    let high = Limits { from: Frame(64 * TIB), below: Frame(65 * TIB) };
    let device = frames.take_run(&mut memory, 16, low).expect("low memory");
    assert!(device.end() <= Frame(GIB * 4));
    let blocks: Vec<FrameRun> = [512, GIB, GIB * 4, 3, 513, ZONE]
        .map(|count| frames.take_run(&mut memory, count, high).expect("high memory"))
        .to_vec();
    for block in &blocks {
        assert!(block.start >= high.from && block.end() <= high.below);
        assert!(block.start.0.is_multiple_of(block.count.next_power_of_two()));
    }
    let apart: BTreeSet<_> = blocks.iter().map(|block| block.start).collect();
    assert_eq!(apart.len(), blocks.len());
    assert_eq!(before - frames.free_count(), 17 + blocks.iter().map(|block| block.count).sum::<u64>());
    // Once out, a block is only its frames.
    let gib = blocks[1];
    frames.give_run(&mut memory, run(gib.start.0 + 1_000, 5)).expect("a part of a block");
    let again = frames.give_run(&mut memory, run(gib.start.0 + 990, 20));
    assert_eq!(again, Err(FrameError::DoubleFree(Frame(gib.start.0 + 1_000))));
    frames.give(&mut memory, one).expect("it was out");
    assert!(memory.words * 8 < 4 << 20, "only what was reached was written: {} words", memory.words);
}

#[test]
fn what_cannot_be_asked_for_is_said() {
    let map = map_of(&[run(0, 600)]);
    let mut memory = Garbage::new(&map);
    let mut frames = Frames::new(&mut memory, map).expect("there is memory");
    assert_eq!(frames.take_run(&mut memory, 0, Limits::NONE), Err(FrameError::BadSize(0)));
    assert_eq!(frames.take_run(&mut memory, u64::MAX, Limits::NONE), Err(FrameError::BadSize(u64::MAX)));
    assert_eq!(frames.take_run(&mut memory, ZONE * 2, Limits::NONE), Err(FrameError::Exhausted));
    let nowhere = Limits { from: Frame(u64::MAX), below: Frame(u64::MAX) };
    for count in [2, ZONE, ZONE * 2] {
        assert_eq!(frames.take_run(&mut memory, count, nowhere), Err(FrameError::Exhausted));
    }
    let end = run(u64::MAX, 1);
    assert_eq!(frames.give_run(&mut memory, end), Err(FrameError::NotRam(end.start)));
    assert_eq!(frames.reclaim(&mut memory, end), Err(FrameError::NotRam(end.start)));
    assert_eq!(frames.reclaim(&mut memory, run(0, 1)), Err(FrameError::KnownRam(Frame(0))));
    assert_eq!(frames.reclaim(&mut memory, run(TIB, 1)), Err(FrameError::NotRam(Frame(TIB))));
    assert_eq!(frames.give(&mut memory, Frame(u64::MAX)), Err(FrameError::NotRam(Frame(u64::MAX))));
    assert!(Frames::new(&mut memory, MemoryMap::default()).is_err(), "a machine without RAM");
    assert!(Frames::new(&mut memory, map_of(&[run(0, 3)])).is_err(), "too little for the bitmap alone");
}

#[test]
fn no_memory_map_is_too_strange() {
    // Unsorted, overlapping, of no length, and at the end of all that 52 bits can name.
    let end = 1 << 40;
    let map =
        map_of(&[run(end - 40, 40), run(50, 0), run(20, 30), run(0, 30), run(49, 1), run(end - 80, 41)]);
    assert_eq!(map.runs(), [run(0, 50), run(end - 80, 80)]);
    let mut memory = Garbage::new(&map);
    let mut frames = Frames::new(&mut memory, map).expect("there is memory");
    let mut out = 0;
    while frames.take(&mut memory).is_ok() {
        out += 1;
    }
    assert_eq!(out, frames.total() - frames.kept_back());
    assert_eq!(frames.give(&mut memory, Frame(end)), Err(FrameError::NotRam(Frame(end))));
}
