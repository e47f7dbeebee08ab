//! `context-lent`: who runs on whose context, and that it is queued by that.

use coldframe_abi::Instant;
use coldframe_kernel::{Inspection, Life, WaitsFor};
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, HostMachine};

use super::{CONTEXT_LENT, Violation, demand};

/// Whether every context is where it belongs.
pub(super) fn audit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    let usable = view.threads.len().min(view.rows.len());
    (1..usable).try_for_each(|thread| fits(view, thread, now))
}

/// Whether a thread runs on what it holds, and what it has lent serves a call of its own.
pub(super) fn fits<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: usize,
    now: Instant,
) -> Result<(), Violation> {
    let (row, object) = (&view.rows[thread], &view.threads[thread]);
    if object.life() != Life::Alive {
        return Ok(());
    }
    let number = thread as u32;
    let holder = row.context().holder();
    let is_served =
        holder == number || view.rows[holder as usize].runs_on() == number && is_above(view, number, holder);
    demand(is_served, CONTEXT_LENT, now, || {
        format!("the context of thread {thread} is with thread {holder}, which serves no call of its")
    })?;
    if matches!(object.waits_for(), WaitsFor::Reply(_)) {
        return Ok(());
    }
    let on = row.runs_on();
    let lent = &view.rows[on as usize];
    let fits =
        holder == number && lent.context().holder() == number && (on == number) != object.caller().is_some();
    demand(fits, CONTEXT_LENT, now, || {
        format!(
            "thread {thread} runs on the context of {on}, which is with {}, and its own is with {holder}; it serves {:?}",
            lent.context().holder(),
            object.caller(),
        )
    })?;
    if !matches!(row.place(), Place::Queued | Place::Running) {
        return Ok(());
    }
    let (own, turn) = (row.context(), &view.turns[row.turn() as usize]);
    let level = if on == number { own.level() } else { own.base().max(lent.context().level()) };
    demand((turn.level(), turn.group()) == (level, lent.context().group()), CONTEXT_LENT, now, || {
        format!("thread {thread} is as urgent as {level:?} and takes a turn of {:?}", turn.level())
    })
}

/// Whether a thread waits, by however many calls, for the reply of another.
fn is_above<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, thread: u32, server: u32) -> bool {
    let mut below = server;
    while let Some(caller) = view.threads[below as usize].caller() {
        if caller == thread {
            return true;
        }
        below = caller;
    }
    false
}
