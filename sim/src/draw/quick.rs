//! Worlds in which whatever can go the fast way has gone it: what that leaves behind is what the next call finds.

use super::{Plan, copies, meetings, plans, turns};
use crate::source::Source;

pub(super) fn quick(source: &mut dyn Source, cpus: Option<u16>) -> Plan {
    let inner = [
        meetings::servers,
        meetings::servers,
        meetings::signals,
        meetings::sets,
        meetings::replies,
        turns::turns,
        plans::processes,
        plans::calls,
        plans::memory,
        plans::memory,
        plans::words,
        copies::copies,
        meetings::cargo,
    ];
    inner[source.choose(inner.len() as u32) as usize](source, cpus)
}
