//! `interrupts`: what each line lets in, and who looks after those who have to answer.

use coldframe_abi::{CapabilityKind, Instant};
use coldframe_hal::Devices;
use coldframe_kernel::{Kernel, LISTENERS, PATIENCE, Standing};
use hal_host::{HardwareFormat, HostMachine};

use super::{INTERRUPTS, Violation, demand};

/// The timer by which somebody looks at lines: the alarm of the reaper, who has none.
const LINE_TIMER: usize = 1;

/// Judges all lines; they are few.
pub(super) fn fit<F: HardwareFormat>(kernel: &Kernel<HostMachine<F>>, now: Instant) -> Result<(), Violation> {
    let view = kernel.inspect();
    let lines = kernel.machine().lines();
    let mut first: Option<(Instant, u32)> = None;
    let mut watched = 0;
    for (number, line) in (0..lines).zip(view.lines) {
        demand(kernel.machine().lets_in(number) == line.is_open(), INTERRUPTS, now, || {
            let lets_in = kernel.machine().lets_in(number);
            format!(
                "line {number} lets interrupts in: {lets_in}; that should be {}: {line:x?}",
                line.is_open()
            )
        })?;
        for (index, listener) in line.listeners().iter().enumerate() {
            let Some(row) = listener.capability() else { continue };
            let capability = &view.capabilities[row as usize];
            let target = capability.target();
            let named = (target.kind, target.row as usize)
                == (CapabilityKind::Line, number as usize * LISTENERS + index);
            demand(named && capability.holder().is_some(), INTERRUPTS, now, || {
                format!(
                    "listener {index} of line {number} goes by capability {row}, which is {capability:x?}"
                )
            })?;
        }
        let standings = || line.listeners().iter().filter(|listener| listener.capability().is_some());
        let held_up = standings().any(|listener| listener.standing().holds_up());
        let reports = standings().any(|listener| listener.standing() == Standing::Dismissed);
        demand(line.is_asking() == held_up, INTERRUPTS, now, || {
            format!("line {number} waits for answers: {}, and somebody owes one: {held_up}", line.is_asking())
        })?;
        let looks = line.watched();
        demand(looks.is_some() == (held_up || reports), INTERRUPTS, now, || {
            format!("somebody will look at line {number}: {looks:?}; {line:x?}")
        })?;
        if let Some((at, _)) = looks {
            watched += 1;
            demand(at <= now.after(PATIENCE), INTERRUPTS, now, || {
                format!("somebody will look at line {number} at {} ns only", at.0)
            })?;
            first = first.into_iter().chain([(at, number)]).min();
        }
    }
    let (mut listed, mut next) = (0, kernel.first_watched());
    let mut before = Instant(0);
    while let Some(line) = next {
        let looks = view.lines[line as usize].watched();
        listed += 1;
        demand(looks.is_some_and(|(at, _)| at >= before) && listed <= watched, INTERRUPTS, now, || {
            format!("line {line} is in the list of those to be looked at behind {} ns: {looks:?}", before.0)
        })?;
        (before, next) = looks.unwrap_or_default();
    }
    demand(listed == watched, INTERRUPTS, now, || {
        format!("{watched} lines have to be looked at, and {listed} are in the list of those")
    })?;
    let timer = view.timers[LINE_TIMER].deadline();
    // Who has gone may have left it set for earlier than it need be.
    let rings = match first {
        Some((at, _)) => timer.is_some_and(|timer| timer <= at),
        None => timer.is_none(),
    };
    demand(rings, INTERRUPTS, now, || {
        format!("the timer of the lines is set to {timer:?}, and {first:?} is the first to be looked at")
    })
}
