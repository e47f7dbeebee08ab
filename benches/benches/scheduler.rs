//! Wall times of the scheduler's hot paths, from ten threads to a hundred thousand.

use std::hint::black_box;

use coldframe_abi::{Call, Class, CpuId, Instant, UserAddress};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::Kernel;
use coldframe_scheduler::Wake;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hal_host::{HostCpu, HostMachine};
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
    let machine = HostMachine::<Sv39>::new(1, 256, 1);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
    let process = kernel.create_process().expect("there is memory");
    for _ in 0..2 {
        kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
    }
    let mut cpu = HostCpu::new(CPU);
    let _ = kernel.enter(&mut cpu, Trap::Again);
    criterion.bench_function("switch between two threads", |bencher| {
        bencher.iter(|| {
            cpu.registers().request = Call::YieldNow {}.encode();
            black_box(kernel.enter(&mut cpu, Trap::Syscall))
        });
    });
}

criterion_group!(benches, scheduler, two_threads);
criterion_main!(benches);
