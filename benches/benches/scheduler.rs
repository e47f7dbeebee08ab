//! Wall times of the scheduler's hot paths, from ten threads to a hundred thousand.

use std::hint::black_box;

use benches::yielders::Yielders;
use coldframe_abi::{Class, CpuId, Instant};
use coldframe_scheduler::Wake;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sim::kit::Kit;

const CPU: CpuId = CpuId(0);
const NOW: Instant = Instant(1_000);
const SIZES: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];

fn scheduler(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick and enqueue");
    for threads in SIZES {
        let mut kit = Kit::busy(threads);
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            bencher.iter(|| {
                let mut scheduler = kit.scheduler();
                scheduler.yield_now(CPU);
                black_box(scheduler.settle(CPU, NOW))
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("block and wake");
    for threads in SIZES {
        let mut kit = Kit::busy(threads);
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            bencher.iter(|| {
                let mut scheduler = kit.scheduler();
                let loose = scheduler.stop(CPU, NOW);
                let thread = loose.thread();
                scheduler.park(loose);
                let _ = scheduler.settle(CPU, NOW);
                let loose = scheduler.take(thread);
                black_box(scheduler.place(loose, Wake::Start, CPU))
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("timer arm and cancel");
    for threads in SIZES {
        let mut kit = Kit::new(1, threads);
        for thread in 1..threads {
            let deadline = Instant(1_000_000 + u64::from(thread) * 7_919);
            kit.timers().arm(thread, CPU, Class::Normal, deadline, NOW);
        }
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            bencher.iter(|| {
                let mut timers = kit.timers();
                timers.arm(0, CPU, Class::Normal, black_box(Instant(77_000_000)), NOW);
                timers.cancel(0);
            });
        });
    }
    group.finish();
}

/// Two threads of one process on one CPU that yield to each other, through the whole kernel.
fn two_threads(criterion: &mut Criterion) {
    let mut yielders = Yielders::new(2);
    criterion.bench_function("switch between two threads", |bencher| {
        bencher.iter(|| yielders.yield_slowly());
    });
    criterion.bench_function("switch between two threads, the fast way", |bencher| {
        bencher.iter(|| yielders.yield_fast());
    });
}

criterion_group!(benches, scheduler, two_threads);
criterion_main!(benches);
