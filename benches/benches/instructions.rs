//! Instruction counts of the scheduler's hot paths: `cargo bench -p benches --features instructions`.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use std::hint::black_box;

use coldframe_abi::{Class, CpuId, Instant};
use coldframe_scheduler::Wake;
use gungraun::{library_benchmark, library_benchmark_group, main};
use sim::kit::Kit;

const CPU: CpuId = CpuId(0);
const NOW: Instant = Instant(1_000);
/// Each figure is that of so many operations: divide.
const TIMES: u64 = 1_000;

fn armed(threads: u32) -> Kit {
    let mut kit = Kit::new(1, threads);
    for thread in 1..threads {
        let deadline = Instant(1_000_000 + u64::from(thread) * 7_919);
        kit.timers().arm(thread, CPU, Class::Normal, deadline, NOW);
    }
    kit
}

#[library_benchmark]
#[bench::ten(Kit::busy(10))]
#[bench::many(Kit::busy(100_000))]
fn pick_and_enqueue(mut kit: Kit) -> Kit {
    let mut scheduler = kit.scheduler();
    for _ in 0..TIMES {
        // The running thread is queued again and the next one is picked.
        scheduler.yield_now(CPU);
    }
    kit
}

#[library_benchmark]
#[bench::ten(Kit::busy(10))]
#[bench::many(Kit::busy(100_000))]
fn yield_and_settle(mut kit: Kit) -> Kit {
    let mut scheduler = kit.scheduler();
    for _ in 0..TIMES {
        scheduler.yield_now(CPU);
        black_box(scheduler.settle(CPU, NOW));
    }
    kit
}

// Every thread is a group of its own: each yield ends a turn, and the next group's begins.
#[library_benchmark]
#[bench::ten(Kit::busy_in_groups(10, 10))]
#[bench::many(Kit::busy_in_groups(100_000, 100_000))]
fn pass_the_turn(mut kit: Kit) -> Kit {
    let mut scheduler = kit.scheduler();
    for _ in 0..TIMES {
        scheduler.yield_now(CPU);
        black_box(scheduler.settle(CPU, NOW));
    }
    kit
}

#[library_benchmark]
#[bench::ten(Kit::busy(10))]
#[bench::many(Kit::busy(100_000))]
fn block_and_wake(mut kit: Kit) -> Kit {
    let mut scheduler = kit.scheduler();
    for _ in 0..TIMES {
        let loose = scheduler.stop(CPU, NOW);
        let thread = loose.thread();
        scheduler.park(loose);
        let _ = scheduler.settle(CPU, NOW);
        let loose = scheduler.take(thread);
        let _ = black_box(scheduler.place(loose, Wake::Start, CPU));
    }
    kit
}

#[library_benchmark]
#[bench::ten(armed(10))]
#[bench::many(armed(100_000))]
fn timer_arm_and_cancel(mut kit: Kit) -> Kit {
    let mut timers = kit.timers();
    for _ in 0..TIMES {
        timers.arm(0, CPU, Class::Normal, black_box(Instant(77_000_000)), NOW);
        timers.cancel(0);
    }
    kit
}

library_benchmark_group!(
    name = scheduler,
    benchmarks = [pick_and_enqueue, yield_and_settle, pass_the_turn, block_and_wake, timer_arm_and_cancel]
);
main!(library_benchmark_groups = scheduler);
