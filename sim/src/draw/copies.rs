//! Drawn plans of threads that derive capabilities and give them up, of all kinds that do that the fast way.

use coldframe_abi::{CapabilityRights, Nanos, Number};

use super::Plan;
use super::operations::{any_op, between, memory_op, micros, slot};
use super::plans::starter;
use crate::ops::{ENDPOINTS, OBJECTS, Op};
use crate::source::Source;

const PROGRAMS: u32 = 3;

pub(super) fn copies(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 2) as u16);
    let seldom = between(source, 3, 9);
    let mut first = vec![Op::EndpointCreate, Op::EndpointCreate, Op::ObjectCreate, Op::ThreadSelf];
    first.extend(starter(between(source, 1, 4), PROGRAMS));
    let mut programs = vec![first];
    for _ in 0..PROGRAMS {
        let mut ops = Vec::new();
        for _ in 0..between(source, 2, 12) {
            ops.push(match source.choose(seldom) {
                0 => disturbance(source, cpus),
                1 => meeting(source),
                _ => deriving(source),
            });
        }
        ops.push(Op::Again { times: 200 });
        programs.push(ops);
    }
    programs[0].extend([Op::EndpointCreate, Op::ObjectCreate]);
    programs[0].push(Op::Sleep(Nanos::from_micros(u64::from(between(source, 5, 100)))));
    programs[0].push(Op::Again { times: 100 });
    Plan {
        cpus,
        programs,
        processes: vec![0],
        threads: 16,
        budget: [u64::MAX, 40][source.choose(2) as usize],
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

fn named(source: &mut dyn Source) -> (u8, u8) {
    let which = source.choose(4) as u8;
    match source.choose(5) {
        0 => (slot(source), 1 | 2 | 1 << 6),
        1 | 2 => (OBJECTS + which, 1 | 2 | 4 | 8 | 1 << 6),
        _ => (ENDPOINTS + which, 1 | 4 | 8 | 1 << 6 | 1 << 7),
    }
}

fn deriving(source: &mut dyn Source) -> Op {
    let (slot, all) = named(source);
    if source.choose(5) < 2 {
        return Op::CapabilityDelete { slot };
    }
    let missing = [0, 0, 0, 0, 1 << 2, 1 << 3 | 1 << 7, 1 << 6, 1 << 2 | 1 << 3][source.choose(8) as usize];
    let rights = [all & !missing, 0xff][usize::from(source.choose(16) == 0)];
    Op::CapabilityCopy { slot, rights: CapabilityRights(rights), badge: u64::from(source.choose(3)) }
}

/// Somebody waits where the last capability may go.
fn meeting(source: &mut dyn Source) -> Op {
    let (slot, within) = (source.choose(4) as u8, Some(micros(source, 60)));
    match source.choose(6) {
        0 => Op::Send { slot, within },
        1 | 2 => Op::Receive { slot, within },
        3 => Op::Call { slot, within },
        4 => Op::ReplyReceive { slot, within },
        _ => Op::ObjectWait { slot, word: 0, expected: 0, within },
    }
}

/// What makes one capability differ from another.
fn disturbance(source: &mut dyn Source, cpus: u16) -> Op {
    let (name, _) = named(source);
    let slot = source.choose(4) as u8;
    match source.choose(12) {
        0 => [Op::EndpointCreate, Op::ObjectCreate][source.choose(2) as usize],
        1 | 4 => Op::ObjectDestroy { slot },
        2 => one(Number::CapabilityLimit, source),
        3 => Op::CapabilityRevoke { slot: name },
        5 => Op::EndpointJoin { slot, set: source.choose(4) as u8 },
        6 => one(Number::EndpointLeave, source),
        7 => Op::Spawn { program: 1 + source.choose(PROGRAMS) as u8 },
        8 | 9 => Op::Memory(memory_op(source)),
        10 => Op::Sleep(micros(source, 100)),
        _ => any_op(source, cpus),
    }
}

fn one(number: Number, source: &mut dyn Source) -> Op {
    Op::Any { number, seed: source.choose(1 << 16) }
}
