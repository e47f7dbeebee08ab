//! Worlds whose threads meet: messages, what they carry, signals, and replies that are kept.

use coldframe_abi::{CapabilityRights, Nanos, Number};

use super::Plan;
use super::operations::{
    accept_pages, between, cargo_op, message_op, micros, parcel_op, priority, process_op, reply_op,
    signal_op, slot, stir,
};
use super::plans::{of_two_processes, starter};
use crate::ops::{ENDPOINTS, LAST, Op, PROCESSES};
use crate::source::Source;

pub(super) fn messages(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    exchange(source, cpus, message_op)
}

/// The same with messages that carry capabilities.
pub(super) fn parcels(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let mut plan = exchange(source, cpus, parcel_op);
    // Most of what programs know is of one process, and so can be sent.
    plan.processes = vec![0];
    plan.programs[0].insert(0, Op::ObjectCreate);
    for program in &mut plan.programs[1..] {
        program.insert(0, Op::Accept { count: [4, 4, 2, 1, 0][source.choose(5) as usize] });
    }
    // One that sends, one that receives, and one that waits by names that others may give away, whatever they do.
    let gives_at = plan.programs.len() as u8;
    let within = Some(Nanos::from_micros(60));
    let gives = [Op::Send { slot: 0, within }, Op::Call { slot: 0, within }, Op::Again { times: 200 }];
    let takes = [Op::Accept { count: 4 }, Op::ReplyReceive { slot: 0, within }, Op::Again { times: 200 }];
    let waits = [Op::Receive { slot: LAST, within }, Op::Again { times: 200 }];
    plan.programs.extend([gives.to_vec(), takes.to_vec(), waits.to_vec()]);
    let all = [0, 1, 2].map(|next| Op::Spawn { program: gives_at + next });
    plan.programs[0].splice(4..4, all);
    plan
}

/// The same with messages that carry pages, moved or lent.
pub(super) fn cargo(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let mut plan = exchange(source, cpus, cargo_op);
    plan.processes = vec![0];
    plan.budget = [900, 900, 120, 60][source.choose(4) as usize];
    let within = Some(Nanos::from_micros(60));
    let gives_at = plan.programs.len() as u8;
    for program in &mut plan.programs[1..] {
        let pages = Op::PagesReserve { page: 0, count: 12 };
        program.splice(0..0, [pages, accept_pages(source)]);
    }
    let sends = [Op::PagesReserve { page: 0, count: 12 }, Op::Send { slot: 0, within }];
    let calls = [Op::PagesReserve { page: 0, count: 12 }, Op::Call { slot: 0, within }];
    let serves = [
        accept_pages(source),
        Op::ReplyReceive { slot: 0, within },
        Op::PageStore { page: 16 },
        Op::PagesUnmap { page: 16, count: 8 },
    ];
    let keeps = [
        Op::PagesReserve { page: 0, count: 12 },
        Op::Receive { slot: 0, within },
        Op::ReplyKeep,
        Op::ReplyTo { slot: LAST },
    ];
    for ops in [&sends[..], &calls[..], &serves[..], &keeps[..]] {
        plan.programs.push([ops, &[Op::Again { times: 200 }]].concat());
    }
    let all = [0, 1, 2, 3].map(|next| Op::Spawn { program: gives_at + next });
    plan.programs[0].splice(3..3, all);
    plan
}

/// The same where servers keep replies.
pub(super) fn replies(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let mut plan = exchange(source, cpus, reply_op);
    plan.processes = vec![0];
    plan.budget = [900, 900, 60, 24][source.choose(4) as usize];
    let within = Some(Nanos::from_micros(60));
    let server = plan.programs.len() as u8;
    let late = Op::ReplyTo { slot: [LAST, 0, 1, 2][source.choose(4) as usize] };
    let accept = |source: &mut dyn Source| Op::Accept { count: [4, 2, 1, 0][source.choose(4) as usize] };
    let mut keeps = vec![accept(source), Op::Receive { slot: 0, within }, Op::ReplyKeep];
    if source.choose(3) == 0 {
        // It has as many names as it can pay for.
        let copy = Op::CapabilityCopy { slot: ENDPOINTS, rights: CapabilityRights(0x4c), badge: 0 };
        keeps.splice(0..0, [copy; 8]);
    }
    keeps.extend([Op::Yield, late, Op::Again { times: 200 }]);
    let hands_on = vec![
        accept(source),
        Op::Receive { slot: 0, within },
        Op::ReplyKeep,
        Op::Send { slot: 1, within },
        Op::Again { times: 200 },
    ];
    let gives = vec![
        accept(source),
        Op::Receive { slot: 1, within },
        Op::ReplyTo { slot: LAST },
        Op::Again { times: 200 },
    ];
    let calls = vec![accept(source), Op::Call { slot: 0, within: None }, Op::Again { times: 200 }];
    plan.programs.extend([keeps, hands_on, gives, calls]);
    let all = [3, 0, 1, 2, 3].map(|next| Op::Spawn { program: server + next });
    plan.programs[0].splice(3..3, all);
    plan
}

fn exchange(source: &mut dyn Source, cpus: Option<u16>, any: fn(&mut dyn Source) -> Op) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![vec![Op::EndpointCreate, Op::EndpointCreate, Op::EndpointCreate]];
    programs[0].extend(starter(between(source, 2, 7), count));
    if source.choose(2) == 0 {
        programs[0].push(Op::ProcessCreate { frames: 40 });
        programs[0].push(Op::ProcessThread { process: 0, program: 1 });
    }
    let peer = 1 + count as u8;
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 14) {
            let op = match source.choose(20) {
                which @ 0..5 => stir(source, which),
                5 => Op::SetPriority { slot: slot(source), priority: priority(source) },
                6 => [Op::Yield, Op::Exit, Op::Compute(micros(source, 100))][source.choose(3) as usize],
                7 => match process_op(source) {
                    Op::ProcessRestrict { .. } => Op::Yield,
                    other => other,
                },
                8 => {
                    // A peer of another process, which ends wherever it is.
                    let slot = source.choose(3) as u8;
                    let rights = CapabilityRights([0xc, 0xc, 0x4][source.choose(3) as usize]);
                    ops.push(Op::ProcessCreate { frames: 40 });
                    ops.push(Op::ProcessGive { process: LAST, slot: ENDPOINTS + slot, rights, badge: 7 });
                    let calls = source.choose(2) as u8;
                    ops.push(Op::ProcessThread { process: LAST, program: peer + calls });
                    if calls == 1 {
                        ops.push(Op::Receive { slot, within: Some(Nanos::from_micros(20)) });
                        ops.push(Op::ProcessKill { process: LAST });
                        Op::Reply
                    } else {
                        ops.push(Op::Call { slot, within: None });
                        ops.push(Op::Sleep(Nanos(u64::from(source.choose(8_000)))));
                        ops.push(Op::ProcessKill { process: LAST });
                        Op::Send { slot, within: Some(micros(source, 60)) }
                    }
                }
                _ => any(source),
            };
            ops.push(op);
        }
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    let end = [Op::Reply, Op::ReplyReceive { slot: LAST, within: None }, Op::Exit][source.choose(3) as usize];
    programs.push(vec![Op::Receive { slot: LAST, within: None }, Op::Yield, end]);
    programs.push(vec![Op::Call { slot: LAST, within: None }, Op::Yield, Op::Exit]);
    // One that stays, so that those who wait for ever go on.
    let keeper = programs.len() as u64;
    let mut serves = vec![Op::Sleep(Nanos::from_micros(40))];
    serves.extend((0..3).map(|slot| Op::Send { slot, within: Some(Nanos::from_micros(10)) }));
    serves.extend((0..3).map(|slot| Op::ReplyReceive { slot, within: Some(Nanos::from_micros(10)) }));
    serves.extend([Op::Reply, Op::Again { times: 300 }]);
    programs.push(serves);
    programs[0].push(Op::Spawn { program: keeper as u8 });
    of_two_processes(source, cpus, programs)
}

pub(super) fn signals(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![vec![Op::EndpointCreate, Op::EndpointCreate, Op::EndpointCreate]];
    // The faults of most threads are handled, and most of those who handle them stay.
    let handled = source.choose(4) != 0;
    let handler = 1 + count as u8;
    if handled {
        programs[0].push(Op::Spawn { program: handler });
        programs[0].extend([Op::ThreadSelf, Op::ThreadHandler { thread: LAST, slot: 0 }]);
    }
    programs[0].extend(starter(between(source, 2, 6), count));
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 14) {
            let op = match source.choose(20) {
                which @ 0..5 => stir(source, which),
                5 => [Op::Yield, Op::Exit, Op::Compute(micros(source, 100))][source.choose(3) as usize],
                9 => {
                    // A process that handles the faults of a thread of another, and ends.
                    let (slot, thread) = (source.choose(3) as u8, slot(source));
                    let rights = CapabilityRights(0x8c);
                    ops.push(Op::ProcessCreate { frames: 40 });
                    ops.push(Op::ProcessGive { process: LAST, slot: ENDPOINTS + slot, rights, badge: 0 });
                    let manage = CapabilityRights(0x43);
                    ops.push(Op::ProcessGive { process: LAST, slot: thread, rights: manage, badge: 0 });
                    ops.push(Op::ProcessThread { process: LAST, program: handler + 2 });
                    Op::Sleep(Nanos(u64::from(source.choose(8_000))))
                }
                6 | 7 => {
                    // A process whose faults and whose end others hear of, or one that handles theirs.
                    let slot = source.choose(3) as u8;
                    let rights = CapabilityRights(0x8c);
                    let program = [handler, handler + 1][source.choose(2) as usize];
                    ops.push(Op::ProcessCreate { frames: 40 });
                    ops.push(Op::ProcessGive { process: LAST, slot: ENDPOINTS + slot, rights, badge: 0 });
                    ops.push(Op::ProcessNotify { process: LAST, slot, bits: 1 });
                    ops.push(Op::ProcessHandler { process: LAST, slot });
                    ops.push(Op::ProcessThread { process: LAST, program });
                    ops.push(Op::Sleep(Nanos(u64::from(source.choose(8_000)))));
                    [Op::ProcessKill { process: LAST }, Op::Fault, Op::Yield][source.choose(3) as usize]
                }
                8 => match process_op(source) {
                    Op::ProcessRestrict { .. } => Op::Yield,
                    other => other,
                },
                _ => signal_op(source),
            };
            ops.push(op);
        }
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    let slot = [0, 0, LAST][source.choose(3) as usize];
    let mut handles = vec![Op::ReplyReceive { slot, within: None }];
    handles.push([Op::Yield, Op::Yield, Op::Yield, Op::Fault, Op::Exit][source.choose(5) as usize]);
    handles.push(Op::Again { times: 200 });
    programs.push(handles);
    programs.push(vec![Op::Fault, Op::Signal { slot: LAST, bits: 2 }, Op::Fault, Op::Exit]);
    programs.push(vec![
        Op::ThreadHandler { thread: LAST, slot: LAST },
        Op::Sleep(Nanos(u64::from(source.choose(20_000)))),
        Op::Exit,
    ]);
    // One that stays, so that those who wait for ever go on.
    let keeper = programs.len() as u64;
    let mut serves = vec![Op::Sleep(Nanos::from_micros(40))];
    serves.extend((0..3).map(|slot| Op::Signal { slot, bits: 4 }));
    serves.extend((0..3).map(|slot| Op::ReplyReceive { slot, within: Some(Nanos::from_micros(10)) }));
    serves.extend([Op::Reply, Op::Again { times: 300 }]);
    programs.push(serves);
    if source.choose(4) == 0 {
        // Two processes that want to hear of the end of a third.
        let rival = programs.len() as u8;
        programs.push(vec![
            Op::Sleep(Nanos::from_micros(5)),
            // As it is called there: the third name of a process.
            Op::ProcessNotify { process: 2, slot: LAST, bits: 2 },
            Op::Sleep(Nanos(u64::MAX)),
        ]);
        let (looks, all) = (CapabilityRights(0x41), CapabilityRights(0x8c));
        programs[0].extend([
            Op::ProcessCreate { frames: 40 },
            Op::ProcessNotify { process: LAST, slot: 0, bits: 1 },
            Op::ProcessCreate { frames: 40 },
            Op::ProcessGive { process: LAST, slot: ENDPOINTS, rights: all, badge: 0 },
            Op::ProcessThread { process: LAST, program: rival },
            Op::ProcessGive { process: LAST, slot: PROCESSES, rights: looks, badge: 0 },
        ]);
        // And a name by which nobody may look at a process.
        let blind = CapabilityRights(0x40);
        programs[0].push(Op::ProcessCreate { frames: 40 });
        programs[0].push(Op::CapabilityCopy { slot: PROCESSES + LAST, rights: blind, badge: 0 });
        programs[0].extend((0..4).map(|seed| Op::Any { number: Number::ProcessCount, seed }));
    }
    programs[0].push(Op::Spawn { program: keeper as u8 });
    of_two_processes(source, cpus, programs)
}

/// As `signals`, where what comes to one endpoint is received at another.
pub(super) fn sets(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let mut plan = signals(source, cpus);
    for (number, program) in plan.programs.iter_mut().enumerate() {
        // The first one makes the endpoints before anything else.
        let first = if number == 0 { 3 } else { 0 };
        for _ in 0..source.choose(3) {
            let at = first + source.choose((program.len() - first) as u32 + 1) as usize;
            let (slot, set) = (source.choose(3) as u8, source.choose(3) as u8);
            program.insert(at, Op::EndpointJoin { slot, set });
        }
    }
    plan
}

/// What disturbs servers and clients now and then.
fn disturbance(source: &mut dyn Source) -> Op {
    match source.choose(10) {
        0 => Op::Sleep(Nanos(u64::from(source.choose(3_000)))),
        1 => Op::Compute(micros(source, 100)),
        2 => Op::Suspend { slot: slot(source) },
        3 | 4 => Op::Resume { slot: slot(source) },
        5 => Op::SetPriority { slot: slot(source), priority: priority(source) },
        6 => Op::Cancel { slot: slot(source) },
        7 => Op::Call { slot: 0, within: Some(micros(source, 60)) },
        8 => Op::Yield,
        _ => message_op(source),
    }
}

pub(super) fn servers(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 2) as u16);
    let seldom = between(source, 2, 12);
    let mut programs = vec![vec![Op::EndpointCreate]];
    programs[0].extend(starter(between(source, 1, 3), 3));
    if source.choose(2) == 0 {
        let rights = CapabilityRights(0xc);
        programs[0].push(Op::ProcessCreate { frames: 40 });
        programs[0].push(Op::ProcessGive { process: LAST, slot: ENDPOINTS, rights, badge: 5 });
        programs[0].push(Op::ProcessThread { process: LAST, program: 4 });
    }
    for serves in [true, false, false] {
        let mut ops = Vec::new();
        for _ in 0..between(source, 1, 5) {
            ops.push(match source.choose(seldom) {
                0 => disturbance(source),
                _ if serves => Op::ReplyReceive { slot: 0, within: None },
                1 => [Op::Null, Op::Signal { slot: 0, bits: 1 }][source.choose(2) as usize],
                _ => Op::Call { slot: 0, within: None },
            });
        }
        ops.push(Op::Again { times: 400 });
        programs.push(ops);
    }
    // A client of another process, by its own name for the endpoint.
    programs.push(vec![Op::Call { slot: 1, within: None }, Op::Null, Op::Again { times: 400 }]);
    Plan {
        cpus,
        programs,
        processes: vec![0],
        threads: 12,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}
