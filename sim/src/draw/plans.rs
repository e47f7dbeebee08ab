//! Drawn plans: how many CPUs a world has, and which programs.

use coldframe_abi::{CapabilityRights, Nanos};

use super::Plan;
use super::operations::{
    any_call, any_op, between, capability_op, memory_op, micros, priority, process_op, raw, slot, stir,
    word_op,
};
use crate::ops::{LAST, OBJECTS, Op};
use crate::source::Source;

/// Of how many requests for memory one is refused; none, in most worlds.
pub(super) fn refusals(source: &mut dyn Source) -> u64 {
    [0, 0, 0, 0, 7, 31, 97, 300][source.choose(8) as usize]
}

/// Two processes that both begin with the first program, and not much of anything.
pub(super) fn of_two_processes(source: &mut dyn Source, cpus: u16, programs: Vec<Vec<Op>>) -> Plan {
    Plan {
        cpus,
        programs,
        processes: vec![0, 0],
        threads: 40,
        budget: 900,
        refuse_every: refusals(source),
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn starter(threads: u32, programs: u32) -> Vec<Op> {
    let mut ops = Vec::new();
    for thread in 0..threads {
        ops.push(Op::Spawn { program: (1 + thread % programs) as u8 });
    }
    ops
}

pub(super) fn scheduler(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus: cpus.unwrap_or(2),
        programs,
        processes: vec![0],
        threads: 7,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn mixed(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs,
        processes,
        threads: 48,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn groups(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs: vec![first, hog],
        processes: vec![0],
        threads: 32,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn waits(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs,
        processes: vec![0],
        threads: 48,
        budget: u64::MAX,
        refuse_every: 0,
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn memory(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs,
        processes,
        threads: 24,
        budget,
        refuse_every: refusals(source),
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn capabilities(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    let budget = [u64::MAX, 12][source.choose(2) as usize];
    Plan {
        cpus,
        programs,
        processes,
        threads: 32,
        budget,
        refuse_every: refusals(source),
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn processes(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs,
        processes: vec![keeper, 0, 0],
        threads: 40,
        budget: 900,
        refuse_every: refusals(source),
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn hostile(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
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
    Plan {
        cpus,
        programs,
        processes: vec![0, 3],
        threads: 48,
        budget: u64::MAX,
        refuse_every: refusals(source),
        device: false,
        devices: Vec::new(),
    }
}

pub(super) fn words(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![starter(between(source, 2, 7), count)];
    programs[0].extend([Op::ObjectCreate, Op::ObjectCreate]);
    if source.choose(2) == 0 {
        programs[0].push(Op::ProcessCreate { frames: 40 });
        programs[0].push(Op::ProcessThread { process: 0, program: 1 });
    }
    let victim = 1 + count as u8;
    for _ in 0..count {
        let mut ops = Vec::new();
        for _ in 0..between(source, 3, 14) {
            let op = match source.choose(24) {
                which @ 0..5 => stir(source, which),
                5 | 6 => Op::SetPriority { slot: slot(source), priority: priority(source) },
                7 => [Op::Yield, Op::Exit, Op::Compute(micros(source, 100))][source.choose(3) as usize],
                8 => match process_op(source) {
                    Op::ProcessRestrict { .. } => Op::Yield,
                    other => other,
                },
                9 => {
                    // Who is killed while it waits is not there to be woken.
                    let rights = CapabilityRights(0xc);
                    ops.push(Op::ProcessCreate { frames: 40 });
                    ops.push(Op::ProcessGive { process: LAST, slot: OBJECTS, rights, badge: 0 });
                    ops.push(Op::ProcessThread { process: LAST, program: victim });
                    ops.push(Op::Sleep(Nanos(u64::from(source.choose(8_000)))));
                    ops.push(Op::ProcessKill { process: LAST });
                    Op::ObjectWake { slot: 0, word: 0, most: 1 }
                }
                _ => word_op(source),
            };
            ops.push(op);
        }
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    // One that stays and wakes whoever waits for ever, so that the others go on.
    programs.push(vec![Op::ObjectWait { slot: LAST, word: 0, expected: 0, within: None }]);
    let keeper = programs.len() as u64;
    let mut wakes = vec![Op::Sleep(Nanos::from_micros(40))];
    wakes.extend((0..3).map(|word| Op::WordWake { word, most: 2 }));
    wakes.push(Op::ObjectWake { slot: source.choose(2) as u8, word: source.choose(3) as u8, most: 1 });
    wakes.push(Op::Again { times: 300 });
    programs.push(wakes);
    programs[0].push(Op::Spawn { program: keeper as u8 });
    of_two_processes(source, cpus, programs)
}

pub(super) fn calls(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let cpus = cpus.unwrap_or(between(source, 1, 4) as u16);
    let count = between(source, 2, 4);
    let mut programs = vec![starter(between(source, 1, 4), count)];
    programs[0].extend([Op::ObjectCreate, Op::GroupCreate, Op::ProcessCreate { frames: 60 }, Op::ThreadSelf]);
    for _ in 0..count {
        let mut ops: Vec<_> = (0..between(source, 6, 24)).map(|_| any_call(source)).collect();
        ops.push(Op::Again { times: between(source, 1, 40) as u16 });
        programs.push(ops);
    }
    let keeper = programs.len() as u64;
    programs.push(vec![Op::Sleep(Nanos(u64::MAX))]);
    let budget = [u64::MAX, 300, 60, 30][source.choose(4) as usize];
    let processes = vec![keeper, 0, 0];
    Plan {
        cpus,
        programs,
        processes,
        threads: 40,
        budget,
        refuse_every: refusals(source),
        device: true,
        devices: Vec::new(),
    }
}
