//! Instruction counts of the frame allocator, and of what others use: `cargo bench -p benches --features instructions`.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use std::hint::black_box;

use benches::arena::{Arena, Shuffle, Window, map};
use bitmap_allocator::{BitAlloc, BitAlloc1M};
use buddy_system_allocator::FrameAllocator;
use coldframe_memory::{Frames, Limits, MemoryMap};
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Each figure is that of so many operations: divide.
const TIMES: u64 = 1_000;

fn gib() -> Arena {
    Arena::half_full(1 << 20, 1, 1 << 20)
}

fn small() -> Arena {
    Arena::half_full(1 << 14, 1, 10_000)
}

fn huge() -> Arena {
    Arena::half_full(127 << 28, 200, 10_000)
}

// Each frame that comes back is any of those that are out: the allocator never gets the one that it gave last.
#[library_benchmark]
#[bench::gib(gib())]
#[bench::small(small())]
#[bench::huge(huge())]
fn frame_in_random_order(mut arena: Arena) -> Arena {
    let Arena { memory, frames, out } = &mut arena;
    for place in out.iter_mut().take(TIMES as usize) {
        if frames.give(memory, *place).is_ok()
            && let Ok(frame) = frames.take(memory)
        {
            *place = frame;
        }
    }
    arena
}

#[library_benchmark]
#[bench::gib(gib())]
#[bench::small(small())]
#[bench::huge(huge())]
fn frame_last_in_first_out(mut arena: Arena) -> Arena {
    let Arena { memory, frames, .. } = &mut arena;
    for _ in 0..TIMES {
        if let Ok(frame) = frames.take(memory) {
            let _ = frames.give(memory, black_box(frame));
        }
    }
    arena
}

/// What others make of the same GiBs: all taken, and a random half given back.
fn same_for_others<T>(
    allocator: T,
    take: fn(&mut T) -> Option<usize>,
    give: fn(&mut T, usize),
) -> (T, Vec<usize>) {
    let mut allocator = allocator;
    let mut out: Vec<usize> = std::iter::from_fn(|| take(&mut allocator)).collect();
    Shuffle::new().mix(&mut out);
    for frame in out.split_off(out.len() / 2) {
        give(&mut allocator, frame);
    }
    (allocator, out)
}

fn bitmap() -> (Box<BitAlloc1M>, Vec<usize>) {
    let mut allocator = Box::new(BitAlloc1M::default());
    allocator.insert(0..1 << 20);
    same_for_others(allocator, |bits| bits.alloc(), |bits, frame| assert!(bits.dealloc(frame)))
}

fn buddy() -> (FrameAllocator, Vec<usize>) {
    let mut allocator = FrameAllocator::new();
    allocator.add_frame(0, 1 << 20);
    same_for_others(allocator, |buddies| buddies.alloc(1), |buddies, frame| buddies.dealloc(frame, 1))
}

#[library_benchmark]
#[bench::gib(bitmap())]
fn bitmap_allocator_in_random_order(
    (mut allocator, mut out): (Box<BitAlloc1M>, Vec<usize>),
) -> (Box<BitAlloc1M>, Vec<usize>) {
    for place in out.iter_mut().take(TIMES as usize) {
        if allocator.dealloc(*place)
            && let Some(frame) = allocator.alloc()
        {
            *place = frame;
        }
    }
    (allocator, out)
}

#[library_benchmark]
#[bench::gib(buddy())]
fn buddy_system_allocator_in_random_order(
    (mut allocator, mut out): (FrameAllocator, Vec<usize>),
) -> (FrameAllocator, Vec<usize>) {
    for place in out.iter_mut().take(TIMES as usize) {
        allocator.dealloc(*place, 1);
        if let Some(frame) = allocator.alloc(1) {
            *place = frame;
        }
    }
    (allocator, out)
}

#[library_benchmark]
#[bench::fragmented(Arena::fragmented())]
fn mebibyte(mut arena: Arena) -> Arena {
    let Arena { memory, frames, .. } = &mut arena;
    for _ in 0..TIMES {
        if let Ok(run) = frames.take_run(memory, 256, Limits::NONE) {
            let _ = black_box(frames.give_run(memory, run));
        }
    }
    arena
}

// One operation of this many is one start.
#[library_benchmark]
#[bench::huge((Window::default(), map(127 << 28, 200)))]
fn start((mut memory, map): (Window, MemoryMap)) -> (Window, Option<Frames>) {
    let frames = Frames::new(&mut memory, map).ok();
    (memory, frames)
}

library_benchmark_group!(
    name = memory,
    benchmarks = [
        frame_in_random_order,
        frame_last_in_first_out,
        bitmap_allocator_in_random_order,
        buddy_system_allocator_in_random_order,
        mebibyte,
        start
    ]
);
main!(library_benchmark_groups = memory);
