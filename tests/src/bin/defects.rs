//! Plants each defect in a scratch copy, lets the harness hunt, and prints which method found it and how fast.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Instant;

use clap::Parser;

/// Plants defects and lets the harness find them.
///
/// Each file under tests/defects holds one: a patch that re-creates a bug that really happened, the method that has
/// to find it, and the oracle that has to fire. Exit codes: 0 all found, 1 one was not, 2 usage, 5 the runner itself.
#[derive(Debug, Parser)]
#[command(name = "defects")]
struct Arguments {
    /// The rows to plant; all if none is named.
    rows: Vec<String>,
    /// Only check that every patch still applies.
    #[arg(long)]
    check: bool,
    /// Plant so many, another selection for every commit.
    #[arg(long, value_name = "COUNT")]
    sample: Option<usize>,
}

/// A planted defect.
struct Defect {
    row: String,
    class: String,
    method: String,
    oracle: Option<String>,
    patch: String,
}

/// What came of it.
struct Found {
    by: String,
    /// Which oracle fired, if one did.
    oracle: Option<String>,
    runs: String,
    decisions: String,
}

fn root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(PathBuf::from).unwrap_or(tests)
}

fn parse(path: &Path) -> Result<Defect, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (head, patch) = text.split_once("\n\n").ok_or_else(|| format!("{}: no patch", path.display()))?;
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let need = |name: &str| field(name).ok_or_else(|| format!("{}: no line '{name}: …'", path.display()));
    Ok(Defect {
        row: need("row")?,
        class: need("class")?,
        method: need("method")?,
        oracle: field("oracle"),
        patch: patch.to_owned(),
    })
}

fn all() -> Result<Vec<Defect>, String> {
    let folder = root().join("tests/defects");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "defect"));
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{command:?}: {error}"))
}

/// The files of the working tree, those that git does not know yet included.
fn files() -> Result<Vec<String>, String> {
    let listed = output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
}

/// Makes the scratch copy equal to the working tree; files that are equal keep their time, so that little is rebuilt.
fn refresh(scratch: &Path) -> Result<(), String> {
    for name in files()? {
        let (from, to) = (root().join(&name), scratch.join(&name));
        let Ok(bytes) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        let folder = to.parent().unwrap_or(scratch);
        let copied = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&to, &bytes));
        copied.map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

fn apply(defect: &Defect, scratch: &Path, check_only: bool) -> Result<(), String> {
    let file = scratch.join("planted.patch");
    std::fs::write(&file, &defect.patch).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut git = Command::new("git");
    // The scratch copy lies inside of a repository: without this git would look for the files there.
    git.current_dir(scratch).env("GIT_CEILING_DIRECTORIES", scratch.parent().unwrap_or(scratch)).arg("apply");
    if check_only {
        git.arg("--check");
    }
    let result = output(git.arg("planted.patch"))?;
    if result.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}: the patch does not apply: {}",
        defect.row,
        String::from_utf8_lossy(&result.stderr).trim()
    ))
}

fn cargo(scratch: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(scratch).env("CARGO_TARGET_DIR", root().join("target/defects/build"));
    // What the runner was started with is not what the hunt is built with.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Lets the method of the defect look for it; `None` if it finds nothing.
fn hunt(defect: &Defect, scratch: &Path) -> Result<Option<Found>, String> {
    let words: Vec<_> = defect.method.split(' ').collect();
    match words[..] {
        ["explore", world, seeds] => {
            let built = output(cargo(scratch).args(["build", "--release", "-q", "-p", "sim"]))?;
            if !built.status.success() {
                return Err(format!("{}: {}", defect.row, String::from_utf8_lossy(&built.stderr)));
            }
            let sim = root().join("target/defects/build/release/sim");
            let result = output(
                Command::new(sim)
                    .current_dir(scratch)
                    .args(["explore", world, "--seeds", seeds, "--json", "--log", "off"]),
            )?;
            let report = String::from_utf8_lossy(&result.stdout).into_owned();
            let value = |name: &str| json_value(&report, name);
            let Some(oracle) = value("oracle") else { return Ok(None) };
            let file = value("file").map(|file| scratch.join(file));
            let decisions = file.and_then(|file| std::fs::read_to_string(file).ok()).and_then(|text| {
                text.lines().find_map(|line| line.strip_prefix("decisions ").map(str::to_owned))
            });
            Ok(Some(Found {
                by: format!("explore {world}: {oracle}"),
                oracle: Some(oracle),
                runs: value("runs").unwrap_or_default(),
                decisions: decisions.unwrap_or_default(),
            }))
        }
        ["test", name] => {
            let result = output(cargo(scratch).args(["test", "-q", "-p", "tests", "--test", name]))?;
            let text = String::from_utf8_lossy(&result.stdout);
            let failed = text.lines().find(|line| line.contains("panicked at")).is_some();
            if !result.status.success() && !failed {
                return Err(format!("{}: {}", defect.row, String::from_utf8_lossy(&result.stderr)));
            }
            Ok(failed.then(|| Found {
                by: format!("test {name}"),
                oracle: None,
                runs: "-".into(),
                decisions: "-".into(),
            }))
        }
        _ => Err(format!("{}: nobody knows the method '{}'", defect.row, defect.method)),
    }
}

/// The value of a field in an object without nesting.
fn json_value(report: &str, name: &str) -> Option<String> {
    let at = report.find(&format!("\"{name}\":"))? + name.len() + 3;
    let rest = &report[at..];
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next().map(str::to_owned),
        None => rest.split([',', '}']).next().map(str::to_owned),
    }
}

fn select(arguments: &Arguments, defects: Vec<Defect>) -> Result<Vec<Defect>, String> {
    for row in &arguments.rows {
        if !defects.iter().any(|defect| defect.row == *row) {
            let known: Vec<_> = defects.iter().map(|defect| defect.row.as_str()).collect();
            return Err(format!("there is no defect '{row}'; there are: {}", known.join(", ")));
        }
    }
    let Some(count) = arguments.sample else {
        let mut chosen = defects;
        chosen.retain(|defect| arguments.rows.is_empty() || arguments.rows.contains(&defect.row));
        return Ok(chosen);
    };
    let head = output(Command::new("git").current_dir(root()).args(["rev-parse", "HEAD"]))?;
    let start = head.stdout.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let total = defects.len().max(1);
    let mut chosen = defects;
    chosen.rotate_left(start % total);
    chosen.truncate(count);
    Ok(chosen)
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let scratch = root().join("target/defects/tree");
    std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    refresh(&scratch)?;
    let defects = all()?;
    if arguments.check {
        for defect in &defects {
            apply(defect, &scratch, true)?;
        }
        println!("all {} patches apply", defects.len());
        return Ok(true);
    }
    let mut all_found = true;
    println!("| row | class | found by | runs | decisions | seconds |\n|---|---|---|---|---|---|");
    for defect in select(arguments, defects)? {
        refresh(&scratch)?;
        apply(&defect, &scratch, false)?;
        let started = Instant::now();
        let found = hunt(&defect, &scratch)?;
        let seconds = started.elapsed().as_secs();
        match found {
            Some(Found { by, oracle, runs, decisions }) => {
                let right = defect.oracle.is_none() || oracle == defect.oracle;
                all_found &= right;
                let wanted = defect.oracle.as_deref().unwrap_or_default();
                let by = if right { by } else { format!("{by} (WRONG: {wanted} should have fired)") };
                println!("| {} | {} | {by} | {runs} | {decisions} | {seconds} |", defect.row, defect.class);
            }
            None => {
                all_found = false;
                println!(
                    "| {} | {} | NOT FOUND ({}) | | | {seconds} |",
                    defect.row, defect.class, defect.method
                );
            }
        }
    }
    refresh(&scratch)?;
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
