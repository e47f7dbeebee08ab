//! Plants each defect in a scratch copy, lets the harness hunt, and prints which method found it and how fast.
#![forbid(unsafe_code)]

mod choose;
mod defect;
mod hunt;
mod scratch;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use defect::all;
use hunt::{Catch, hunt};
use scratch::Scratch;

/// Plants defects and lets the harness find them.
///
/// Each file under tests/defects holds one: a patch that re-creates a bug that really happened, the method that has
/// to find it, and the oracle that has to fire or the words that a test has to fail with. Exit codes: 0 all found,
/// 1 one was not, 2 usage, 5 the runner itself.
#[derive(Debug, Parser)]
#[command(name = "defects")]
struct Arguments {
    /// The rows to plant; all if none is named.
    rows: Vec<String>,
    /// Only check that every patch still applies.
    #[arg(long)]
    check: bool,
    /// Begin no hunt after so many seconds; what touches changed crates comes first, the others in turns by commit.
    #[arg(long, value_name = "SECONDS")]
    within: Option<u64>,
}

/// Prints a row of the table; says whether the defect was found as it has to be.
fn report(defect: &defect::Defect, catch: Catch, seconds: u64) -> bool {
    let (row, about) = (&defect.row, &defect.about);
    match catch {
        Catch::Found { by, runs, decisions } => {
            println!("| {row} | {about} | {by} | {runs} | {decisions} | {seconds} |");
            return true;
        }
        Catch::Otherwise(what) => println!("| {row} | {about} | WRONG: {what} | | | {seconds} |"),
        Catch::Nothing => println!("| {row} | {about} | NOT FOUND | | | {seconds} |"),
    }
    false
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let scratch = Scratch::new()?;
    let mut defects = choose::named(&arguments.rows, all()?)?;
    if arguments.check {
        for defect in &defects {
            scratch.check(defect)?;
        }
        println!("all {} patches apply", defects.len());
        return Ok(true);
    }
    if arguments.within.is_some() {
        defects = choose::in_turn(defects)?;
    }
    let started = Instant::now();
    let limit = arguments.within.map(Duration::from_secs);
    let (mut all_found, mut hunted, count) = (true, 0, defects.len());
    println!("| row | what is planted | found by | runs | decisions | seconds |\n|---|---|---|---|---|---|");
    for defect in defects {
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            break;
        }
        scratch.heal()?;
        let begun = Instant::now();
        // One that cannot be hunted must not hide the others.
        let catch = match scratch.plant(&defect).and_then(|()| hunt(&defect, &scratch)) {
            Ok(catch) => catch,
            Err(problem) => Catch::Otherwise(problem),
        };
        all_found &= report(&defect, catch, begun.elapsed().as_secs());
        hunted += 1;
    }
    scratch.heal()?;
    println!("\n{hunted} of {count} were hunted, in {} s", started.elapsed().as_secs());
    Ok(all_found)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: the harness has a hole");
            ExitCode::from(1)
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(5)
        }
    }
}
