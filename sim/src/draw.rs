//! Worlds drawn by the same source that later decides their order: a run is not only a new order but a new world.

use coldframe_abi::{
    CapabilityRights, Class, CpuId, Nanos, PageRights, Priority, Request, TABLE, UserAddress,
};

use coldframe_hal::paging::{Rights, Sv39};
use coldframe_kernel::{Kernel, ProcessId, Segment};
use hal_host::HostMachine;

use crate::ops::{GROUPS, Op, PROCESSES, Programs, first_window};
use crate::source::Source;
use crate::window::MemoryOp;
use crate::world::World;

/// A world of programs that are lists of operations.
pub type DrawnWorld = World<Sv39, Programs>;

/// A kind of world.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// How many steps one run has at most.
    pub steps: u64,
    draw: fn(&mut dyn Source, Option<u16>) -> Plan,
}

/// Every kind of drawn world.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "scheduler",
        about: "2 CPUs, 8 threads that compute, yield and sleep for ever",
        steps: 40_000,
        draw: scheduler,
    },
    Kind {
        name: "mixed",
        about: "1 to 16 CPUs, all calls, one or two processes, groups, CPUs that come and go",
        steps: 20_000,
        draw: mixed,
    },
    Kind {
        name: "groups",
        about: "1 to 3 CPUs, threads that only compute, in groups of different size",
        steps: 20_000,
        draw: groups,
    },
    Kind {
        name: "waits",
        about: "1 to 4 CPUs, threads that wait, end, suspend and join each other within microseconds",
        steps: 10_000,
        draw: waits,
    },
    Kind {
        name: "memory",
        about: "1 to 4 CPUs, up to 8 processes whose threads reserve, fill, move, copy and touch pages",
        steps: 20_000,
        draw: memory,
    },
    Kind {
        name: "capabilities",
        about: "1 to 4 CPUs, threads that copy, delete and revoke what they call each other and their groups",
        steps: 10_000,
        draw: capabilities,
    },
    Kind {
        name: "processes",
        about: "1 to 4 CPUs, processes that make others, fill them, restrict them, kill them and wait for them",
        steps: 15_000,
        draw: processes,
    },
    Kind {
        name: "hostile",
        about: "1 to 4 CPUs, requests of random words beside ordinary programs",
        steps: 10_000,
        draw: hostile,
    },
];

/// Where each process of a drawn world has something to print: so many pages, and holes around them.
const TEXT: u64 = 0x7000;
const TEXT_PAGES: u64 = 3;
const PAGE: u64 = 4_096;

struct Plan {
    cpus: u16,
    programs: Vec<Vec<Op>>,
    /// The program of the first thread of each process.
    processes: Vec<u64>,
    threads: usize,
    /// No process may spend more than this, in frames.
    budget: u64,
}

/// A kind is its name.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl Kind {
    /// Draws a world of this kind.
    ///
    /// # Panics
    /// If the kernel cannot be made, which no drawn world should bring about.
    pub fn world(&self, source: &mut dyn Source, cpus: Option<u16>) -> DrawnWorld {
        let plan = (self.draw)(source, cpus);
        let entropy = u64::from(source.choose(u32::MAX));
        let mut machine = HostMachine::new(plan.cpus, 4_096, entropy);
        machine.set_tags([1, 64, plan.cpus + 2, plan.cpus + 3][source.choose(4) as usize]);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, plan.cpus, map).unwrap_or_else(|error| panic!("{error:?}"));
        for (number, program) in plan.processes.into_iter().enumerate() {
            let budget = plan.budget.min(kernel.unspent_frames() / 4);
            let process = kernel.create_process_with(budget).unwrap_or_else(|error| panic!("{error:?}"));
            load_text(&mut kernel, process);
            kernel
                .start_process(process, UserAddress(0), first_window(number), program)
                .unwrap_or_else(|error| panic!("{error:?}"));
        }
        let mut world = World::new(kernel, plan.cpus, Programs::new(plan.programs, plan.threads));
        world.add_readable(TEXT, TEXT + TEXT_PAGES * PAGE);
        world
    }
}

/// Every word of every text is another one, and neighbouring pages are not neighbours in memory: who reads one byte
/// beside the right place reads another.
fn load_text(kernel: &mut Kernel<HostMachine<Sv39>>, process: ProcessId) {
    for page in (0..TEXT_PAGES).rev() {
        let start = UserAddress(TEXT + page * PAGE);
        let words = (0..PAGE / 8).map(|word| (word + start.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        let text = Segment { start, bytes: &bytes, length: PAGE, rights: Rights::Read };
        kernel.load(process, text).unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// A range about an edge of a page, of the text or of the user half.
fn text(source: &mut dyn Source) -> Op {
    let edge = TEXT + u64::from(source.choose(TEXT_PAGES as u32 + 1)) * PAGE;
    let edge = if source.choose(8) == 0 { 1 << 38 } else { edge };
    let length = [0, 1, 7, 8, 16, 300, PAGE, u64::MAX][source.choose(8) as usize];
    Op::Write { start: edge - u64::from(source.choose(20)), length }
}

/// The kind with this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

fn between(source: &mut dyn Source, low: u32, high: u32) -> u32 {
    low + source.choose(high - low + 1)
}

fn micros(source: &mut dyn Source, most: u32) -> Nanos {
    // Short and long ones are equally likely: most races live among the short.
    let scale = between(source, 1, 4).pow(5);
    Nanos::from_micros(u64::from(between(source, 1, (most * scale / 1024).max(1))))
}

fn priority(source: &mut dyn Source) -> Priority {
    // A dense window: priorities that are all different never meet.
    Priority([0, 100, 128, 129, 130, 255][source.choose(6) as usize])
}

fn class(source: &mut dyn Source) -> Class {
    Class::ALL[source.choose(4) as usize]
}

fn slot(source: &mut dyn Source) -> u8 {
    source.choose(6) as u8
}

fn starter(threads: u32, programs: u32) -> Vec<Op> {
    let mut ops = Vec::new();
    for thread in 0..threads {
        ops.push(Op::Spawn { program: (1 + thread % programs) as u8 });
    }
    ops
}

fn scheduler(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let mut programs = vec![starter(7, 4)];
    programs[0].push(Op::Again { times: 1 });
    for _ in 0..4 {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 8) {
            ops.push(match source.choose(8) {
                0..3 => Op::Yield,
                3..5 => Op::Compute(micros(source, 3_000)),
                5 => Op::Sleep(micros(source, 2_000)),
                6 => Op::Null,
                _ => Op::SetPriority { slot: slot(source), priority: priority(source) },
            });
        }
        ops.push(Op::Again { times: u16::MAX });
        programs.push(ops);
    }
    programs[0].extend([Op::Compute(Nanos::from_micros(50)), Op::Yield, Op::Again { times: u16::MAX }]);
    Plan { cpus: cpus.unwrap_or(2), programs, processes: vec![0], threads: 7, budget: u64::MAX }
}

fn mixed(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let drawn = [1, 2, 2, 3, 4, 4, 8, 16][source.choose(8) as usize];
    let cpus = cpus.unwrap_or(drawn);
    let count = between(source, 2, 5);
    let mut programs = vec![starter(between(source, 1, 10), count)];
    programs[0].push(Op::GroupCreate);
    for _ in 0..count {
        let length = between(source, 2, 12);
        let mut ops: Vec<_> = (0..length).map(|_| any_op(source, cpus)).collect();
        ops.push(Op::Again { times: between(source, 1, 20) as u16 });
        programs.push(ops);
    }
    let tail: Vec<_> = (0..between(source, 0, 6)).map(|_| any_op(source, cpus)).collect();
    programs[0].extend(tail);
    let processes = if source.choose(3) == 0 { vec![0, 1] } else { vec![0] };
    Plan { cpus, programs, processes, threads: 48, budget: u64::MAX }
}

fn any_op(source: &mut dyn Source, cpus: u16) -> Op {
    match source.choose(40) {
        34..40 => capability_op(source),
        0..6 => Op::Compute(micros(source, 5_000)),
        6..9 => Op::Yield,
        9..13 => Op::Sleep(micros(source, 5_000)),
        13 | 14 => Op::Spawn { program: source.choose(6) as u8 },
        15 | 16 => Op::Join { slot: slot(source), within: None },
        17 => Op::Join { slot: slot(source), within: Some(micros(source, 1_000)) },
        18 | 19 => Op::Suspend { slot: slot(source) },
        20..23 => Op::Resume { slot: slot(source) },
        23 => Op::SetClass { slot: slot(source), class: class(source) },
        24 => Op::SetPriority { slot: slot(source), priority: priority(source) },
        25 => Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 15)) },
        26 => Op::SetGroup { slot: slot(source), group: source.choose(3) as u8 },
        27 => Op::GroupCreate,
        28 => Op::Offline(CpuId(source.choose(u32::from(cpus)) as u16)),
        29 => Op::Online(CpuId(source.choose(u32::from(cpus)) as u16)),
        30 => Op::CpuTime { slot: slot(source) },
        31 | 32 => text(source),
        _ => [Op::Exit, Op::Null, Op::Null, Op::Fault, Op::ProcessExit][source.choose(5) as usize],
    }
}

/// An operation on the names that threads and groups have.
fn capability_op(source: &mut dyn Source) -> Op {
    let mut any = || slot(source) + [0, 0, 0, 0, GROUPS, PROCESSES][source.choose(6) as usize];
    let (name, other) = (any(), any());
    match source.choose(12) {
        0..4 => {
            // Most copies can be used and copied again.
            let missing = [0, 0, 0, 1, 2, 1 << 5, 1 << 6, 1 << 7][source.choose(8) as usize];
            let all = match name {
                PROCESSES.. => 1 | 2 | 1 << 5 | 1 << 6,
                GROUPS.. => 1 | 1 << 5 | 1 << 6,
                _ => 1 | 2 | 1 << 6,
            };
            let rights = CapabilityRights(if missing == 1 << 7 { 0xff } else { all & !missing });
            Op::CapabilityCopy { slot: name, rights, badge: u64::from(source.choose(3)) }
        }
        4 | 5 => Op::CapabilityDelete { slot: name },
        6 | 7 => Op::CapabilityRevoke { slot: name },
        8 => Op::CapabilityInspect { slot: name },
        9 => Op::CapabilitySame { one: name, other },
        10 => Op::CapabilityNext { slot: name },
        _ => Op::ThreadSelf,
    }
}

/// An operation on processes that programs make.
fn process_op(source: &mut dyn Source) -> Op {
    let process = source.choose(3) as u8;
    match source.choose(16) {
        0..3 => Op::ProcessCreate { frames: [0, 2, 3, 8, 20, 40, 60, 100][source.choose(8) as usize] },
        3..7 => Op::ProcessThread { process, program: source.choose(6) as u8 },
        7..10 => match capability_op(source) {
            Op::CapabilityCopy { slot, rights, badge } => Op::ProcessGive { process, slot, rights, badge },
            other => other,
        },
        10 => {
            // One call less, or one in four.
            let mut half = || u64::from(source.choose(u32::MAX)) << 32 | u64::from(source.choose(u32::MAX));
            let many = half() | half();
            let calls = if source.choose(2) == 0 { many } else { !(1 << source.choose(49)) };
            Op::ProcessRestrict { process, calls }
        }
        11 => Op::ProcessKill { process },
        12 => Op::ProcessWait { process, within: None },
        13 | 14 => Op::ProcessWait { process, within: Some(micros(source, 100)) },
        _ => Op::ProcessUse { process },
    }
}

fn processes(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![starter(between(source, 1, 3), count)];
    programs[0].extend([Op::ProcessCreate { frames: 300 }, Op::GroupCreate]);
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 4, 16) {
            ops.push(match source.choose(24) {
                0 => Op::Sleep(Nanos(u64::from(source.choose(3_000)))),
                1 => Op::Spawn { program: source.choose(5) as u8 },
                2 => Op::Join { slot: slot(source), within: Some(micros(source, 50)) },
                3 => Op::Suspend { slot: slot(source) },
                4 => Op::Resume { slot: slot(source) },
                5 => Op::SetGroup { slot: slot(source), group: source.choose(3) as u8 },
                6 => Op::Join { slot: slot(source), within: None },
                7 => [Op::Exit, Op::Null, Op::Yield, Op::ProcessExit, Op::Fault][source.choose(5) as usize],
                8 | 9 => capability_op(source),
                10..15 => Op::Memory(memory_op(source)),
                15 => Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 15)) },
                _ => process_op(source),
            });
        }
        ops.push(Op::Again { times: between(source, 1, 30) as u16 });
        programs.push(ops);
    }
    // One that stays, and so the machine does.
    let keeper = programs.len() as u64;
    programs.push(vec![Op::Sleep(Nanos(u64::MAX))]);
    Plan { cpus, programs, processes: vec![keeper, 0, 0], threads: 40, budget: 900 }
}

fn capabilities(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![starter(between(source, 1, 5), count)];
    programs[0].extend([Op::GroupCreate, Op::ThreadSelf]);
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 14) {
            ops.push(match source.choose(20) {
                0 => Op::Sleep(Nanos(u64::from(source.choose(2_000)))),
                1 => Op::Spawn { program: source.choose(5) as u8 },
                2 => Op::Join { slot: slot(source), within: Some(micros(source, 50)) },
                3 => Op::Suspend { slot: slot(source) },
                4 | 5 => Op::Resume { slot: slot(source) },
                6 => Op::SetGroup { slot: slot(source), group: source.choose(3) as u8 },
                7 => Op::GroupCreate,
                8 => Op::Yield,
                9 => Op::CpuTime { slot: slot(source) },
                _ => capability_op(source),
            });
        }
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    let processes = if source.choose(3) == 0 { vec![0, 0] } else { vec![0] };
    Plan { cpus, programs, processes, threads: 32, budget: [u64::MAX, 12][source.choose(2) as usize] }
}

fn groups(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let count = between(source, 2, 4);
    let mut first = Vec::new();
    let mut thread = 0_u32;
    for group in 0..count {
        first.push(Op::GroupCreate);
        for _ in 0..between(source, 1, 5) {
            first.push(Op::Spawn { program: 1 });
            first.push(Op::SetGroup { slot: thread as u8, group: group as u8 });
            thread += 1;
        }
    }
    first.push(Op::Exit);
    let hog = vec![Op::Compute(Nanos::from_millis(500)), Op::Again { times: 20 }];
    let cpus = cpus.unwrap_or(between(source, 1, 3) as u16);
    Plan { cpus, programs: vec![first, hog], processes: vec![0], threads: 32, budget: u64::MAX }
}

fn waits(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![starter(between(source, 2, 6), count)];
    for _ in 0..=count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 1, 5) {
            ops.push(match source.choose(12) {
                0..2 => Op::Sleep(Nanos(u64::from(source.choose(2_000)))),
                2 => Op::Sleep(Nanos::from_micros(u64::from(source.choose(30)))),
                3 => Op::Compute(Nanos(u64::from(source.choose(3_000)))),
                4..6 => Op::Join { slot: slot(source), within: None },
                6 => Op::Join { slot: slot(source), within: Some(Nanos(u64::from(source.choose(4_000)))) },
                7 => Op::Suspend { slot: slot(source) },
                8 | 9 => Op::Resume { slot: slot(source) },
                10 => Op::Spawn { program: source.choose(5) as u8 },
                _ => Op::Yield,
            });
        }
        ops.push(Op::Again { times: between(source, 1, 6) as u16 });
        programs.push(ops);
    }
    let last = programs.pop().unwrap_or_default();
    programs[0].extend(last);
    Plan { cpus, programs, processes: vec![0], threads: 48, budget: u64::MAX }
}

fn memory(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let keeper = vec![Op::Sleep(Nanos(u64::MAX))];
    let mut programs = vec![keeper];
    let count = between(source, 2, 4);
    for _ in 0..count {
        let mut ops: Vec<_> =
            (0..source.choose(3)).map(|_| Op::Spawn { program: 1 + source.choose(count) as u8 }).collect();
        for _ in 0..between(source, 4, 24) {
            ops.push(match source.choose(13) {
                12 => [Op::ProcessExit, Op::Yield, Op::Yield, Op::Yield][source.choose(4) as usize],
                0 => Op::Yield,
                1 => Op::Compute(micros(source, 200)),
                2 => Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 15)) },
                _ => Op::Memory(memory_op(source)),
            });
        }
        ops.push(Op::Again { times: between(source, 1, 30) as u16 });
        programs.push(ops);
    }
    let processes = (0..between(source, 2, 8))
        .map(|process| if process == 0 { 0 } else { u64::from(1 + source.choose(count)) });
    let processes = processes.collect();
    let budget = [u64::MAX, u64::MAX, 60, 200][source.choose(4) as usize];
    Plan { cpus, programs, processes, threads: 24, budget }
}

/// A world of processes with a program and a budget each.
///
/// # Panics
/// If the simulated machine is too small for the budgets.
pub fn memory_world(cpus: u16, programs: Vec<Vec<Op>>, budgets: &[u64], entropy: u32) -> DrawnWorld {
    let mut machine = HostMachine::new(cpus, 4_096, u64::from(entropy));
    machine.set_tags(cpus + 2);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, cpus, map).unwrap_or_else(|error| panic!("{error:?}"));
    for (number, budget) in budgets.iter().enumerate() {
        let process = kernel.create_process_with(*budget).unwrap_or_else(|error| panic!("{error:?}"));
        kernel
            .start_process(process, UserAddress(0), first_window(number), number as u64)
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
    World::new(kernel, cpus, Programs::new(programs, 0))
}

/// A page near an edge of a page table, in a dense window: uniform ones would never meet.
fn window_page(source: &mut dyn Source) -> u64 {
    let edge = [0, 0, 504, 508, 512, 1_024, 1_020][source.choose(7) as usize];
    edge + u64::from(source.choose(12))
}

fn derived_rights(source: &mut dyn Source) -> CapabilityRights {
    // To look, to manage, to read and to copy; sometimes to write or execute as well.
    let more = [0, 1 << 3, 1 << 4, 1 << 3 | 1 << 4][source.choose(4) as usize];
    CapabilityRights(if source.choose(6) == 0 { 1 << 2 | more } else { 1 | 1 << 1 | 1 << 2 | 1 << 6 | more })
}

/// An operation on memory, near an edge of a page table.
pub fn memory_op(source: &mut dyn Source) -> MemoryOp {
    let page = window_page(source);
    let count = match source.choose(16) {
        0 => 512,
        1 => 520,
        2 => 64 + u64::from(source.choose(9)),
        _ => 1 + u64::from(source.choose(8)),
    };
    let rights = match source.choose(8) {
        0 => PageRights::Read,
        1 => PageRights::None,
        2 => PageRights::ReadExecute,
        _ => PageRights::ReadWrite,
    };
    let object = source.choose(3) as usize;
    match source.choose(36) {
        34 | 35 => {
            let copy = (source.choose(2) == 1).then(|| source.choose(3) as usize);
            MemoryOp::Show { object, copy, page: u64::from(source.choose(6)), rights }
        }
        28 | 29 => MemoryOp::Derive { object, rights: derived_rights(source) },
        30 => MemoryOp::DeleteCopy { object, copy: source.choose(3) as usize },
        31 => MemoryOp::Revoke { object, copy: None },
        32 => MemoryOp::Revoke { object, copy: Some(source.choose(3) as usize) },
        33 => MemoryOp::Forget { object },
        26 | 27 => MemoryOp::Bounce { cpus: u64::from(between(source, 1, 15)) },
        20 => MemoryOp::Share { page, count },
        21 => MemoryOp::Create { count },
        22 | 23 => {
            let offset = u64::from(source.choose(4));
            let copy = (source.choose(2) == 1).then(|| source.choose(3) as usize);
            MemoryOp::Map { object, copy, offset, page: window_page(source), count: count.min(6), rights }
        }
        24 => MemoryOp::UnmapMapping { object, mapping: source.choose(2) as usize },
        25 => MemoryOp::Destroy { object },
        0..4 => {
            let page = if count >= 512 { page / 512 * 512 } else { page };
            MemoryOp::Reserve { page, count, rights }
        }
        4 => MemoryOp::Fill { page, count },
        5 | 6 => MemoryOp::Unmap { page, count },
        7 => MemoryOp::Protect { page, count, rights },
        8 => MemoryOp::Move { page, count, to: window_page(source) },
        9..12 => MemoryOp::Copy { page, count, to: window_page(source) },
        12 => MemoryOp::Query { page },
        13..15 => MemoryOp::Load { page },
        _ => MemoryOp::Store { page },
    }
}

fn word(source: &mut dyn Source) -> u64 {
    let near = u64::from(source.choose(4));
    match source.choose(6) {
        0 => near,
        1 => u64::MAX - near,
        2 => 1 << source.choose(64),
        3 => (1 << 38) - near,
        4 => u64::from(source.choose(12)) | u64::from(source.choose(4)) << 32,
        _ => u64::from(source.choose(u32::MAX)) << 32 | u64::from(source.choose(u32::MAX)),
    }
}

fn raw(source: &mut dyn Source) -> Op {
    let number = match source.choose(8) {
        0 => word(source),
        _ => u64::from(source.choose(TABLE.len() as u32)),
    };
    // The ends of process and machine come often enough by themselves.
    let number = if (19..=20).contains(&number) && source.choose(8) != 0 { 0 } else { number };
    Op::Raw(Request { number, arguments: std::array::from_fn(|_| word(source)) })
}

fn hostile(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let mut programs = vec![starter(4, 2)];
    for _ in 0..2 {
        let length = between(source, 4, 16);
        let mut ops: Vec<_> = (0..length)
            .map(|_| if source.choose(3) == 0 { any_op(source, cpus) } else { raw(source) })
            // The honest program is another process's: who shares a table of capabilities can take them away.
            .map(|op| if let Op::Spawn { program } = op { Op::Spawn { program: program % 3 } } else { op })
            .collect();
        ops.push(Op::Again { times: 30 });
        programs.push(ops);
    }
    let mut honest = vec![Op::Compute(Nanos::from_micros(200)), Op::Yield];
    honest.extend((0..source.choose(12)).map(|_| Op::Memory(memory_op(source))));
    honest.push(Op::Again { times: 200 });
    programs.push(honest);
    Plan { cpus, programs, processes: vec![0, 3], threads: 48, budget: u64::MAX }
}
