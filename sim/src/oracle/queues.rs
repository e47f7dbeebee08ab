//! `queued-where-it-waits`: queues and lists walked from their roots, against what each thread says of itself.

use coldframe_abi::{Instant, UserAddress};
use coldframe_hal::paging::Entry;
use coldframe_ipc::{NONE, Queue};
use coldframe_kernel::{Inspection, Kernel, Line, WaitsFor};
use hal_host::{HardwareFormat, HostMachine};

use super::{QUEUED, Violation, demand};

/// Judges what one thread says of itself.
#[inline]
pub(super) fn fits<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: usize,
    now: Instant,
) -> Result<(), Violation> {
    let (waits, row) = (view.threads[thread].waits_for(), &view.waiters[thread]);
    let in_line = matches!(waits, WaitsFor::InLine(_));
    demand(in_line == row.key().is_some(), QUEUED, now, || {
        format!("thread {thread} waits for {waits:?} and stands at {:?}", row.key())
    })?;
    let by_name = in_line && !matches!(waits, WaitsFor::InLine(Line::OfProcess(_)));
    demand(by_name == row.by().is_some(), QUEUED, now, || {
        format!("thread {thread} waits for {waits:?} by capability {:?}", row.by())
    })
}

/// Judges all queues and lists.
pub(super) fn audit<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    found: &mut Vec<u32>,
    now: Instant,
) -> Result<(), Violation> {
    let view = &kernel.inspect();
    found.clear();
    found.resize(view.threads.len(), 0);
    for (number, process) in (0_u32..).zip(view.processes) {
        walk(view, process.words(), Line::OfProcess(number), found, now)?;
        words_are_there(kernel, number as usize, now)?;
    }
    for (number, object) in (0_u32..).zip(view.objects) {
        walk(view, object.words(), Line::OfObject(number), found, now)?;
    }
    for (number, endpoint) in (0_u32..).zip(view.endpoints) {
        walk(view, endpoint.senders(), Line::Senders(number), found, now)?;
        walk(view, endpoint.receivers(), Line::Receivers(number), found, now)?;
        nobody_is_missed(view, number, now)?;
    }
    for (thread, times) in found.iter().enumerate().take(view.waiters.len().min(view.threads.len())) {
        fits(view, thread, now)?;
        super::walls::fits(view, thread, now)?;
        super::hints::rests(view, thread, now)?;
        let stands = view.waiters[thread].key().is_some();
        demand(*times == u32::from(stands), QUEUED, now, || {
            format!("thread {thread} is found {times} times in queues, and stands in one: {stands}")
        })?;
    }
    users_fit(view, now)
}

/// Whether who waits for this has its place in this line: who calls waits where senders do.
fn is_for(waits: WaitsFor, line: Line) -> bool {
    let line_of = match waits {
        WaitsFor::InLine(Line::Callers(endpoint)) => Line::Senders(endpoint),
        WaitsFor::InLine(line) => line,
        _ => return false,
    };
    line_of == line
}

/// Whether nobody waits to send where somebody waits to receive, or where nobody can come.
fn nobody_is_missed<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    endpoint: u32,
    now: Instant,
) -> Result<(), Violation> {
    let row = &view.endpoints[endpoint as usize];
    let hears = |root: Option<u32>| {
        let mut open: Vec<u32> = root.into_iter().collect();
        let mut found = None;
        while let Some(node) = open.pop() {
            let mut thread = node;
            loop {
                let process = view.threads[thread as usize].process() as usize;
                if view.processes[process].ended().is_none() {
                    found = Some(thread);
                }
                thread = view.waiters[thread as usize].next();
                if thread == node {
                    break;
                }
            }
            open.extend(view.waiters[node as usize].below().into_iter().filter(|below| *below != NONE));
        }
        found
    };
    let (sender, receiver) = (hears(row.senders().root()), hears(row.receivers().root()));
    let (_, readers, writers) = row.names();
    let writers = writers + row.of_members().1;
    let fits = (sender.is_none() || receiver.is_none())
        && (sender.is_none() || readers > 0)
        && (receiver.is_none() || writers > 0)
        && (receiver.is_none() || row.signals() == 0);
    demand(fits, QUEUED, now, || {
        format!(
            "at endpoint {endpoint} thread {sender:?} waits to send and {receiver:?} to receive, signals {:#x} have been raised; {readers} names may receive there and {writers} send",
            row.signals()
        )
    })
}

fn walk<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    queue: &Queue,
    line: Line,
    found: &mut [u32],
    now: Instant,
) -> Result<(), Violation> {
    let mut open: Vec<u32> = queue.root().into_iter().collect();
    while let Some(node) = open.pop() {
        let mut thread = node;
        loop {
            found[thread as usize] += 1;
            let waits = view.threads[thread as usize].waits_for();
            let (here, there) = (view.waiters[thread as usize].key(), view.waiters[node as usize].key());
            let fits = found[thread as usize] == 1 && is_for(waits, line) && here == there;
            demand(fits, QUEUED, now, || {
                format!("thread {thread} waits for {waits:?} and is in the queue of {line:?} at {there:?}")
            })?;
            thread = view.waiters[thread as usize].next();
            if thread == node {
                break;
            }
        }
        open.extend(view.waiters[node as usize].below().into_iter().filter(|below| *below != NONE));
    }
    Ok(())
}

/// The word that a program finds at an address, if it may read there: in a page, or in one that a mapping promises.
pub(crate) fn word_there<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    process: usize,
    address: u64,
) -> Option<u64> {
    let (view, machine) = (kernel.inspect(), kernel.machine());
    let space = view.processes[process].space()?;
    if let Some(word) = machine.word_of(space.root(), address) {
        return Some(word);
    }
    let Some((Entry::Promised(mapping), _)) = space.query(machine, UserAddress(address)) else { return None };
    let mapping = &view.mappings[mapping as usize];
    let pages = view.objects[mapping.object() as usize].space()?;
    Some(machine.word_of(pages.root(), mapping.view().offset_of(address)).unwrap_or(0))
}

/// Whether the words at which threads of a process wait can be read, as a walker that is not the kernel's finds it.
pub(super) fn words_are_there<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    process: usize,
    now: Instant,
) -> Result<(), Violation> {
    let view = kernel.inspect();
    let row = &view.processes[process];
    let (Some(first), None) = (row.words().root(), row.round()) else {
        return Ok(());
    };
    let mut open = vec![first];
    while let Some(node) = open.pop() {
        let waiter = &view.waiters[node as usize];
        let place = waiter.key().map_or(0, |key| key.place());
        demand(word_there(kernel, process, place).is_some(), QUEUED, now, || {
            format!("thread {node} waits at {place:#x}, where process {process} has nothing")
        })?;
        open.extend(waiter.below().into_iter().filter(|below| *below != NONE));
    }
    Ok(())
}

/// Whether every capability lists those who wait by it, and only them.
fn users_fit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    let mut listed = 0;
    for (number, capability) in (0_u32..).zip(view.capabilities) {
        let mut next = capability.users();
        while let Some(thread) = next {
            listed += 1;
            let row = &view.waiters[thread as usize];
            let waiting = &view.threads[thread as usize];
            // Who has had a fault waits by a name that somebody had lent for that, whoever handles the next one.
            let host = view.processes[waiting.process() as usize].host().holder();
            let own = waiting.fault().is_some()
                || capability.holder() == Some(waiting.process())
                || (host.is_some() && capability.holder() == host);
            let fits = row.by() == Some(number) && own;
            demand(fits && listed <= view.waiters.len(), QUEUED, now, || {
                format!(
                    "capability {number} of {:?} lists thread {thread}, which waits by {:?}",
                    capability.holder(),
                    row.by()
                )
            })?;
            next = row.next_user();
        }
    }
    let waiting = view.waiters.iter().filter(|row| row.by().is_some()).count();
    demand(listed == waiting, QUEUED, now, || {
        format!("{waiting} threads wait by capabilities, which list {listed}")
    })
}
