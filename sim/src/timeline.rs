//! A run as a picture in text: one column a CPU, one line an event.

use std::fmt::Write as _;

use coldframe_hal::{Event, Trap};
use hal_host::Stamped;

const COLUMN: usize = 22;

/// What the marks mean.
pub const LEGEND: &str = "> runs  | waits  < preempted  + made  x ended  ^ woken  ! kick  o timer  . idle";

/// Draws events, the CPUs side by side.
#[must_use]
pub fn draw(events: &[Stamped], cpus: usize) -> String {
    let mut text = String::new();
    let names: Vec<_> = (0..cpus).map(|cpu| format!("cpu{cpu}")).collect();
    let heads: String = names.iter().map(|name| format!("{name:<COLUMN$}")).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{LEGEND}");
    let _ = writeln!(text, "{:>14}  {}", "time in ns", heads.trim_end());
    for stamped in events {
        let Some(what) = describe(stamped.event) else { continue };
        let before = " ".repeat(COLUMN * usize::from(stamped.cpu.0));
        let _ = writeln!(text, "{:>14}  {before}{what}", stamped.at.0);
    }
    text
}

fn describe(event: Event) -> Option<String> {
    Some(match event {
        Event::Enter(Trap::Timer) => "o timer".to_owned(),
        Event::Enter(Trap::Kick) => "! kicked".to_owned(),
        Event::Enter(Trap::Line(line)) => format!("! line {line}"),
        Event::Enter(Trap::PageFault { address, access, .. }) => {
            format!("  {access:?} at {address:#x} faults")
        }
        Event::Enter(Trap::Fault { cause, .. }) => format!("  fault {cause}"),
        Event::Enter(Trap::Syscall | Trap::Again) | Event::Arm { .. } | Event::Disarm => return None,
        Event::Call(number) => format!("  {}", number.description().name),
        Event::Run { thread } => format!("> {}", name(thread)),
        Event::Idle => ". idle".to_owned(),
        Event::Block { thread } => format!("| {} waits", name(thread)),
        Event::Preempt { thread } => format!("< {} preempted", name(thread)),
        Event::Wake { thread, cpu } => format!("^ {} on {cpu}", name(thread)),
        Event::Kick { cpu } => format!("! kicks {cpu}"),
        Event::Create { thread, class } => format!("+ {} {class:?}", name(thread)),
        Event::End { thread } => format!("x {} ended", name(thread)),
    })
}

fn name(thread: u32) -> String {
    if thread == 0 { "reaper".to_owned() } else { format!("t{thread}") }
}
