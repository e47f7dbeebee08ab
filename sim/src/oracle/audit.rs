//! Everything, from scratch: what the incremental checks rely on, and what they cannot see.

use coldframe_abi::{CapabilityKind, Instant};
use coldframe_capability::Capability;
use coldframe_kernel::{Inspection, Life, WaitsFor};
use coldframe_scheduler::{LEVELS, NONE, Place};
use hal_host::{HardwareFormat, HostCpu, HostMachine};

use super::{ONE_PLACE, Violation, WAITS_END, demand};

pub(crate) fn check<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    cpus: &[HostCpu<F>],
    found: &mut Vec<u32>,
    now: Instant,
) -> Result<(), Violation> {
    found.clear();
    found.resize(view.rows.len(), 0);
    walk_queues(view, cpus.len(), found, now)?;
    for (thread, row) in view.rows.iter().enumerate().take(usable(view)) {
        let object = &view.threads[thread];
        let queued = row.place() == Place::Queued;
        demand(queued == (found[thread] == 1) && found[thread] <= 1, ONE_PLACE, now, || {
            format!("thread {thread} is {:?} and in {} queues", row.place(), found[thread])
        })?;
        let alive = object.life() == Life::Alive;
        demand(alive == (row.place() != Place::Free), ONE_PLACE, now, || {
            format!("thread {thread} is {:?} and {:?}", object.life(), row.place())
        })?;
        demand(row.place() != Place::Moving, ONE_PLACE, now, || {
            format!("thread {thread} is in nobody's hands between two entries")
        })?;
        if row.place() == Place::Running {
            let cpu = usize::from(row.cpu().0);
            demand(view.queues[cpu].current() == Some(thread as u32), ONE_PLACE, now, || {
                format!("thread {thread} says that it runs on cpu{cpu}, which knows nothing of it")
            })?;
        }
    }
    waits_can_end(view, now)
}

/// The same for every thread but the reaper.
pub(super) fn waits_can_end<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    (1..usable(view)).try_for_each(|thread| wait_can_end(view, thread, now))
}

/// The tables of a thread grow by the frame: only rows that all of them have can be in use.
fn usable<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>) -> usize {
    view.threads.len().min(view.timers.len() / 2).min(view.rows.len())
}

/// Counts how often each thread is found in a run queue.
fn walk_queues<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    cpus: usize,
    found: &mut [u32],
    now: Instant,
) -> Result<(), Violation> {
    for (slot, head) in view.heads[..cpus * LEVELS].iter().enumerate() {
        if *head == NONE {
            continue;
        }
        let mut turn = *head;
        loop {
            let record = &view.turns[turn as usize];
            let at_home =
                usize::from(record.cpu().0) == slot / LEVELS && record.level().index() == slot % LEVELS;
            demand(at_home, ONE_PLACE, now, || format!("turn {turn} is in the ring of another level"))?;
            let mut thread = record.first();
            while thread != NONE {
                found[thread as usize] += 1;
                demand(found[thread as usize] == 1, ONE_PLACE, now, || {
                    format!("thread {thread} is queued twice")
                })?;
                let next = view.rows[thread as usize].next();
                thread = if next == record.first() { NONE } else { next };
            }
            turn = record.next();
            if turn == *head {
                break;
            }
        }
    }
    Ok(())
}

fn waits_in_list<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    first: Option<u32>,
    thread: usize,
) -> bool {
    let mut next = first;
    while let Some(at) = next {
        if at as usize == thread {
            return true;
        }
        next = view.threads[at as usize].next_waiter();
    }
    false
}

/// Whether nobody will tell a thread anything any more, since its process has ended.
fn has_ended<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, thread: usize) -> bool {
    view.processes[view.threads[thread].process() as usize].ended().is_some()
}

pub(super) fn wait_can_end<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: usize,
    now: Instant,
) -> Result<(), Violation> {
    let object = &view.threads[thread];
    let waits = view.rows[thread].place() == Place::Waiting;
    demand(waits == (object.waits_for() != WaitsFor::Nothing), WAITS_END, now, || {
        format!("thread {thread} is {:?} and waits for {:?}", view.rows[thread].place(), object.waits_for())
    })?;
    if let WaitsFor::EndOf(target) = object.waits_for() {
        let other = &view.threads[target as usize];
        let fits =
            other.life() == Life::Alive && other.joiner() == Some(thread as u32) || has_ended(view, thread);
        demand(fits, WAITS_END, now, || {
            format!(
                "thread {thread} waits for thread {target}, which is {:?} and awaited by {:?}",
                other.life(),
                other.joiner()
            )
        })?;
    }
    if let WaitsFor::EndOfProcess(target) = object.waits_for() {
        let process = &view.processes[target as usize];
        let fits =
            process.space().is_some() && process.watcher() == Some(thread as u32) || has_ended(view, thread);
        demand(fits, WAITS_END, now, || {
            format!(
                "thread {thread} waits for the end of process {target}, which has ended with {:?} and is watched by {:?}",
                process.ended(),
                process.watcher()
            )
        })?;
    }
    if let WaitsFor::Round(process) = object.waits_for() {
        let process = &view.processes[process as usize];
        let known = process.round().is_some_and(|round| round.owner() == thread as u32)
            || waits_in_list(view, process.first_waiter(), thread);
        demand(known, WAITS_END, now, || {
            format!("thread {thread} waits for a flush that nobody has asked for")
        })?;
    }
    if let WaitsFor::Reply(server) = object.waits_for() {
        let server = &view.threads[server as usize];
        let fits = server.life() == Life::Alive && server.caller() == Some(thread as u32);
        demand(fits, WAITS_END, now, || {
            format!(
                "thread {thread} waits for a reply of one that is {:?} and owes {:?}",
                server.life(),
                server.caller()
            )
        })?;
    }
    if let WaitsFor::KeptReply(number) = object.waits_for() {
        let count = names_of_kept(view, thread as u32, number);
        // Whoever gives it to one whose process has ended has nobody to wake.
        let is_ending = view.processes[object.process() as usize].ended().is_some();
        demand(count == 1 || (count == 0 && is_ending), WAITS_END, now, || {
            format!(
                "thread {thread} waits for its kept reply {number}, to which there are {count} capabilities"
            )
        })?;
    }
    if let Some(caller) = object.caller() {
        let waits = view.threads[caller as usize].waits_for();
        demand(
            object.life() == Life::Alive && waits == WaitsFor::Reply(thread as u32),
            WAITS_END,
            now,
            || format!("thread {thread} owes thread {caller} a reply, which waits for {waits:?}"),
        )?;
    }
    let armed = view.timers[thread * 2].deadline().is_some();
    demand(!armed || waits, WAITS_END, now, || format!("thread {thread} has a timer and does not wait"))
}

/// How many capabilities there are to a reply that was kept.
pub(crate) fn names_of_kept<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: u32,
    number: u32,
) -> usize {
    let is_it = |row: &&Capability| {
        let target = row.target();
        row.holder().is_some()
            && (target.kind, target.row, target.generation) == (CapabilityKind::Reply, thread, number)
    };
    view.capabilities.iter().filter(is_it).count()
}
