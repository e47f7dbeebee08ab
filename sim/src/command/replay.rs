//! `sim replay`: a recorded run once more.

use std::path::PathBuf;

use sim::file::{KERNEL, RunFile};
use sim::run::{Options, Subject, run as run_subject};
use sim::source::Replay;

use super::{Exit, harness, run::report, usage};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The run file that 'sim explore' has left.
    file: PathBuf,
    /// Draw the last so many events.
    #[arg(long, default_value_t = 60)]
    events: usize,
    /// Replay although the file was made with another kernel: the run will be another one.
    #[arg(long)]
    other_kernel: bool,
}

pub(crate) fn run(arguments: &Arguments, json: bool) -> Exit {
    let path = arguments.file.display();
    let text = match std::fs::read_to_string(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            return usage(&format!("{path}: {error}; 'sim explore' leaves its failures under failures/"));
        }
    };
    let file = match RunFile::parse(&text) {
        Ok(file) => file,
        Err(error) => return usage(&format!("{path}: {error}")),
    };
    if file.kernel != KERNEL && !arguments.other_kernel {
        return usage(&format!(
            "{path}: made with kernel {}, this is kernel {KERNEL}; check out the version that made it, \
             or give --other-kernel to see what its decisions do here",
            file.kernel
        ));
    }
    let Some(subject) = Subject::named(&file.subject) else {
        return harness("the file was checked for its subject");
    };
    let mut source = Replay::new(file.decisions.clone());
    let outcome = run_subject(subject, &mut source, Options { traced: true, ..file.options() });
    if source.strayed() {
        eprintln!(
            "note: some decisions of the file were not possible here; the first possibility was taken instead"
        );
    }
    let fired = outcome.violation.as_ref().map(|violation| violation.oracle.name);
    let exit =
        report(&outcome, arguments.events, json, &format!("cargo run --release -p sim -- replay {path}"));
    if file.kernel == KERNEL && fired != file.oracle.as_deref() {
        eprintln!("error: the file says that {:?} fires, and {fired:?} did: not deterministic", file.oracle);
        return Exit::NotDeterministic;
    }
    exit
}
