//! Counts the instructions of the hot paths and compares them with what was counted before.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;

/// Each benchmark repeats its operation so often.
const TIMES: u64 = 1_000;
/// By how much a count may grow, in percent.
const GROWTH: u64 = 3;
/// Two sizes of the same, and by how much their counts may differ, in percent.
const FLAT: &[(&str, &str, u64)] = &[("ten", "many", 10), ("small", "huge", 5)];
/// What an operation may cost at most, whatever it has cost before. The one start is counted as a thousand.
const LIMITS: &[(&str, u64)] = &[
    ("pick_and_enqueue", 60),
    ("timer_arm_and_cancel", 110),
    ("frame_in_random_order", 60),
    ("frame_last_in_first_out", 60),
    ("start", 200),
    ("look_up", 27),
];
/// What others need for the same, and how many times that at least is what we need.
const RIVALS: &[(&str, &str, u64)] = &[
    ("frame_in_random_order.gib", "bitmap_allocator_in_random_order.gib", 2),
    ("frame_in_random_order.gib", "buddy_system_allocator_in_random_order.gib", 2),
];

/// Counts host instructions of the scheduler's and the memory's hot paths and compares them with benches/baselines.txt.
///
/// Counts are compared only if compiler and valgrind are those that the file names; with others they are printed.
/// Exit codes: 0 no count has grown by more than 3 %, depends on how much there is, or is above its limit; 1 one has,
/// does, or is; 2 usage; 5 nothing could be counted.
#[derive(Debug, Parser)]
#[command(name = "counts")]
struct Arguments {
    /// Write what was counted to the file of baselines.
    #[arg(long)]
    write: bool,
}

/// What was counted, by benchmark, and with which tools.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    compiler: String,
    valgrind: String,
    operations: BTreeMap<String, u64>,
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn first_line(program: &str, arguments: &[&str], remedy: &str) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}; {remedy}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

fn count() -> Result<Counts, String> {
    let valgrind =
        first_line("valgrind", &["--version"], "apt-get install --no-install-recommends valgrind")?;
    first_line("gungraun-runner", &["--version"], "cargo install gungraun-runner --version 0.20.0 --locked")?;
    let compiler = first_line("rustc", &["--version"], "https://rustup.rs")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let results = folder().join("../target/gungraun/benches");
    // What an older set of benchmarks has left would be counted too.
    let _ = std::fs::remove_dir_all(&results);
    let mut bench = Command::new(cargo);
    bench.args(["bench", "-q", "-p", "benches", "--features", "instructions"]);
    // Binaries of their own: what is measured in one changes what the compiler inlines in it.
    bench.args([
        "--bench",
        "instructions",
        "--bench",
        "frames",
        "--bench",
        "spaces",
        "--bench",
        "capabilities",
        "--bench",
        "waits",
        "--bench",
        "messages",
    ]);
    let output = bench.current_dir(folder()).output().map_err(|error| format!("cargo bench: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo bench: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut operations = BTreeMap::new();
    for path in outputs(&results)? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let total =
            text.lines().find_map(|line| line.strip_prefix("totals: ")?.split(' ').next()?.parse().ok());
        let total: u64 = total.ok_or_else(|| format!("{}: no totals", path.display()))?;
        let name = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        operations.insert(name.into_owned(), total / TIMES);
    }
    Ok(Counts { compiler, valgrind, operations })
}

/// The files that callgrind has left, one a benchmark.
fn outputs(results: &Path) -> Result<Vec<PathBuf>, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", results.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(results).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.is_dir() {
            paths.extend(outputs(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "out") {
            paths.push(path);
        }
    }
    Ok(paths)
}

impl Counts {
    fn parse(text: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(": ") {
                Some(("compiler", name)) => counts.compiler = name.to_owned(),
                Some(("valgrind", name)) => counts.valgrind = name.to_owned(),
                Some((name, count)) => {
                    let count = count.parse().map_err(|_| format!("baselines.txt: '{line}' is no count"))?;
                    counts.operations.insert(name.to_owned(), count);
                }
                None => return Err(format!("baselines.txt: nobody knows '{line}'")),
            }
        }
        Ok(counts)
    }

    fn to_text(&self) -> String {
        let mut text = "# Host instructions an operation, written by `cargo counts --write`.\n".to_owned();
        text.push_str(&format!("compiler: {}\nvalgrind: {}\n", self.compiler, self.valgrind));
        for (name, count) in &self.operations {
            text.push_str(&format!("{name}: {count}\n"));
        }
        text
    }

    /// What is wrong with these counts, whatever they were before.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, count) in &self.operations {
            let Some((operation, size)) = name.split_once('.') else { continue };
            if let Some((_, limit)) =
                LIMITS.iter().find(|(limited, limit)| *limited == operation && count > limit)
            {
                faults.push(format!("{name}: {count}, which is above its limit of {limit}"));
            }
            let Some((_, large, percent)) = FLAT.iter().find(|(small, ..)| *small == size) else { continue };
            let Some(other) = self.operations.get(&format!("{operation}.{large}")) else { continue };
            if other.abs_diff(*count) * 100 > count * percent {
                faults.push(format!("{operation}: {count} with {size}, {other} with {large}"));
            }
        }
        for (ours, theirs, times) in RIVALS {
            if let (Some(our), Some(their)) = (self.operations.get(*ours), self.operations.get(*theirs))
                && our * times > *their
            {
                faults.push(format!("{ours}: {our}, and {theirs} needs only {their}"));
            }
        }
        faults
    }

    /// What has grown since `before`.
    fn grown(&self, before: &Self) -> Vec<String> {
        let rows = self.operations.iter().filter_map(|(name, now)| {
            let was = before.operations.get(name)?;
            (now * 100 > was * (100 + GROWTH)).then(|| format!("{name}: {was} before, {now} now"))
        });
        rows.collect()
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let file = folder().join("baselines.txt");
    let counts = count()?;
    for (name, count) in &counts.operations {
        println!("{count:6}  {name}");
    }
    let mut faults = counts.faults();
    if arguments.write {
        std::fs::write(&file, counts.to_text()).map_err(|error| format!("{}: {error}", file.display()))?;
    } else {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let before = Counts::parse(&text)?;
        if (&before.compiler, &before.valgrind) == (&counts.compiler, &counts.valgrind) {
            faults.extend(counts.grown(&before));
        } else {
            println!("not compared: the baselines are those of {} and {}", before.compiler, before.valgrind);
            faults.clear();
        }
    }
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        eprintln!("Make it cheaper, or say why it has to cost more and run `cargo counts --write`.");
    }
    Ok(faults.is_empty())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(5)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> Counts {
        let operations = rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { compiler: "rustc".into(), valgrind: "valgrind".into(), operations }
    }

    #[test]
    fn a_file_reads_back() {
        let before = counts(&[("wake.ten", 7), ("wake.many", 8)]);
        assert_eq!(Counts::parse(&before.to_text()), Ok(before));
        assert!(Counts::parse("wake.ten: seven").is_err());
        assert!(Counts::parse("what").is_err());
    }

    #[test]
    fn growth_limits_and_slopes_are_noticed() {
        let before = counts(&[("wake.ten", 100), ("wake.many", 100)]);
        assert_eq!(counts(&[("wake.ten", 103), ("wake.many", 90)]).grown(&before), [""; 0]);
        assert_eq!(counts(&[("wake.ten", 104)]).grown(&before).len(), 1);
        assert_eq!(counts(&[("wake.ten", 100), ("wake.many", 110)]).faults(), [""; 0]);
        assert_eq!(counts(&[("wake.ten", 100), ("wake.many", 111)]).faults().len(), 1);
        assert_eq!(counts(&[("pick_and_enqueue.ten", 61)]).faults().len(), 1);
        let rivals = [("frame_in_random_order.gib", 55), ("bitmap_allocator_in_random_order.gib", 109)];
        assert_eq!(counts(&rivals).faults().len(), 1);
        assert_eq!(counts(&[("x.small", 100), ("x.huge", 106)]).faults().len(), 1);
    }
}
