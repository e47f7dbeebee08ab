//! `quick` and `rests`: what the kernel keeps so that fast calls need not look is true.

use coldframe_abi::{CpuId, Instant};
use coldframe_hal::UserRegisters;
use coldframe_kernel::{Inspection, Kernel, Line, WaitsFor};
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, HostMachine};

use super::{QUICK, RESTS, Violation, demand};

/// What the fast way asks for first is one word of the CPU: it must have told all that it is not asked for any more.
#[inline]
pub(super) fn quick_calls_fit<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    cpu: usize,
    now: Instant,
) -> Result<(), Violation> {
    let here = CpuId(cpu as u16);
    let (quick, active) = kernel.quick_calls(here);
    if quick == 0 {
        return Ok(());
    }
    let queue = &view.queues[cpu];
    let loaded = kernel.loaded(here);
    let runs = loaded != 0 && queue.current() == Some(loaded);
    let its_space = runs && view.threads[loaded as usize].process() == active;
    let fits = its_space && quick == view.processes[active as usize].quick_calls();
    demand(fits && !queue.is_kicked(), QUICK, now, || {
        format!(
            "cpu{cpu} lets {quick:#x} be tried: {:?} runs, thread {loaded} is loaded, the space of process {active} is active, \
             kicked {}",
            queue.current(),
            queue.is_kicked()
        )
    })
}

/// Whether a thread of which that is known could go on at once.
#[inline]
pub(super) fn rests<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    thread: usize,
    now: Instant,
) -> Result<(), Violation> {
    let (Some(row), Some(object)) = (view.rows.get(thread), view.threads.get(thread)) else { return Ok(()) };
    let (is_known, only_on) = object.rests();
    if row.place() != Place::Waiting || !is_known {
        return Ok(());
    }
    let waits = matches!(
        object.waits_for(),
        WaitsFor::InLine(Line::Receivers(_)) | WaitsFor::Reply(_) | WaitsFor::KeptReply(_)
    );
    let registers = object.registers();
    let goes_on = registers.is_light() && registers.has_way_back();
    let is_free = !object.is_suspended() && object.fault().is_none() && object.cargo().is_empty();
    let has_deadline = view.timers[2 * thread].deadline().is_some();
    let may_run = only_on.map_or(row.affinity().is_all(), |cpu| row.affinity().contains(cpu));
    demand(waits && goes_on && is_free && !has_deadline && may_run, RESTS, now, || {
        format!("thread {thread} rests, and is {object:?} on {row:?}; has a deadline: {has_deadline}")
    })
}
