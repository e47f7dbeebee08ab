//! Worlds in which some processes have a host, and others have closed themselves.

use coldframe_abi::{CapabilityRights, Nanos, Number};

use super::Plan;
use super::operations::{between, micros, signal_op};
use super::plans::{of_two_processes, refusals, starter};
use crate::ops::{ENDPOINTS, GROUPS, LAST, OBJECTS, Op, PROCESSES};
use crate::source::Source;

/// What is called here, with such arguments as there are; the more often the more times it stands here.
const CALLS: [Number; 18] = [
    Number::Signal,
    Number::Signal,
    Number::Alarm,
    Number::ProcessNotify,
    Number::ObjectNotify,
    Number::ThreadHandler,
    Number::ProcessHandler,
    Number::ProcessHost,
    Number::ProcessClose,
    Number::EndpointCreate,
    Number::EndpointJoin,
    Number::EndpointLeave,
    Number::Upcall,
    Number::CapabilityDelete,
    Number::CapabilityRevoke,
    Number::GroupCreate,
    Number::SetGroup,
    Number::ProcessKill,
];

fn op(source: &mut dyn Source) -> Op {
    let slot = source.choose(4) as u8;
    let within = Some(micros(source, 40));
    match source.choose(20) {
        0 => Op::Sleep(Nanos(u64::from(source.choose(4_000)))),
        1 => Op::SetGroup { slot: source.choose(6) as u8, group: source.choose(3) as u8 },
        2..5 => Op::Call { slot, within },
        5 | 6 => Op::Send { slot, within },
        7 | 8 => Op::Receive { slot, within },
        9..12 => Op::ReplyReceive { slot, within },
        12..15 => {
            let number = CALLS[source.choose(CALLS.len() as u32) as usize];
            Op::Any { number, seed: source.choose(1 << 16) }
        }
        _ => signal_op(source),
    }
}

pub(super) fn walls(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let all = CapabilityRights(0x8d);
    let shares = |programs: &mut Vec<Op>, slot: u8, badge: u64| {
        programs.push(Op::ProcessGive { process: LAST, slot, rights: all, badge });
    };
    let mut first = vec![Op::EndpointCreate, Op::EndpointCreate, Op::GroupCreate, Op::ObjectCreate];
    // One process that has a host, and knows more endpoints than that one.
    first.push(Op::ProcessCreate { frames: 80 });
    first.push(Op::ProcessHost { process: LAST, slot: source.choose(2) as u8 });
    shares(&mut first, ENDPOINTS, 1);
    shares(&mut first, ENDPOINTS + 1, 3);
    shares(&mut first, PROCESSES, 0);
    first.push(Op::ProcessThread { process: LAST, program: 1 });
    // And one that closes itself to a group, in which it is or is not.
    first.push(Op::ProcessCreate { frames: 80 });
    shares(&mut first, ENDPOINTS, 1);
    shares(&mut first, GROUPS, 0);
    first.push(Op::ProcessThread { process: LAST, program: 2 });
    first.push(Op::SetGroup { slot: LAST, group: LAST });
    let closes_too = source.choose(2) == 0;
    if closes_too {
        first.extend([Op::ThreadSelf, Op::SetGroup { slot: LAST, group: 0 }, Op::ProcessClose { group: 0 }]);
        first.extend([Op::EndpointCreate, Op::EndpointCreate]);
    }
    first.extend(starter(between(source, 1, 4), count + 2));
    let mut inside = vec![Op::ObjectCreate, Op::Spawn { program: 3 }, Op::Spawn { program: 4 }];
    // Those that it makes have the same host, and get no other.
    inside.extend([Op::ProcessCreate { frames: 30 }, Op::ProcessHost { process: LAST, slot: LAST }]);
    for _ in 0..3 {
        shares(&mut inside, ENDPOINTS + source.choose(6) as u8, 0);
    }
    inside.push(Op::ProcessThread { process: LAST, program: 3 });
    let slot = [LAST, GROUPS][source.choose(2) as usize];
    let mut closed = vec![
        Op::ProcessClose { group: if slot == LAST { LAST } else { 0 } },
        Op::EndpointCreate,
        Op::EndpointCreate,
        Op::CapabilityCopy { slot: OBJECTS, rights: all, badge: 0 },
        Op::Spawn { program: 3 },
        Op::Spawn { program: 4 },
        // One that it makes knows its endpoints, and is in whatever group its maker is.
        Op::ProcessCreate { frames: 30 },
    ];
    for _ in 0..3 {
        shares(&mut closed, ENDPOINTS + source.choose(6) as u8, 0);
    }
    closed.push(Op::ProcessThread { process: LAST, program: 3 });
    let mut programs = vec![first, inside, closed];
    for _ in 0..count {
        let mut ops: Vec<_> = (0..between(source, 6, 24)).map(|_| op(source)).collect();
        ops.push(Op::Again { times: between(source, 1, 60) as u16 });
        programs.push(ops);
    }
    let refuse_every = refusals(source);
    Plan { refuse_every, ..of_two_processes(source, cpus, programs) }
}
