//! A hostile program beside honest ones: call after call, and nobody else is the poorer for it.

use coldframe_abi::{CpuId, Nanos, Number, TABLE, UserAddress};
use coldframe_hal::paging::Sv39;
use coldframe_kernel::Kernel;
use hal_host::HostMachine;
use sim::ops::{LAST, Op, Programs, VICTIM, first_window};
use sim::source::{Random, Source};
use sim::world::{Progress, World};

const CPUS: u16 = 4;
const HONEST: usize = 3;
/// How many calls there are, unless `COLDFRAME_HOSTILE_CALLS` says otherwise: ten million take a minute.
const CALLS: u64 = 500_000;
/// How many steps may pass without one of them.
const PATIENCE: u64 = 1_000_000;
/// How much less than its share an honest program may get, in parts of a hundred.
const MISSING: u64 = 2;

/// The first thread of an honest program: one thread a CPU, and all of them compute.
fn honest() -> Vec<Op> {
    let mut ops = Vec::new();
    for cpu in 0..CPUS {
        ops.push(Op::Spawn { program: 1 });
        ops.push(Op::SetAffinity { slot: LAST, cpus: 1 << cpu });
    }
    ops.push(Op::Exit);
    ops
}

/// Every call of the table in drawn order, many times over, and threads that do the same.
fn hostile() -> Vec<Op> {
    let mut source = Random::new(7);
    let mut ops: Vec<_> = (0..CPUS).map(|_| Op::Spawn { program: 3 }).collect();
    for _ in 0..4_000 {
        let number = TABLE[source.choose(TABLE.len() as u32) as usize];
        let seed = source.choose(u32::MAX);
        ops.push(match number {
            // It stays, to make the next call.
            Number::ProcessExit | Number::ThreadExit => Op::Spawn { program: 3 },
            number => Op::Any { number, seed },
        });
    }
    ops.push(Op::Again { times: u16::MAX });
    ops
}

/// Lets those go on that the others have stopped, and makes more.
fn hostile_keeper() -> Vec<Op> {
    let mut ops: Vec<_> = (0..32).map(|slot| Op::Resume { slot }).collect();
    ops.extend([Op::Spawn { program: 3 }, Op::Sleep(Nanos::from_micros(50)), Op::Again { times: u16::MAX }]);
    ops
}

#[test]
fn hostile_calls_cost_nobody_else_anything() {
    let machine = HostMachine::<Sv39>::new(CPUS, 16_384, 3);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, CPUS, map).expect("there is memory");
    let mut computes = vec![Op::Compute(Nanos::from_millis(50)); 16];
    computes.push(Op::Again { times: u16::MAX });
    // A warden that nobody else can touch makes a hostile process, gives it no authority, and ends it before all of its
    // threads have stopped each other.
    let warden = vec![
        Op::VictimCreate { frames: 400 },
        Op::ProcessThread { process: VICTIM, program: 3 },
        Op::ProcessThread { process: VICTIM, program: 4 },
        Op::Sleep(Nanos::from_millis(400)),
        Op::ProcessKill { process: VICTIM },
        Op::VictimForget,
        Op::Again { times: u16::MAX },
    ];
    let programs = Programs::new(vec![honest(), computes, warden, hostile(), hostile_keeper()], usize::MAX);
    let mut budgets = Vec::new();
    for number in 0..=HONEST {
        let process = kernel.create_process_with(1_000).expect("there is memory");
        let program = if number < HONEST { 0 } else { 2 };
        let stack = first_window(number);
        kernel.start_process(process, UserAddress(0), stack, program).expect("there is memory");
        budgets.push(process);
    }
    let mut world = World::new(kernel, CPUS, programs);
    let mut source = Random::new(11);
    let calls = std::env::var("COLDFRAME_HOSTILE_CALLS").map_or(CALLS, |calls| {
        calls.parse().unwrap_or_else(|_| panic!("COLDFRAME_HOSTILE_CALLS is a number, not '{calls}'"))
    });
    let mut made = (0, 0);
    while world.userland().drawn_calls() < calls {
        let since = if made.0 == world.userland().drawn_calls() { made.1 + 1 } else { 0 };
        made = (world.userland().drawn_calls(), since);
        assert!(since < PATIENCE, "nobody makes calls any more after {} of them", made.0);
        match world.step(&mut source) {
            Ok(Progress::Going) => {}
            Ok(progress) => panic!("the machine comes to its end: {progress:?}"),
            Err(violation) => panic!("after {} calls: {violation}", world.userland().drawn_calls()),
        }
    }
    world.audit().unwrap_or_else(|violation| panic!("{violation}"));
    let view = world.kernel().inspect();
    let elapsed = world.now().0;
    for process in &budgets[..HONEST] {
        let threads = view.threads.iter().zip(view.rows).filter(|(thread, _)| thread.process() == process.0);
        let ran: u64 = threads.map(|(_, row)| row.run_time().0).sum();
        // Each of the four programs has one CPU's worth of four.
        let share = elapsed * u64::from(CPUS) / (HONEST as u64 + 1);
        println!("process {} ran for {} of {} ns", process.0, ran, share);
        assert!(ran * 100 >= share * (100 - MISSING), "process {} ran for {ran} of {share} ns", process.0);
    }
    let promised: u64 =
        budgets.iter().map(|process| view.processes[process.0 as usize].budget().left()).sum();
    assert!(view.frames.free_count() >= promised, "what was promised to others is there");
    let online = (0..CPUS).all(|cpu| view.state.online().contains(CpuId(cpu)));
    assert!(online, "whoever has no authority takes no CPU off-line");
}
