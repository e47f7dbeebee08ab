//! A million operations on memory: eight processes on four CPUs, budgets that run out, and peace in the end.

use coldframe_abi::Nanos;
use sim::draw::{memory_op, memory_world};
use sim::ops::Op;
use sim::source::{Random, Source};
use sim::world::Progress;

#[test]
fn a_million_operations_end_in_peace() {
    const OPERATIONS: u64 = 1_000_000;
    let mut source = Random::new(11);
    let mut programs = vec![vec![Op::Sleep(Nanos(u64::MAX))]];
    for _ in 1..8 {
        let mut ops: Vec<_> = (0..100).map(|_| memory_op(&mut source)).map(Op::Memory).collect();
        ops.push(Op::Again { times: 2_600 });
        programs.push(ops);
    }
    // Three of them have so little that they are refused again and again.
    let budgets = [50, 60, 90, 130, 300, 500, 700, 700];
    let mut world = memory_world(4, programs, &budgets, source.choose(u32::MAX));
    loop {
        match world.step(&mut source) {
            Ok(Progress::Going) => {}
            Ok(Progress::Rest) => break,
            Ok(Progress::Off) => panic!("one process never ends"),
            Err(violation) => panic!("{violation}"),
        }
    }
    world.audit().unwrap_or_else(|violation| panic!("{violation}"));
    let done = world.userland().memory_operations();
    assert!(done >= OPERATIONS, "only {done} operations were made");
    let view = world.kernel().inspect();
    let left: Vec<_> = view.processes.iter().filter(|process| process.space().is_some()).collect();
    assert_eq!(left.len(), 1, "all processes but the one that sleeps are gone");
    let spent = view.budget.limit() - view.budget.left();
    assert_eq!(spent, left[0].budget().limit(), "every other budget has come back");
    assert!(view.frames.sections_made(world.kernel().machine()) > 0, "frames were shared and counted");
}
