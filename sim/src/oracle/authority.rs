//! `authority`: the forest of capabilities walked from its ground, against whoever counts or lists them.

use coldframe_abi::{Authority, CapabilityKind, CapabilityRights, Instant, Reach};
use coldframe_capability::{CHUNK, Capability, GROUND};
use coldframe_kernel::{Inspection, Life};
use hal_host::{HardwareFormat, HostMachine};

use super::{AUTHORITY, Violation, demand};

/// What an audit works with, kept from audit to audit, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    /// Rows of the forest whose derived ones have not been looked at.
    open: Vec<u32>,
    /// How many capabilities each thread, each object and each process has.
    of_threads: Vec<u32>,
    of_objects: Vec<u32>,
    of_processes: Vec<u32>,
    /// How many each endpoint has, and how many of them may receive and send.
    of_endpoints: Vec<(u32, u32, u32)>,
    /// How many members each set has, and how many come by them.
    of_sets: Vec<(u32, u32)>,
}

/// Judges all capabilities.
pub(super) fn audit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    scratch: &mut Scratch,
    now: Instant,
) -> Result<(), Violation> {
    let held = view.capabilities.iter().filter(|row| row.holder().is_some()).count();
    scratch.of_threads.clear();
    scratch.of_threads.resize(view.threads.len(), 0);
    scratch.of_objects.clear();
    scratch.of_objects.resize(view.objects.len(), 0);
    scratch.of_processes.clear();
    scratch.of_processes.resize(view.processes.len(), 0);
    scratch.of_endpoints.clear();
    scratch.of_endpoints.resize(view.endpoints.len(), (0, 0, 0));
    let mut found = 0;
    scratch.open.clear();
    scratch.open.push(GROUND);
    while let Some(parent) = scratch.open.pop() {
        let mut next = view.capabilities[parent as usize].first_derived();
        let mut last = None;
        while let Some(row) = next {
            found += 1;
            demand(found <= held, AUTHORITY, now, || {
                format!("capability {row} is derived from {parent} and from something else")
            })?;
            is_fine(view, parent, row, now)?;
            let target = view.capabilities[row as usize].target();
            match target.kind {
                CapabilityKind::Thread
                    if view.threads[target.row as usize].generation() == target.generation =>
                {
                    scratch.of_threads[target.row as usize] += 1;
                }
                CapabilityKind::Object
                    if view.objects[target.row as usize].generation() == target.generation =>
                {
                    scratch.of_objects[target.row as usize] += 1;
                }
                CapabilityKind::Process
                    if view.processes[target.row as usize].generation() == target.generation =>
                {
                    scratch.of_processes[target.row as usize] += 1;
                }
                CapabilityKind::Endpoint => {
                    let rights = view.capabilities[row as usize].rights();
                    let (names, readers, writers) = &mut scratch.of_endpoints[target.row as usize];
                    *names += 1;
                    *readers += u32::from(CapabilityRights::READ.within(rights));
                    let comes = CapabilityRights::WRITE.and(CapabilityRights::SIGNAL).meets(rights);
                    *writers += u32::from(comes);
                    let generation = view.endpoints[target.row as usize].generation();
                    demand(generation == target.generation, AUTHORITY, now, || {
                        format!("capability {row} names endpoint {target:?}, which has had {generation}")
                    })?;
                }
                _ => {}
            }
            scratch.open.push(row);
            last = next;
            next = view.capabilities[row as usize].next();
        }
        let listed = view.capabilities[parent as usize].last_derived();
        demand(listed == last, AUTHORITY, now, || {
            format!("the last one derived from capability {parent} is {last:?} and said to be {listed:?}")
        })?;
    }
    demand(found == held, AUTHORITY, now, || {
        format!("{held} capabilities are held, and {found} can be found from where they came from")
    })?;
    counts_fit(view, scratch, now)?;
    super::sets::fit(view, &mut scratch.of_sets, now)?;
    standing_fits(view, now)?;
    chunks_fit(view, now)
}

/// One capability, and the one that it was derived from.
fn is_fine<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    parent: u32,
    row: u32,
    now: Instant,
) -> Result<(), Violation> {
    let (above, here) = (&view.capabilities[parent as usize], &view.capabilities[row as usize]);
    let holder = here.holder().and_then(|holder| view.processes.get(holder as usize));
    demand(holder.is_some_and(|holder| holder.space().is_some()), AUTHORITY, now, || {
        format!("capability {row} is held by {:?}, who is not there", here.holder())
    })?;
    let target = here.target();
    if target.kind == CapabilityKind::Mapping {
        let mapping = &view.mappings[target.row as usize];
        let fits = mapping.process() == here.holder() && mapping.capability() == row;
        demand(fits, AUTHORITY, now, || {
            format!("capability {row} names mapping {}, which knows nothing of it", target.row)
        })?;
        let payer = view.objects[mapping.object() as usize].process();
        let mut at = mapping.process();
        while at.is_some() && at != payer {
            at = at.and_then(|process| view.processes[process as usize].parent());
        }
        demand(at.is_some(), AUTHORITY, now, || {
            format!("mapping {} shows what process {payer:?} pays for, which is not above it", target.row)
        })?;
    }
    if parent == GROUND {
        return Ok(());
    }
    let of_authority: &[Authority] = match target.kind {
        CapabilityKind::Line => &[Authority::Lines],
        // What shows one stays, as long as the authority does, when its own name is given up.
        CapabilityKind::Object | CapabilityKind::Mapping => &[Authority::Devices, Authority::Firmware],
        _ => &[],
    };
    let is_above = |authority: &Authority| above.target().row == *authority as u32;
    if above.target().kind == CapabilityKind::Authority && of_authority.iter().any(is_above) {
        return Ok(());
    }
    if target.kind != above.target().kind {
        let shows = |object| view.mappings[target.row as usize].object() == object;
        let fits = target.kind == CapabilityKind::Mapping
            && above.target().kind == CapabilityKind::Object
            && shows(above.target().row);
        return demand(fits, AUTHORITY, now, || {
            format!("capability {row} names {target:?} and was derived from one to {:?}", above.target())
        });
    }
    let badge_fits = match target.kind {
        CapabilityKind::Authority => Reach::from_word(here.badge()).within(Reach::from_word(above.badge())),
        _ => above.badge() == 0 || above.badge() == here.badge(),
    };
    let fits = target == above.target() && here.rights().within(above.rights()) && badge_fits;
    demand(fits, AUTHORITY, now, || format!("capability {here:x?} was derived from {above:x?}"))
}

fn counts_fit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    scratch: &Scratch,
    now: Instant,
) -> Result<(), Violation> {
    for (number, (thread, found)) in view.threads.iter().zip(&scratch.of_threads).enumerate().skip(1) {
        let fits = thread.life() == Life::Free || thread.capabilities() == *found;
        demand(fits, AUTHORITY, now, || {
            format!("thread {number} counts {} capabilities and has {found}", thread.capabilities())
        })?;
    }
    for (number, (object, found)) in view.objects.iter().zip(&scratch.of_objects).enumerate() {
        let fits = object.process().is_none() || object.is_dying() || object.capabilities() == *found;
        demand(fits, AUTHORITY, now, || {
            format!("object {number} counts {} capabilities and has {found}", object.capabilities())
        })?;
    }
    for (number, (endpoint, found)) in view.endpoints.iter().zip(&scratch.of_endpoints).enumerate() {
        demand(endpoint.names() == *found, AUTHORITY, now, || {
            format!(
                "endpoint {number} counts {:?} names, readers and writers, and has {found:?}",
                endpoint.names()
            )
        })?;
    }
    for (number, (process, found)) in view.processes.iter().zip(&scratch.of_processes).enumerate() {
        demand(process.capabilities() == *found, AUTHORITY, now, || {
            format!("process {number} counts {} capabilities and has {found}", process.capabilities())
        })?;
    }
    Ok(())
}

/// Whether the authorities that stand for a process are its own.
fn standing_fits<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    for (number, process) in (0_u32..).zip(view.processes) {
        for authority in Authority::ALL {
            let Some(row) = process.standing(authority) else { continue };
            let capability = &view.capabilities[row as usize];
            let names = capability.target().kind == CapabilityKind::Authority
                && capability.target().row == authority as u32;
            let usable = CapabilityRights::MANAGE.within(capability.rights());
            demand(names && usable && capability.holder() == Some(number), AUTHORITY, now, || {
                format!("capability {row} stands for process {number} as {authority:?}: {capability:x?}")
            })?;
        }
    }
    Ok(())
}

fn chunks_fit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    let rows_of = |chunk: usize| -> &[Capability] {
        let start = chunk * CHUNK as usize;
        view.capabilities.get(start..start + CHUNK as usize).unwrap_or_default()
    };
    for (number, chunk) in view.chunks.iter().enumerate() {
        let used = rows_of(number).iter().filter(|row| row.holder().is_some()).count();
        let strange =
            rows_of(number).iter().any(|row| row.holder().is_some() && row.holder() != chunk.holder());
        let fits = !strange && (chunk.holder().is_none() || chunk.used() as usize == used);
        demand(fits, AUTHORITY, now, || {
            format!("{used} capabilities are held in chunk {number}: {chunk:?}")
        })?;
    }
    for (number, process) in view.processes.iter().enumerate() {
        let (mut chunks, mut next) = (0, process.holdings().first());
        while let Some(chunk) = next.filter(|_| chunks <= view.chunks.len() as u32) {
            chunks += 1;
            let holder = view.chunks[chunk as usize].holder();
            demand(holder == Some(number as u32), AUTHORITY, now, || {
                format!("chunk {chunk} is listed by process {number} and held by {holder:?}")
            })?;
            next = view.chunks[chunk as usize].next();
        }
        demand(chunks == process.holdings().chunks(), AUTHORITY, now, || {
            format!("process {number} has {chunks} chunks and counts {}", process.holdings().chunks())
        })?;
    }
    Ok(())
}
