//! Drawn plans of threads that yield to each other.

use coldframe_abi::{CpuId, Nanos};

use super::Plan;
use super::operations::{any_op, between, memory_op, micros, slot};
use super::plans::starter;
use crate::ops::{LAST, Op};
use crate::source::Source;

const PROGRAMS: u32 = 3;

pub(super) fn turns(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 2) as u16);
    let seldom = between(source, 3, 12);
    // Threads of another process, that is killed some time, and the others of the first, which seldom stay stopped.
    let stranger = PROGRAMS as u8 + 1;
    let mut first = vec![Op::EndpointCreate, Op::GroupCreate];
    first.extend(starter(between(source, 2, 5), PROGRAMS));
    first.push(Op::ProcessCreate { frames: 60 });
    first.extend([Op::ProcessThread { process: LAST, program: stranger }; 2]);
    let mut programs = vec![first];
    for _ in 0..=PROGRAMS {
        let mut ops = Vec::new();
        for _ in 0..between(source, 2, 8) {
            ops.push(match source.choose(seldom) {
                0 => disturbance(source, cpus),
                1 => Op::Compute(micros(source, 3_000)),
                _ => Op::Yield,
            });
        }
        ops.push(Op::Again { times: 400 });
        programs.push(ops);
    }
    let bound = source.choose(4);
    for _ in 0..bound {
        programs[0].push(Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 2)) });
    }
    let pause = Nanos::from_micros(u64::from(between(source, 20, 400)));
    programs[0].extend([
        Op::Sleep(pause),
        Op::Resume { slot: slot(source) },
        Op::Resume { slot: slot(source) },
    ]);
    programs[0].push([Op::ProcessKill { process: LAST }, Op::Yield][source.choose(2) as usize]);
    programs[0].push(Op::Again { times: 100 });
    Plan {
        cpus,
        programs,
        processes: vec![0],
        threads: 16,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

/// What comes between those that yield now and then.
fn disturbance(source: &mut dyn Source, cpus: u16) -> Op {
    match source.choose(15) {
        0 | 11 | 12 => Op::Suspend { slot: slot(source) },
        1 | 13 => Op::Resume { slot: slot(source) },
        2 => Op::SetGroup { slot: slot(source), group: source.choose(2) as u8 },
        3 => Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 3)) },
        4 => Op::Signal { slot: 0, bits: 1 },
        5 => [Op::Upcall { slot: 0, handler: 1 }, Op::UpcallEnd][source.choose(2) as usize],
        6..9 => Op::Memory(memory_op(source)),
        9 => Op::Sleep(micros(source, 1_000)),
        10 => [Op::Offline(CpuId(cpus - 1)), Op::Online(CpuId(cpus - 1))][source.choose(2) as usize],
        _ => any_op(source, cpus),
    }
}
