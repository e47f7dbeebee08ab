//! Instruction counts of wait queues: how long a queue is does not matter.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use std::hint::black_box;

use benches::waits::Waits;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Each figure is that of so many operations: divide.
const TIMES: u64 = 1_000;

#[library_benchmark]
#[bench::ten(Waits::equals(10))]
#[bench::many(Waits::equals(100_000))]
#[bench::spread(Waits::spread())]
fn enter_and_leave(mut waits: Waits) -> Waits {
    for _ in 0..TIMES {
        waits.enter_and_leave();
    }
    waits
}

#[library_benchmark]
#[bench::ten(Waits::equals(10))]
#[bench::many(Waits::equals(100_000))]
#[bench::spread(Waits::spread())]
fn first_waiting(mut waits: Waits) -> Waits {
    for _ in 0..TIMES {
        black_box(waits.first());
    }
    waits
}

library_benchmark_group!(name = waits, benchmarks = [enter_and_leave, first_waiting]);
main!(library_benchmark_groups = waits);
