//! Worlds with devices: threads that listen to interrupt lines, and answer in time, late, or not at all.

use coldframe_abi::{CapabilityRights, Nanos};

use super::operations::{between, micros, process_op, signal_op, slot, stir};
use super::plans::{of_two_processes, starter};
use super::{Device, Plan};
use crate::ops::{AUTHORITIES, ENDPOINTS, LAST, LINES, Op};
use crate::source::Source;

/// Which of the authorities of a process is the one over lines.
const OVER_LINES: u8 = AUTHORITIES + 5;
/// Longer than anybody may take to answer.
const TOO_LONG: Nanos = Nanos::from_millis(120);

fn line(source: &mut dyn Source) -> u8 {
    [0, 0, 0, 1, 1, 2, 4, 6][source.choose(8) as usize]
}

/// What a driver does, and what others do to it.
fn driver_op(source: &mut dyn Source) -> Op {
    let (slot, line) = (source.choose(3) as u8, line(source));
    let bits = [1, 2, 4, 3, 0][source.choose(5) as usize];
    let within = [None, Some(micros(source, 60)), Some(TOO_LONG)][source.choose(3) as usize];
    match source.choose(25) {
        0..4 => Op::LineBind { line, slot, bits },
        4..9 => {
            Op::LineDone { slot: [LAST, slot, slot][source.choose(3) as usize], mine: source.choose(3) > 0 }
        }
        9..12 => Op::Silence { line },
        12..15 => Op::Receive { slot, within },
        15 => Op::CapabilityDelete { slot: LINES + slot % 4 },
        16 => [Op::CapabilityRevoke { slot: OVER_LINES }, Op::CapabilityDelete { slot: ENDPOINTS + slot }]
            [source.choose(2) as usize],
        17 => Op::CapabilityCopy { slot: OVER_LINES, rights: CapabilityRights(0x43), badge: 0 },
        18 => Op::Sleep(TOO_LONG),
        19 => Op::CapabilityInspect { slot: LINES + slot % 4 },
        20 => Op::LineMessage { slot },
        _ => signal_op(source),
    }
}

pub(super) fn drivers(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![vec![Op::EndpointCreate, Op::EndpointCreate, Op::EndpointCreate]];
    programs[0].extend([0, 0, 1].map(|line| Op::LineBind { line, slot: line, bits: 1 }));
    if source.choose(4) == 0 {
        // It has as many names as there is room for, or almost.
        let copy = Op::CapabilityCopy { slot: ENDPOINTS, rights: CapabilityRights(0x80), badge: 0 };
        let many = between(source, 40, 56) as usize;
        programs[0].splice(3..3, std::iter::repeat_n(copy, many));
    }
    programs[0].extend(starter(between(source, 1, 4), count));
    let child = 1 + count as u8;
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 14) {
            let op = match source.choose(20) {
                which @ 0..3 => stir(source, which),
                3 => [Op::Yield, Op::Exit, Op::Compute(micros(source, 100))][source.choose(3) as usize],
                4 => Op::Cancel { slot: slot(source) },
                5..8 => {
                    // A driver in a process of its own, which somebody watches over, and which ends wherever it is.
                    let slot = source.choose(3) as u8;
                    let (over, told) = (CapabilityRights(0x42), CapabilityRights(0x8c));
                    ops.push(Op::ProcessCreate { frames: 40 });
                    // Over all lines, over the first, or over the two behind it.
                    let badge = [0, 1 << 32, 1 | 3 << 32][source.choose(3) as usize];
                    ops.push(Op::ProcessGive { process: LAST, slot: OVER_LINES, rights: over, badge });
                    ops.push(Op::ProcessGive {
                        process: LAST,
                        slot: ENDPOINTS + slot,
                        rights: told,
                        badge: 0,
                    });
                    ops.push(Op::ProcessNotify { process: LAST, slot, bits: 8 });
                    ops.push(Op::ProcessThread { process: LAST, program: child + source.choose(2) as u8 });
                    ops.push(Op::Sleep(Nanos(u64::from(source.choose(30_000)))));
                    [Op::ProcessKill { process: LAST }, Op::Yield, Op::Yield][source.choose(3) as usize]
                }
                8 => match process_op(source) {
                    Op::ProcessRestrict { .. } => Op::Yield,
                    other => other,
                },
                _ => driver_op(source),
            };
            ops.push(op);
        }
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    let number = line(source);
    let bind = Op::LineBind { line: number, slot: LAST, bits: 1 };
    let receive = Op::Receive { slot: LAST, within: Some(micros(source, 60)) };
    let answers = [bind, receive, Op::Silence { line: number }, Op::LineDone { slot: LAST, mine: true }];
    programs.push([&answers[..], &[Op::Again { times: 20 }]].concat());
    programs.push(vec![
        bind,
        Op::Sleep(TOO_LONG),
        Op::LineDone { slot: LAST, mine: false },
        Op::Again { times: 9 },
    ]);
    // One that answers for the first lines for a while, and whatever it is told one that does not mean it.
    let within = [None, Some(Nanos::from_micros(60))][source.choose(2) as usize];
    let serves = |line: u8, mine: bool| {
        let mut ops = vec![Op::Receive { slot: line, within }, Op::Silence { line }];
        if !mine {
            ops.pop();
        }
        ops.extend((0..3).map(|slot| Op::LineDone { slot, mine }));
        ops.push(Op::Again { times: 100 });
        ops
    };
    let keeper = programs.len() as u8;
    programs.push(serves(0, source.choose(4) > 0));
    programs.push(serves(1, true));
    programs[0].extend([Op::Spawn { program: keeper }, Op::Spawn { program: keeper + 1 }]);
    let mut plan = of_two_processes(source, cpus, programs);
    plan.devices = (0..5)
        .map(|line| Device {
            line,
            is_edge: source.choose(2) == 0,
            every: [Nanos::from_micros(5), Nanos::from_micros(30), Nanos::from_millis(90)]
                [source.choose(3) as usize],
            times: between(source, 0, 60),
        })
        .collect();
    plan
}
