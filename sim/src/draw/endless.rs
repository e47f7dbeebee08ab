//! Worlds that go on until they are ended: nothing may pile up, whatever is killed at whatever moment.

use coldframe_abi::Nanos;

use super::operations::{between, micros};
use super::{Plan, meetings};
use crate::ops::{Op, VICTIM};
use crate::source::Source;

/// The same with a deadline that comes soon, if it is a wait; what is done is done for ever, and so makes no threads.
fn restless(source: &mut dyn Source, mut op: Op) -> Op {
    let soon = Some(Nanos(u64::from(source.choose(40_000))));
    match &mut op {
        Op::Join { within, .. }
        | Op::ProcessWait { within, .. }
        | Op::WordWait { within, .. }
        | Op::ObjectWait { within, .. }
        | Op::Send { within, .. }
        | Op::Receive { within, .. }
        | Op::Call { within, .. }
        | Op::ReplyReceive { within, .. }
        | Op::PageWait { within, .. } => *within = within.or(soon),
        Op::Sleep(span) => *span = Nanos(span.0 % 40_000),
        Op::Again { times } => *times = u16::MAX,
        Op::Spawn { .. } => return Op::Yield,
        _ => {}
    }
    op
}

pub(super) fn endless(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let inner = [
        meetings::messages,
        meetings::parcels,
        meetings::signals,
        meetings::sets,
        meetings::replies,
        meetings::cargo,
    ];
    let mut plan = inner[source.choose(inner.len() as u32) as usize](source, cpus);
    for (number, program) in plan.programs.iter_mut().enumerate() {
        for op in program.iter_mut().filter(|op| number > 0 || !matches!(op, Op::Spawn { .. })) {
            *op = restless(source, *op);
        }
    }
    plan.programs[0].insert(0, Op::ForgetNames);
    let sleeps = plan.programs.len() as u64;
    plan.programs.push(vec![Op::Sleep(Nanos(u64::MAX))]);
    let kills = plan.programs.len() as u64;
    let mut killer = Vec::new();
    for _ in 0..between(source, 3, 9) {
        killer.extend([
            Op::VictimCreate { frames: [700, 400, 120, 60][source.choose(4) as usize] },
            Op::ProcessThread { process: VICTIM, program: 0 },
            Op::Sleep([micros(source, 60), micros(source, 600)][source.choose(2) as usize]),
            Op::ProcessKill { process: VICTIM },
            Op::ProcessWait { process: VICTIM, within: [None, Some(Nanos(200))][source.choose(2) as usize] },
            Op::VictimForget,
        ]);
    }
    killer.push(Op::Again { times: u16::MAX });
    plan.programs.push(killer);
    Plan { processes: vec![sleeps, kills], threads: usize::MAX, budget: 900, ..plan }
}
