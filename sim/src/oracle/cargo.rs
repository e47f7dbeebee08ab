//! `cargo`: pages that go along with messages are frozen, and where they are lent to, until their sender goes on.

use coldframe_abi::{Instant, UserAddress};
use coldframe_hal::Cpu;
use coldframe_hal::FRAME_BYTES;
use coldframe_hal::paging::{Entry, Ownership};
use coldframe_kernel::{Inspection, Kernel, Life, Part, Place, Resume, WaitsFor};
use coldframe_memory::Pages;
use hal_host::{HardwareFormat, Holding, HostCpu, HostMachine, Survey};

use super::{CARGO, Violation, demand};

/// What the page tables of a process say of an address.
fn entry_at<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    process: u32,
    address: u64,
) -> Option<Entry> {
    let space = view.processes[process as usize].space()?;
    space.query(kernel.machine(), UserAddress(address)).map(|(entry, _)| entry)
}

/// Whoever goes on in user mode has everything back.
pub(super) fn fits<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    cpu: &HostCpu<F>,
    resume: Resume,
    now: Instant,
) -> Result<(), Violation> {
    let runs = kernel.loaded(cpu.id());
    let Some(thread) = view.threads.get(runs as usize).filter(|_| resume == Resume::User) else {
        return Ok(());
    };
    demand(thread.cargo().is_empty(), CARGO, now, || {
        format!("thread {runs} goes on, and {:x?} still goes along with its message", thread.cargo())
    })
}

/// Counts what a process has lent as held by it.
pub(super) fn lent_by<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    process: u32,
    survey: &mut Survey,
) {
    let alive = view.threads.iter().filter(|row| row.life() == Life::Alive && row.process() == process);
    for part in alive.flat_map(|thread| thread.cargo().parts()) {
        if !part.passage().is_lent() {
            continue;
        }
        let pages = part.pages();
        for page in survey.pages.iter_mut().filter(|page| page.state == 3) {
            if pages.start() <= page.address && page.address < pages.end() {
                page.state = 0;
            }
        }
    }
}

/// Judges the pages of all messages, and that no others are frozen.
pub(super) fn audit<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    survey: &mut Survey,
    now: Instant,
) -> Result<(), Violation> {
    if view.processes.iter().any(|process| process.round().is_some() || process.ended().is_some()) {
        return Ok(());
    }
    let mut leaving = 0;
    for (number, thread) in view.threads.iter().enumerate().filter(|(_, thread)| thread.life() == Life::Alive)
    {
        let waits = thread.waits_for() != WaitsFor::Nothing || thread.work().is_some();
        demand(waits || thread.cargo().is_empty(), CARGO, now, || {
            format!("thread {number} has nothing to wait for, and {:x?}", thread.cargo())
        })?;
        for part in thread.cargo().parts() {
            leaving += is_ready(kernel, view, (number, thread.process(), part), now)?;
        }
    }
    let mut found = 0;
    for (number, process) in (0..).zip(view.processes) {
        let Some(process) = process.space() else { continue };
        survey.again::<F>(kernel.machine().ram(), process.root());
        let is_leaving = |address: u64| {
            let entry = process.query(kernel.machine(), UserAddress(address));
            matches!(entry, Some((Entry::Leaving(_), _)))
        };
        found += survey.pages.iter().filter(|page| is_leaving(page.address)).count();
        let placed = |page: &&Holding| page.state == 3 && !is_placed(view, number, page.address);
        let lost = survey.pages.iter().find(placed);
        demand(lost.is_none(), CARGO, now, || {
            format!("process {number} has {lost:x?}, which no mapping shows and nobody lends")
        })?;
    }
    demand(found == leaving, CARGO, now, || {
        format!("{found} pages are on their way while no flush is, and {leaving} go along with messages")
    })
}

/// Whether a mapping shows a page of somebody else's at an address, or somebody lends it, there or elsewhere.
fn is_placed<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, process: u32, address: u64) -> bool {
    let within = |pages: Pages| pages.start() <= address && address < pages.end();
    let is_shown = view.mappings.iter().any(|row| row.process() == Some(process) && within(row.view().pages));
    let is_lent = |owner: u32, part: &Part| {
        let there = part.lent_to().filter(|place| place.process() == process);
        (owner == process && part.passage().is_lent() && within(part.pages()))
            || there.is_some_and(|place| within(place.pages()))
    };
    let alive = view.threads.iter().filter(|thread| thread.life() == Life::Alive);
    is_shown
        || alive
            .flat_map(|row| row.cargo().parts().map(|part| (row.process(), part)))
            .any(|(owner, part)| is_lent(owner, part))
}

/// Judges one range; says how many of its pages nobody reaches.
fn is_ready<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    (thread, process, part): (usize, u32, &Part),
    now: Instant,
) -> Result<usize, Violation> {
    if part.has_gone() {
        return Ok(0);
    }
    let pages = part.pages();
    let is_foreign = |entry: Entry| {
        matches!(entry, Entry::Page(leaf) if leaf.ownership == Ownership::Foreign).then_some(entry)
    };
    for address in (pages.start()..pages.end()).step_by(FRAME_BYTES as usize) {
        let entry = entry_at(kernel, view, process, address);
        let fits = match (part.passage().is_lent(), entry) {
            (true, Some(entry)) => is_foreign(entry).is_some(),
            (false, Some(Entry::Leaving(leaf))) => leaf.ownership == Ownership::Private,
            _ => false,
        };
        demand(fits, CARGO, now, || {
            format!("thread {thread} sends {part:x?}, and at {address:#x} is {entry:x?}")
        })?;
        let is_there =
            |place: &Place| view.processes[place.process() as usize].generation() == place.generation();
        let Some(place) = part.lent_to().filter(is_there) else { continue };
        let there = place.pages().start() + (address - pages.start());
        let (Some(Entry::Page(own)), Some(found)) = (entry, entry_at(kernel, view, place.process(), there))
        else {
            continue;
        };
        // Once it has been taken away something else may be there.
        let fits = place.is_taken()
            || matches!(found, Entry::Page(leaf) if leaf.frame == own.frame && is_foreign(found).is_some());
        demand(fits, CARGO, now, || {
            format!(
                "thread {thread} lends {own:x?} to {there:#x} of process {}, where {found:x?} is",
                place.process()
            )
        })?;
    }
    Ok(if part.passage().is_lent() { 0 } else { (pages.length() / FRAME_BYTES) as usize })
}
