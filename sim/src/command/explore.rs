//! `sim explore`: the hunt.

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use sim::explore::{Counts, Plan, Progress, Verdict, explore};
use sim::file::RunFile;
use sim::oracle::Violation;
use sim::run::{Options, Subject, run as run_subject};
use sim::source::Replay;
use sim::timeline;

use super::{Exit, failure_path, harness, parse_cpus, parse_seed, parse_time, subject, usage};

/// How often the progress is shown on a terminal, and elsewhere.
const OFTEN: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenarios or drawn worlds; all drawn worlds if none is named.
    subjects: Vec<String>,
    /// The first seed; from the clock if it is not given.
    #[arg(long, value_parser = parse_seed, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The seeds from A up to, not including, B.
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// Stop after this time (90s, 5m, 2h); a minute if no seeds are given.
    #[arg(long, value_parser = parse_time)]
    time: Option<Duration>,
    /// Give up when one run takes longer than this: the kernel does not come back from a step of it.
    #[arg(long, value_parser = parse_time, default_value = "2m")]
    patience: Duration,
    /// How many host threads; as many as there are cores if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// So many CPUs in every world.
    #[arg(long, value_parser = parse_cpus)]
    cpus: Option<u16>,
}

pub(crate) fn run(arguments: &Arguments, json: bool) -> Exit {
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(problem) => return usage(&problem),
    };
    let names: Vec<_> = plan.subjects.iter().map(|subject| subject.name()).collect();
    if !json {
        outln!("exploring {} from seed {:#x}", names.join(", "), plan.first_seed);
        // Whatever happens next, the seed is out.
        let _ = std::io::stdout().flush();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    if let Err(error) = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)) {
        return harness(&format!("cannot listen for Ctrl-C: {error}"));
    }
    let counts = Counts::default();
    let terminal = std::io::stderr().is_terminal();
    let shown = Mutex::new(Duration::ZERO);
    let verdict = explore(&plan, &counts, &stop, |&Progress { counts, elapsed, slowest }| {
        if let Some((subject, seed, long)) = slowest
            && long > arguments.patience
        {
            stuck(&plan, subject, seed, long, json);
        }
        let mut shown = shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if elapsed - *shown >= if terminal { OFTEN } else { SELDOM } {
            *shown = elapsed;
            let line = progress(&plan, counts, elapsed);
            if terminal { eprint!("\r\x1b[K{line}") } else { eprintln!("{line}") }
        }
    });
    if terminal {
        eprint!("\r\x1b[K");
    }
    conclude(&plan, &counts, verdict, json)
}

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let mut subjects = Vec::new();
    for name in &arguments.subjects {
        subjects.push(subject(name)?);
    }
    if subjects.is_empty() {
        subjects.extend(sim::draw::KINDS.iter().map(Subject::Drawn));
    }
    let (first_seed, end_seed) = match &arguments.seeds {
        Some(range) => {
            let problem = || format!("--seeds: '{range}' is no range of seeds: give one like 0..1000");
            let (from, to) = range.split_once("..").ok_or_else(problem)?;
            let (from, to) = (parse_seed(from)?, parse_seed(to)?);
            if from >= to {
                return Err(format!("--seeds: {range} is empty: the first number must be the smaller one"));
            }
            (from, Some(to))
        }
        None => (arguments.seed.unwrap_or_else(fresh_seed), None),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(cores);
    if jobs == 0 {
        return Err("--jobs 0 would do nothing: give at least 1".to_owned());
    }
    let time = arguments.time.or_else(|| end_seed.is_none().then_some(Duration::from_secs(60)));
    let options = Options { cpus: arguments.cpus, ..Options::default() };
    Ok(Plan { subjects, first_seed, end_seed, time, jobs, options, twice_every: 64 })
}

fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn progress(plan: &Plan, counts: &Counts, elapsed: Duration) -> String {
    let runs = counts.runs.load(Ordering::Relaxed);
    let entries = counts.entries.load(Ordering::Relaxed);
    let rate = entries as f64 / elapsed.as_secs_f64() / 1e6;
    let left = match (plan.end_seed, plan.time) {
        (Some(end), _) if runs > 0 => {
            let rest = (end - plan.first_seed).saturating_sub(runs);
            Some(elapsed.mul_f64(rest as f64 / runs as f64))
        }
        (_, Some(time)) => Some(time.saturating_sub(elapsed)),
        _ => None,
    };
    let left = left.map_or_else(String::new, |left| format!(", about {} s to go", left.as_secs()));
    format!("{runs} runs, {entries} kernel entries, {rate:.2} M/s{left}")
}

fn conclude(plan: &Plan, counts: &Counts, verdict: Verdict, json: bool) -> Exit {
    let runs = counts.runs.load(Ordering::Relaxed);
    let entries = counts.entries.load(Ordering::Relaxed);
    let twice = counts.twice.load(Ordering::Relaxed);
    let mut report =
        json!({ "first_seed": plan.first_seed, "runs": runs, "entries": entries, "done_twice": twice });
    if !json {
        outln!("{runs} runs, {entries} kernel entries, {twice} runs done twice and compared");
    }
    let exit = match verdict {
        Verdict::Fine => {
            report["verdict"] = json!("fine");
            if !json {
                outln!("no oracle fired");
            }
            Exit::Fine
        }
        Verdict::Interrupted => {
            report["verdict"] = json!("interrupted");
            let go_on = go_on(plan, plan.first_seed + runs);
            report["go_on"] = json!(go_on);
            if !json {
                outln!("interrupted; to go on:\n{go_on}");
            }
            Exit::Interrupted
        }
        Verdict::NotDeterministic { subject, seed } => {
            report["verdict"] = json!("not deterministic");
            if !json {
                outln!("two runs of the same decisions differ");
                outln!("cargo run --release -p sim -- run {} --seed {seed:#x}", subject.name());
            }
            Exit::NotDeterministic
        }
        Verdict::Failed { file, violation } => failed(&file, &violation, &mut report, json),
    };
    if json {
        outln!("{report}");
    }
    exit
}

/// Says which run does not come back. Nobody can take the thread away that is in it, so this is the end of the program.
fn stuck(plan: &Plan, subject: Subject, seed: u64, long: Duration, json: bool) -> ! {
    let cpus = plan.options.cpus.map_or_else(String::new, |cpus| format!(" --cpus {cpus}"));
    let again = format!("cargo run --release -p sim -- run {} --seed {seed:#x}{cpus}", subject.name());
    let long = long.as_secs();
    if json {
        outln!(
            "{}",
            json!({ "verdict": "stuck", "oracle": "comes-back", "seed": seed, "seconds": long, "again": again })
        );
    } else {
        outln!(
            "a run has not come back for {long} s, and others take less than one: the kernel, or an oracle, is caught in a step"
        );
        outln!("to be caught again, with a debugger at hand:\n{again}");
    }
    std::process::exit(Exit::NoProgress as i32)
}

fn failed(file: &RunFile, violation: &Violation, report: &mut serde_json::Value, json: bool) -> Exit {
    report["verdict"] = json!("failed");
    report["oracle"] = json!(violation.oracle.name);
    report["detail"] = json!(violation.detail);
    let again = match keep(file) {
        Ok(path) => {
            report["file"] = json!(path.display().to_string());
            format!("cargo run --release -p sim -- replay {}", path.display())
        }
        Err(problem) => {
            eprintln!("error: {problem}; the seed does it again all the same");
            let cpus = file.cpus.map_or_else(String::new, |cpus| format!(" --cpus {cpus}"));
            format!("cargo run --release -p sim -- run {} --seed {:#x}{cpus}", file.subject, file.seed)
        }
    };
    report["again"] = json!(again);
    if !json {
        picture(file);
        outln!("{violation}\n{again}");
    }
    if violation.oracle == sim::run::PROGRESS { Exit::NoProgress } else { Exit::Fired }
}

/// Writes the file of a failure, whole or not at all.
fn keep(file: &RunFile) -> Result<PathBuf, String> {
    let path = failure_path(file);
    let draft = path.with_extension("draft");
    let written = std::fs::create_dir_all("failures")
        .and_then(|()| std::fs::write(&draft, file.to_text()))
        .and_then(|()| std::fs::rename(&draft, &path));
    written.map_err(|error| {
        // What could be written of it would only mislead.
        let _ = std::fs::remove_file(&draft);
        format!("{}: {error}", path.display())
    })?;
    Ok(path)
}

/// The command that goes on where this exploration was interrupted.
fn go_on(plan: &Plan, next: u64) -> String {
    let names: Vec<_> = plan.subjects.iter().map(|subject| subject.name()).collect();
    let seeds =
        plan.end_seed.map_or_else(|| format!("--seed {next:#x}"), |end| format!("--seeds {next}..{end}"));
    let cpus = plan.options.cpus.map_or_else(String::new, |cpus| format!(" --cpus {cpus}"));
    format!("cargo run --release -p sim -- explore {} {seeds}{cpus}", names.join(" "))
}

/// The end of the run that failed.
fn picture(file: &RunFile) {
    let Some(subject) = Subject::named(&file.subject) else { return };
    let options = Options { traced: true, ..file.options() };
    let outcome = run_subject(subject, &mut Replay::new(file.decisions.clone()), options);
    let cpus = outcome.trace.iter().map(|stamped| usize::from(stamped.cpu.0) + 1).max().unwrap_or(1);
    let tail = outcome.trace.len().saturating_sub(40);
    out!("{}", timeline::draw(&outcome.trace[tail..], cpus));
}
