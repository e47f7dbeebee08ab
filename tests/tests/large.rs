//! Sixteen CPUs and a hundred thousand threads are an ordinary machine.

use coldframe_abi::{Nanos, UserAddress};
use coldframe_hal::paging::Sv39;
use coldframe_kernel::Kernel;
use hal_host::HostMachine;
use sim::ops::{Op, Programs};
use sim::source::Random;
use sim::world::{Progress, World};

#[test]
fn sixteen_cpus_and_a_hundred_thousand_threads() {
    const THREADS: usize = 100_000;
    let machine = HostMachine::<Sv39>::new(16, 200_000, 1);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, 16, map).expect("there is memory");
    let process = kernel.create_process().expect("there is memory");
    kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
    let first = vec![Op::Spawn { program: 1 }, Op::Again { times: u16::MAX }, Op::Spawn { program: 2 }];
    let worker = vec![Op::Sleep(Nanos::from_millis(50)), Op::Yield, Op::Exit];
    // The first program counts to 65 535; its heir makes the rest.
    let heir = vec![Op::Spawn { program: 1 }, Op::Again { times: 40_000 }];
    let mut world = World::new(kernel, 16, Programs::new(vec![first, worker, heir], THREADS));
    let mut source = Random::new(9);
    let mut most = 0;
    loop {
        match world.step(&mut source) {
            Ok(Progress::Going) => {}
            Ok(Progress::Off | Progress::Rest) => break,
            Err(violation) => panic!("{violation}"),
        }
        if world.entries().is_multiple_of(20_000) {
            let alive =
                world.kernel().inspect().timers.iter().filter(|timer| timer.deadline().is_some()).count();
            most = most.max(alive);
        }
    }
    world.audit().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(most > 50_000, "at most {most} threads slept at once");
    assert!(
        world.kernel().machine().status().is_some(),
        "the machine was turned off when the last thread had ended"
    );
    let idle = world.kernel().inspect().queues.iter().all(|queue| queue.queued() == 0);
    assert!(idle, "nobody waits for a CPU");
}
