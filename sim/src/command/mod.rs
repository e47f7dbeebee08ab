//! The command line: what can be asked, and what the exit codes say.

/// Prints like `print!`; whoever has closed the other end of the pipe wants no more, and that is no failure.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        if write!(std::io::stdout(), $($text)*).is_err() {
            std::process::exit(0);
        }
    }};
}

/// Prints like `println!`, with the same patience.
macro_rules! outln {
    ($($text:tt)*) => {
        out!("{}\n", format_args!($($text)*))
    };
}

mod explore;
mod list;
mod replay;
mod run;
mod syscalls;
mod trace_log;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use coldframe_hal::MAX_CPUS;
use sim::run::Subject;

/// How a command ended, as its exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine = 0,
    Fired = 1,
    Usage = 2,
    NoProgress = 3,
    NotDeterministic = 4,
    Harness = 5,
    Interrupted = 130,
}

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 an oracle fired, 2 usage, 3 no progress, 4 not deterministic, 5 the harness itself, 130 interrupted.

Examples:
  sim explore --time 60s           hunt for a minute in all drawn worlds
  sim explore mixed --seeds 0..500 the same 500 runs every time
  sim run threads --cpus 2         one scenario, with its timeline
  sim replay failures/mixed-1f.run a failure, step by step, bit for bit";

/// Runs the kernel under glass: hunts for bugs, replays them, draws them.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = AFTER_HELP)]
struct Arguments {
    /// What to log: a level or a filter such as 'kernel=trace' (prints the kernel's own events).
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    log: String,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run drawn worlds from many seeds until an oracle fires.
    Explore(explore::Arguments),
    /// Run one scenario or drawn world once, and draw its timeline.
    Run(run::Arguments),
    /// Do a recorded run again, bit for bit.
    Replay(replay::Arguments),
    /// Print the scenarios, the drawn worlds and the oracles.
    List,
    /// Print the reference of the syscalls.
    Syscalls(syscalls::Arguments),
}

pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Fine };
            let _ = error.print();
            return ExitCode::from(exit as u8);
        }
    };
    if let Err(problem) = trace_log::install(&arguments.log) {
        return ExitCode::from(usage(&problem) as u8);
    }
    let json = arguments.json;
    let exit = match arguments.command {
        Command::Explore(arguments) => explore::run(&arguments, json),
        Command::Run(arguments) => run::run(&arguments, json),
        Command::Replay(arguments) => replay::run(&arguments, json),
        Command::List => list::run(json),
        Command::Syscalls(arguments) => syscalls::run(&arguments, json),
    };
    ExitCode::from(exit as u8)
}

/// Says what is wrong with what was asked.
pub(crate) fn usage(problem: &str) -> Exit {
    eprintln!("error: {problem}");
    Exit::Usage
}

/// Says what went wrong with the harness or its surroundings.
pub(crate) fn harness(problem: &str) -> Exit {
    eprintln!("error: {problem}");
    Exit::Harness
}

fn parse_seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no seed: give a number from 0 to {} (decimal or 0x…)", u64::MAX))
}

fn parse_cpus(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(cpus) if cpus > 0 && usize::from(cpus) <= MAX_CPUS => Ok(cpus),
        _ => Err(format!("'{text}' is no number of CPUs: give 1 to {MAX_CPUS}")),
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let problem = || format!("'{text}' is no length of time: give one like 90s, 5m or 2h");
    let (digits, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let number: u64 = digits.parse().map_err(|_| problem())?;
    let seconds = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(problem()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

/// The subject with this name, or what to say about it.
pub(crate) fn subject(name: &str) -> Result<Subject, String> {
    Subject::named(name).ok_or_else(|| {
        let drawn = sim::draw::KINDS.iter().map(|kind| kind.name);
        let scenarios = coldframe_scenarios::SCENARIOS.iter().map(|scenario| scenario.name);
        let known: Vec<_> = drawn.chain(scenarios).collect();
        format!("there is no scenario or world '{name}'; there are: {}", known.join(", "))
    })
}

/// Where failures are kept.
pub(crate) fn failure_path(file: &sim::file::RunFile) -> PathBuf {
    PathBuf::from("failures").join(format!("{}-{:x}.run", file.subject, file.seed))
}
