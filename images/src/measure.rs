//! What calls cost on a booted machine, in guest instructions, against what they cost before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::boot::{Options, boot};
use crate::build::{MEASURE, build_programs};
use crate::target::{Arch, workspace};

/// By how much a count may grow, in percent.
const GROWTH: u64 = 3;

/// What one of each operation takes.
pub type Counts = BTreeMap<String, u64>;

/// Why there is nothing to compare.
#[derive(Debug)]
pub enum MeasureError {
    /// There is no image, or it cannot be booted.
    NoImage(String),
    /// The machine did not say what it has measured.
    NoCounts(String),
    /// The file of baselines.
    Io(PathBuf, std::io::Error),
}

impl std::fmt::Display for MeasureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoImage(reason) => f.write_str(reason),
            Self::NoCounts(console) => write!(f, "the machine has measured nothing; it said:\n{console}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for MeasureError {}

/// Boots the program that measures, on one CPU that counts instructions as nanoseconds.
///
/// # Errors
/// If it cannot be built or booted, or says nothing.
pub fn measure(arch: Arch, offline: bool) -> Result<Counts, MeasureError> {
    let no_image = |error: &dyn std::fmt::Display| MeasureError::NoImage(error.to_string());
    let image = build_programs(arch, offline, &[MEASURE]).map_err(|error| no_image(&error))?;
    let silence = Duration::from_secs(120);
    let options = Options { cpus: 1, memory: "128M".to_owned(), silence, icount: true, gdb: false };
    let (mut counts, mut console) = (Counts::new(), String::new());
    let status = boot(&image, &options, |line| {
        if let Some((name, count)) = line.strip_prefix("measure: ").and_then(|rest| rest.split_once(' '))
            && let Ok(count) = count.trim().parse()
        {
            counts.insert(name.to_owned(), count);
        }
        console.push_str(line);
        console.push('\n');
    });
    match status {
        Ok(0) if !counts.is_empty() => Ok(counts),
        Ok(_) => Err(MeasureError::NoCounts(console)),
        Err(error) => Err(no_image(&error)),
    }
}

fn file() -> PathBuf {
    workspace().join("images/measured.txt")
}

/// What the operations have cost before.
///
/// # Errors
/// If the file cannot be read.
pub fn baselines(arch: Arch) -> Result<Counts, MeasureError> {
    let text = std::fs::read_to_string(file()).map_err(|error| MeasureError::Io(file(), error))?;
    let of_arch = text.lines().filter_map(|line| line.strip_prefix(&format!("{arch} ")));
    Ok(of_arch
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
        .collect())
}

/// Replaces what the file says about an architecture.
///
/// # Errors
/// If it cannot be written.
pub fn write(arch: Arch, counts: &Counts) -> Result<(), MeasureError> {
    let before = std::fs::read_to_string(file()).unwrap_or_default();
    let mut lines: Vec<String> =
        before.lines().filter(|line| !line.starts_with(&format!("{arch} "))).map(str::to_owned).collect();
    lines.extend(counts.iter().map(|(name, count)| format!("{arch} {name} {count}")));
    lines.sort();
    std::fs::write(file(), lines.join("\n") + "\n").map_err(|error| MeasureError::Io(file(), error))
}

/// What has become worse.
#[must_use]
pub fn worse(arch: Arch, counts: &Counts, before: &Counts) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, old) in before {
        match counts.get(name) {
            Some(new) if new * 100 > old * (100 + GROWTH) => {
                problems.push(format!("{arch}: {name} takes {new} instructions, {old} before"));
            }
            Some(_) => {}
            None => problems.push(format!("{arch}: {name} is not measured any more")),
        }
    }
    problems
}
