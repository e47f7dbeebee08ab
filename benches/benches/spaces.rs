//! Instruction counts of address spaces and flushes: `cargo bench -p benches --features instructions`.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use benches::pages::{FIRST, Sharers, Space, elsewhere, pages};
use coldframe_hal::paging::Rights;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Each figure is that of so many operations: divide.
const TIMES: u64 = 1_000;

#[library_benchmark]
#[bench::one(Space::default(), 1)]
#[bench::table(Space::default(), 511)]
fn reserve_and_unmap(mut space: Space, count: u64) -> Space {
    for _ in 0..TIMES {
        space.reserve(pages(count));
        space.unmap(pages(count));
    }
    space
}

// The frame is zeroed, which alone takes 512 words.
#[library_benchmark]
#[bench::one(Space::default())]
fn reserve_touch_and_unmap(mut space: Space) -> Space {
    for _ in 0..TIMES {
        space.reserve(pages(1));
        space.touch(FIRST);
        space.unmap(pages(1));
    }
    space
}

#[library_benchmark]
#[bench::one(Space::resident(pages(1)), 1)]
#[bench::table(Space::resident(pages(511)), 511)]
fn protect_and_back(mut space: Space, count: u64) -> Space {
    for _ in 0..TIMES {
        space.protect(pages(count), Rights::Read);
        space.protect(pages(count), Rights::ReadWrite);
    }
    space
}

#[library_benchmark]
#[bench::one(Space::resident(pages(1)), 1)]
#[bench::table(Space::resident(pages(511)), 511)]
fn move_and_back(mut space: Space, count: u64) -> Space {
    for _ in 0..TIMES {
        space.relocate(pages(count), elsewhere(count).start());
        space.relocate(elsewhere(count), FIRST);
    }
    space
}

// The page is copied, which alone takes 512 words.
#[library_benchmark]
#[bench::one(Space::resident(pages(1)))]
fn copy_write_and_unmap(mut space: Space) -> Space {
    for _ in 0..TIMES {
        space.copy(pages(1), elsewhere(1).start());
        space.touch(FIRST);
        space.unmap(elsewhere(1));
    }
    space
}

#[library_benchmark]
#[bench::one(Sharers::with(1))]
#[bench::three(Sharers::with(3))]
#[bench::fifteen(Sharers::with(15))]
fn flush(mut sharers: Sharers) -> Sharers {
    for _ in 0..TIMES {
        sharers.close_and_open();
    }
    sharers
}

#[library_benchmark]
#[bench::one(Sharers::with(0))]
fn null_call(mut sharers: Sharers) -> Sharers {
    for _ in 0..TIMES {
        sharers.null();
    }
    sharers
}

library_benchmark_group!(
    name = spaces,
    benchmarks = [
        reserve_and_unmap,
        reserve_touch_and_unmap,
        protect_and_back,
        move_and_back,
        copy_write_and_unmap,
        flush,
        null_call
    ]
);
main!(library_benchmark_groups = spaces);
