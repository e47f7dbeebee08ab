//! The oracles of memory: page tables as an independent walker finds them, against frames, budgets and what CPUs
//! remember.

use std::collections::HashMap;

use coldframe_abi::Instant;
use coldframe_hal::{Access, Frame, Trap};
use coldframe_kernel::{Inspection, Kernel, Process};
use coldframe_scheduler::NONE;
use hal_host::{HardwareFormat, Holding, HostCpu, HostMachine, Survey};

use super::{FAULT_REPAIRED, FRAMES_KEPT, NOTHING_STALE, PAGES_SAFE, Violation, cargo, demand};

/// With so few frames left, an access may be refused: a page and its tables have to be had.
const SCARCE: u64 = 8;

/// Judges what the CPU that has been in the kernel remembers, and every other that has a space of the same process.
#[inline]
pub(super) fn nothing_stale<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    cpus: &[HostCpu<F>],
    cpu: usize,
    now: Instant,
) -> Result<(), Violation> {
    for (number, other) in cpus.iter().enumerate() {
        let Some((root, _)) = other.active() else { continue };
        let of = |process: &Process<F>| process.space().is_some_and(|space| space.root() == root);
        demand(view.processes.iter().any(of), NOTHING_STALE, now, || {
            format!("cpu{number} has a space that nobody has")
        })?;
    }
    let Some((root, _)) = cpus[cpu].active() else { return Ok(()) };
    let process =
        view.processes.iter().find(|process| process.space().is_some_and(|space| space.root() == root));
    let Some(process) = process else { return Ok(()) };
    let flushing = process.round().is_some();
    for (number, other) in cpus.iter().enumerate() {
        if other.active().is_some_and(|(active, _)| active == root) {
            remembers_the_truth(kernel, view, number, other, root, flushing, now)?;
        }
    }
    Ok(())
}

fn remembers_the_truth<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    number: usize,
    cpu: &HostCpu<F>,
    root: Frame,
    flushing: bool,
    now: Instant,
) -> Result<(), Violation> {
    for (page, frame, write) in cpu.remembered() {
        let free = view.frames.is_free(kernel.machine(), Frame(frame));
        demand(!free, NOTHING_STALE, now, || {
            format!("cpu{number} reaches frame {frame} at {:#x}, and it is free", page << 12)
        })?;
        if flushing {
            continue;
        }
        let there = kernel.machine().place_of(root, page << 12);
        // Rights that were added are found out by a fault.
        let fits = there.is_some_and(|(now, writes)| now == frame && (!write || writes));
        demand(fits, NOTHING_STALE, now, || {
            format!("cpu{number} remembers frame {frame} at {:#x}, where {there:?} is", page << 12)
        })?;
    }
    Ok(())
}

/// What an audit works with, kept from audit to audit, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(super) survey: Survey,
    /// How many hold a frame that is shared; who owns one alone, and tables, count as all.
    holders: HashMap<u64, u32>,
    /// What mappings show.
    foreign: Vec<Holding>,
}

/// Judges all page tables, all frames and all budgets.
pub(super) fn audit<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    scratch: &mut Scratch,
    now: Instant,
) -> Result<(), Violation> {
    if view.processes.iter().any(|process| process.round().is_some()) {
        return Ok(());
    }
    let machine = kernel.machine();
    let Scratch { survey, holders, foreign } = scratch;
    holders.clear();
    foreign.clear();
    let mut out = view.table_frames as u64 + view.frames.sections_made(machine);
    for (number, process) in view.processes.iter().enumerate() {
        let Some(space) = process.space() else { continue };
        if process.ended().is_some() {
            // What is left of it is known when the reaper has finished.
            return Ok(());
        }
        demand(machine.has_kernel_half(space.root()), PAGES_SAFE, now, || {
            format!("the first table of process {number} lacks the kernel's half")
        })?;
        survey.again::<F>(machine.ram(), space.root());
        cargo::lent_by(view, number as u32, survey);
        foreign.extend(survey.pages.iter().filter(|page| page.state == 3).copied());
        for object in view.objects.iter().filter(|object| object.process() == Some(number as u32)) {
            if let Some(space) = object.space() {
                survey.add::<F>(machine.ram(), space.root());
            }
        }
        let held: u64 = survey.pages.iter().filter(|page| page.state != 3).map(|page| page.count).sum();
        let filling = space.filling().map_or(0, |filling| filling.run().count);
        let used = process.budget().used();
        let chunks = u64::from(process.holdings().chunks());
        demand(used == survey.tables.len() as u64 + held + filling + chunks, FRAMES_KEPT, now, || {
            let tables = survey.tables.len();
            format!(
                "process {number} pays for {used} frames and has {tables} tables, {held} pages, {chunks} chunks of capabilities, {filling} frames to be filled"
            )
        })?;
        demand(used <= process.budget().limit(), FRAMES_KEPT, now, || {
            format!("process {number} has {used} frames of {}", process.budget().limit())
        })?;
        out += survey.tables.len() as u64 + filling;
        for table in &survey.tables {
            demand(holders.insert(*table, u32::MAX).is_none(), FRAMES_KEPT, now, || {
                format!("table {table} of process {number} belongs to somebody else too")
            })?;
        }
        for page in survey.pages.iter().filter(|page| page.state != 3) {
            out += hold(holders, page, number, now)?;
        }
    }
    for page in foreign.iter() {
        let owned = |frame: u64| holders.get(&frame) == Some(&u32::MAX);
        // All may read the clock page.
        let is_clock = page.frame == view.clock_page.0 && page.count == 1 && !page.write && !page.execute;
        demand(is_clock || (page.frame..page.frame + page.count).all(owned), FRAMES_KEPT, now, || {
            format!("what a mapping shows at {:#x} is not the object's: {page:x?}", page.address)
        })?;
    }
    let wrong = |(frame, holder): (&u64, &u32)| {
        let owners = view.frames.owners(machine, Frame(*frame));
        let expected = if *holder == u32::MAX { 1 } else { *holder };
        let free = view.frames.is_free(machine, Frame(*frame));
        (owners != expected || free).then_some((*frame, owners, expected, free))
    };
    // The lowest one: what is said must not depend on the order of a hash map.
    let first = holders.iter().filter_map(wrong).min();
    demand(first.is_none(), FRAMES_KEPT, now, || {
        let (frame, owners, expected, free) = first.unwrap_or_default();
        format!("frame {frame} counts {owners} owners and has {expected}; it is free: {free}")
    })?;
    for parent in [None].into_iter().chain((0..view.processes.len() as u32).map(Some)) {
        let budget = parent.map_or(view.budget, |parent| view.processes[parent as usize].budget());
        let children =
            view.processes.iter().filter(|process| process.space().is_some() && process.parent() == parent);
        let limits: u64 = children.map(|process| process.budget().limit()).sum();
        let spent = budget.limit() - budget.used() - budget.left();
        demand(spent == limits, FRAMES_KEPT, now, || {
            format!("{spent} frames have been handed on by {parent:?} to processes that have {limits}")
        })?;
    }
    let chunks: u32 = view.processes.iter().map(|process| process.holdings().chunks()).sum();
    let paid = view.boot_frames as u64 + view.own.used() + u64::from(chunks);
    demand(view.table_frames as u64 == paid, FRAMES_KEPT, now, || {
        format!("the kernel's tables have {} frames, and {paid} are paid for", view.table_frames)
    })?;
    // What a flush keeps is on its way back, and has been taken off the account.
    let left: u64 = view.processes.iter().map(|process| process.budget().left()).sum();
    let promised = left + view.budget.left();
    demand(view.frames.free_count() >= promised, FRAMES_KEPT, now, || {
        format!("{} frames are free, and {promised} are promised", view.frames.free_count())
    })?;
    let all = view.frames.total();
    let free = view.frames.free_count() + view.frames.kept_back();
    demand(free + out == all, FRAMES_KEPT, now, || {
        format!("{free} frames are free, {out} are known to be out, and there are {all}")
    })?;
    Ok(())
}

/// Notes who holds the frames of a page; says how many of them nobody held before.
fn hold(
    holders: &mut HashMap<u64, u32>,
    page: &Holding,
    process: usize,
    now: Instant,
) -> Result<u64, Violation> {
    let shared = page.state == 1 || page.state == 2;
    demand(!(page.write && (page.execute || shared)), PAGES_SAFE, now, || {
        format!("process {process} can write {page:x?}")
    })?;
    let mut fresh = 0;
    for frame in page.frame..page.frame + page.count {
        let holder = holders.entry(frame).or_default();
        let fits = *holder == 0 || (shared && *holder != u32::MAX);
        demand(fits, FRAMES_KEPT, now, || {
            format!("frame {frame} at {:#x} of process {process} belongs to somebody else too", page.address)
        })?;
        fresh += u64::from(*holder == 0);
        *holder = if shared { *holder + 1 } else { u32::MAX };
    }
    Ok(fresh)
}

/// Whoever goes on after a fault finds what it touched.
pub(super) fn repaired<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    cpu: &HostCpu<F>,
    trap: Trap,
    now: Instant,
) -> Result<(), Violation> {
    let (Trap::PageFault { address, access, .. }, Some((root, _))) = (trap, cpu.active()) else {
        return Ok(());
    };
    let there = kernel.machine().place_of(root, address);
    let fits = there.is_some_and(|(_, writes)| access != Access::Store || writes);
    demand(fits, FAULT_REPAIRED, now, || {
        format!("{access:?} at {address:#x} goes on, and finds {there:?} there")
    })
}

/// What an access that is allowed must not lead to.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    process: u32,
    scarce: bool,
    /// How many requests for memory had been refused.
    refused: u64,
}

impl Allowed {
    /// Before the fault of a thread.
    #[must_use]
    pub fn before<F: HardwareFormat>(kernel: &Kernel<HostMachine<F>>, thread: u32) -> Self {
        let view = kernel.inspect();
        let process = if thread == NONE { 0 } else { view.threads[thread as usize].process() };
        let row = &view.processes[process as usize];
        let scarce =
            row.ended().is_some() || row.budget().left() < SCARCE || view.frames.free_count() < SCARCE;
        Self { process, scarce, refused: kernel.machine().refused() }
    }

    /// After it.
    ///
    /// # Errors
    /// If the process has ended over it.
    pub fn judge<F: HardwareFormat>(
        self,
        kernel: &Kernel<HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        let ended = kernel.inspect().processes[self.process as usize].ended().is_some();
        let refused = kernel.machine().refused() != self.refused;
        demand(!ended || self.scarce || refused, FAULT_REPAIRED, now, || {
            format!("process {} ends over something that it may do", self.process)
        })
    }
}
