//! Worlds in which things come and go, and others want to hear of it.

use coldframe_abi::{CapabilityRights, Nanos, Number};

use super::Plan;
use super::operations::{between, micros};
use super::plans::{of_two_processes, refusals, starter};
use crate::ops::{ENDPOINTS, LAST, OBJECTS, Op, PROCESSES};
use crate::source::Source;

/// What is called here, with such arguments as there are; the more often the more times it stands here.
const CALLS: [Number; 25] = [
    Number::ObjectCreate,
    Number::ObjectMap,
    Number::ObjectMap,
    Number::ObjectMap,
    Number::MappingUnmap,
    Number::MappingUnmap,
    Number::MappingUnmap,
    Number::ObjectNotify,
    Number::ObjectNotify,
    Number::ObjectNotify,
    Number::ObjectDestroy,
    Number::CapabilityRevoke,
    Number::CapabilityDelete,
    Number::CapabilityLimit,
    Number::CapabilityLimit,
    Number::CapabilityCopy,
    Number::CapabilityInspect,
    Number::ProcessGive,
    Number::EndpointJoin,
    Number::EndpointLeave,
    Number::Signal,
    Number::Receive,
    Number::ProcessTime,
    Number::ProcessReason,
    Number::ProcessKill,
];

fn op(source: &mut dyn Source) -> Op {
    match source.choose(12) {
        0 => Op::Sleep(Nanos(u64::from(source.choose(4_000)))),
        1 => Op::Receive { slot: source.choose(3) as u8, within: Some(micros(source, 20)) },
        2 => Op::Compute(micros(source, 40)),
        _ => {
            let number = CALLS[source.choose(CALLS.len() as u32) as usize];
            Op::Any { number, seed: source.choose(1 << 16) }
        }
    }
}

pub(super) fn notices(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![vec![Op::EndpointCreate, Op::EndpointCreate]];
    if source.choose(3) == 0 {
        // The second is a set to which nobody comes but by the first; one waits there.
        let receives = CapabilityRights(0x44);
        programs[0].extend([
            Op::CapabilityCopy { slot: ENDPOINTS + 1, rights: receives, badge: 0 },
            Op::CapabilityDelete { slot: ENDPOINTS + 1 },
            Op::EndpointJoin { slot: 0, set: LAST },
            Op::Spawn { program: 1 + count as u8 },
        ]);
    }
    programs[0].extend([Op::ObjectCreate, Op::ObjectCreate]);
    // Another process shows the same objects, and hears of them by the same endpoints.
    programs[0].extend([
        Op::ProcessCreate { frames: 60 },
        Op::ProcessGive { process: LAST, slot: OBJECTS, rights: CapabilityRights(0x5f), badge: 0 },
        Op::ProcessGive { process: LAST, slot: ENDPOINTS, rights: CapabilityRights(0x8d), badge: 0 },
        Op::ProcessThread { process: LAST, program: 1 },
        // And a third one ends soon, of which others ask why.
        Op::ProcessCreate { frames: 20 },
        Op::ProcessThread { process: LAST, program: 2 + count as u8 },
    ]);
    if source.choose(3) == 0 {
        // Names by which nobody may look at anything, or come.
        let (blind, deaf) = (CapabilityRights(0x40), CapabilityRights(0x48));
        programs[0].push(Op::CapabilityCopy { slot: OBJECTS, rights: blind, badge: 0 });
        programs[0].push(Op::CapabilityCopy { slot: PROCESSES, rights: blind, badge: 0 });
        programs[0].push(Op::CapabilityCopy { slot: ENDPOINTS, rights: deaf, badge: 0 });
    }
    programs[0].extend(starter(between(source, 1, 4), count));
    for _ in 0..count {
        let mut ops: Vec<_> = (0..between(source, 6, 24)).map(|_| op(source)).collect();
        ops.push(Op::Again { times: between(source, 1, 60) as u16 });
        programs.push(ops);
    }
    let waits = Op::Receive { slot: 2, within: Some(Nanos::from_micros(200)) };
    programs.push(vec![waits, Op::Again { times: 60 }]);
    let ends = [Op::Fault, Op::ProcessExit, Op::Exit][source.choose(3) as usize];
    programs.push(vec![Op::Sleep(micros(source, 100)), ends]);
    let refuse_every = refusals(source);
    Plan { refuse_every, ..of_two_processes(source, cpus, programs) }
}
