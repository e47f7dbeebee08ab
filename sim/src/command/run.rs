//! `sim run`: one run, with its picture.

use serde_json::json;
use sim::explore::record;
use sim::run::{Options, Outcome};
use sim::timeline;

use super::{Exit, parse_cpus, parse_seed, subject, trace_log};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenario or drawn world; 'sim list' prints them.
    subject: String,
    /// The seed that decides everything.
    #[arg(long, default_value = "0", value_parser = parse_seed)]
    seed: u64,
    /// So many CPUs, whatever the world would draw.
    #[arg(long, value_parser = parse_cpus)]
    cpus: Option<u16>,
    /// Stop after so many steps.
    #[arg(long)]
    steps: Option<u64>,
    /// Draw the last so many events.
    #[arg(long, default_value_t = 60)]
    events: usize,
}

pub(crate) fn run(arguments: &Arguments, json: bool) -> Exit {
    let subject = match subject(&arguments.subject) {
        Ok(subject) => subject,
        Err(problem) => return super::usage(&problem),
    };
    let options =
        Options { cpus: arguments.cpus, traced: true, steps: arguments.steps, ..Options::default() };
    if !json {
        outln!("seed {:#x}", arguments.seed);
    }
    let (_, outcome) = record(subject, arguments.seed, options);
    let cpus = arguments.cpus.map_or_else(String::new, |cpus| format!(" --cpus {cpus}"));
    let steps = arguments.steps.map_or_else(String::new, |steps| format!(" --steps {steps}"));
    let (name, seed) = (subject.name(), arguments.seed);
    let again = format!("cargo run --release -p sim -- run {name} --seed {seed:#x}{cpus}{steps}");
    report(&outcome, arguments.events, json, &again)
}

/// Prints how a run ended.
pub(crate) fn report(outcome: &Outcome, events: usize, json: bool, again: &str) -> Exit {
    trace_log::emit(&outcome.trace);
    let exit = match &outcome.violation {
        None => Exit::Fine,
        Some(violation) if violation.oracle == sim::run::PROGRESS => Exit::NoProgress,
        Some(_) => Exit::Fired,
    };
    let found = outcome.violation.as_ref().map(ToString::to_string);
    if json {
        let report = json!({
            "entries": outcome.entries, "steps": outcome.steps, "violation": found,
            "digest": format!("{:016x}", outcome.digest), "console": outcome.console,
        });
        outln!("{report}");
        return exit;
    }
    let cpus = outcome.trace.iter().map(|stamped| usize::from(stamped.cpu.0) + 1).max().unwrap_or(1);
    let tail = outcome.trace.len().saturating_sub(events);
    out!("{}", timeline::draw(&outcome.trace[tail..], cpus));
    if !outcome.console.is_empty() {
        outln!("\nconsole:\n{}", outcome.console.trim_end());
    }
    outln!("\n{} steps, {} kernel entries, state {:016x}", outcome.steps, outcome.entries, outcome.digest);
    if let Some(found) = found {
        outln!("{found}\n{again}");
    }
    exit
}
