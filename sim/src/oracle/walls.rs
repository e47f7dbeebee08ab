//! `kept-apart`: who has a host speaks to nobody else, and who has closed itself listens to nobody else.

use coldframe_abi::{Instant, Number};
use coldframe_kernel::{Inspection, Line, WaitsFor};
use hal_host::{HardwareFormat, HostMachine};

use super::{KEPT_APART, Violation, demand};

/// The calls that could go past a host or into a circle if they were tried the fast way.
const PAST_WALLS: [Number; 3] = [Number::Call, Number::ReplyReceive, Number::Signal];

/// Judges where one thread waits, and what its process may try.
#[inline]
pub(super) fn fits<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: usize,
    now: Instant,
) -> Result<(), Violation> {
    let row = &view.threads[thread];
    let Some(process) = view.processes.get(row.process() as usize) else { return Ok(()) };
    let by = view.waiters[thread].by().map(|by| &view.capabilities[by as usize]);
    let apart = match row.waits_for() {
        // A fault is sent by the name of whoever wanted to handle it.
        WaitsFor::InLine(Line::Senders(_) | Line::Callers(_)) if row.fault().is_none() => {
            let speaks_by = process.host().holder().unwrap_or(row.process());
            by.is_none_or(|by| by.holder() == Some(speaks_by))
        }
        WaitsFor::InLine(Line::Receivers(endpoint)) => {
            let circle = process.circle();
            circle.is_open() || circle == view.endpoints[endpoint as usize].circle()
        }
        _ => true,
    };
    demand(apart, KEPT_APART, now, || {
        format!("thread {thread} of process {} waits for {:?}, by {by:?}", row.process(), row.waits_for())
    })?;
    let is_free =
        process.host().holder().is_none() && process.circle().is_open() && process.ended().is_none();
    let tries = PAST_WALLS.iter().any(|call| process.quick_calls() >> *call as u64 & 1 == 1);
    demand(is_free || !tries, KEPT_APART, now, || {
        format!("process {} may try {:#x} the fast way", row.process(), process.quick_calls())
    })
}
