//! `cargo corpus`: grows the corpus of the fuzz target `syscalls` until each call of the table has succeeded in it, and
//! has failed with each of its errors.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sim::draw::KINDS;
use sim::fuzz::played;
use sim::source::{Bytes, Random, Source, Written};
use sim::{Answer, Answers};

#[derive(Debug, Parser)]
#[command(
    about = "Grow the corpus of the fuzz target 'syscalls' by worlds in which calls are answered as in none before"
)]
struct Arguments {
    /// The first seed to try.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds to try.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// Only worlds of this kind, one of those that 'sim list' names: what is rare is found there sooner.
    #[arg(long, value_parser = kind)]
    world: Option<u32>,
    /// Only worlds a few bytes from inputs whose names begin so: an answer that a change has lost is mostly near where it
    /// was.
    #[arg(long, conflicts_with = "world")]
    near: Option<String>,
}

fn kind(name: &str) -> Result<u32, String> {
    let at = KINDS.iter().position(|kind| kind.name == name);
    at.map(|at| at as u32).ok_or_else(|| "no kind of world has this name; 'sim list' names them".to_owned())
}

/// The decisions of a seed, but for the first one, if that is given: which kind of world it is.
struct Decisions {
    first: Option<u32>,
    rest: Random,
}

impl Source for Decisions {
    fn choose(&mut self, n: u32) -> u32 {
        let drawn = self.rest.choose(n);
        self.first.take().unwrap_or(drawn)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/syscalls")
}

fn answers(bytes: &[u8]) -> Answers {
    played(&mut Bytes::new(bytes)).answers
}

fn missing(covered: &Answers) -> Vec<Answer> {
    Answers::in_the_table().filter(|answer| !covered.has(*answer)).collect()
}

fn name((number, error): Answer) -> String {
    let outcome = error.map_or_else(|| "fine".to_owned(), |error| format!("{error:?}"));
    format!("{}-{outcome}", number.description().name)
}

/// Where an input of this name can lie: what another one of that name has seen is not lost.
fn free_path(name: &str) -> PathBuf {
    let names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    let mut paths = names.map(|name| folder().join(name));
    paths.find(|path| !path.exists()).unwrap_or_else(|| folder().join(name))
}

/// The shortest beginning of the bytes in which all these answers are given: behind it all decisions are zero.
fn shortened(bytes: &[u8], wanted: &[Answer]) -> Vec<u8> {
    const PARTS: usize = 64;
    let is_enough = |length: usize| {
        let found = answers(&bytes[..length]);
        wanted.iter().all(|answer| found.has(*answer))
    };
    let lengths = (1..PARTS).map(|part| bytes.len() * part / PARTS);
    let length = lengths.into_iter().find(|length| is_enough(*length)).unwrap_or(bytes.len());
    bytes[..length].to_vec()
}

/// An input with one to four of its bytes changed.
fn changed(input: &[u8], seed: u64) -> Vec<u8> {
    let mut source = Random::new(seed);
    let mut bytes = input.to_vec();
    for _ in 0..=source.choose(4) {
        let at = source.choose(bytes.len() as u32) as usize;
        bytes[at] = source.choose(256) as u8;
    }
    bytes
}

fn grow(arguments: &Arguments) -> std::io::Result<Vec<Answer>> {
    let mut covered = Answers::default();
    let mut near = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let entry = entry?;
        let bytes = std::fs::read(entry.path())?;
        covered.add_all(&answers(&bytes));
        let begins = |name: &String| entry.file_name().to_string_lossy().starts_with(name);
        if arguments.near.as_ref().is_some_and(begins) && !bytes.is_empty() {
            near.push(bytes);
        }
    }
    if let (Some(name), true) = (&arguments.near, near.is_empty()) {
        let problem = format!("no input has a name that begins with '{name}'");
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, problem));
    }
    for seed in arguments.from..arguments.from + arguments.seeds {
        let left = missing(&covered);
        if left.is_empty() {
            break;
        }
        let (bytes, outcome) = if near.is_empty() {
            let decisions = Decisions { first: arguments.world, rest: Random::new(seed) };
            let mut source = Written::new(decisions);
            let outcome = played(&mut source);
            (source.bytes, outcome)
        } else {
            let bytes = changed(&near[seed as usize % near.len()], seed);
            let outcome = played(&mut Bytes::new(&bytes));
            (bytes, outcome)
        };
        let fresh: Vec<_> = left.into_iter().filter(|answer| outcome.answers.has(*answer)).collect();
        let Some(first) = fresh.first() else { continue };
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
            continue;
        }
        let bytes = shortened(&bytes, &fresh);
        println!("seed {seed}: {} ({} answers, {} bytes)", name(*first), fresh.len(), bytes.len());
        covered.add_all(&answers(&bytes));
        std::fs::write(free_path(&name(*first)), bytes)?;
    }
    Ok(missing(&covered))
}

fn main() -> ExitCode {
    match grow(&Arguments::parse()) {
        Ok(left) if left.is_empty() => ExitCode::SUCCESS,
        Ok(left) => {
            let names: Vec<_> = left.into_iter().map(name).collect();
            eprintln!("no world was found in which this is answered: {}", names.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {}: {error}", folder().display());
            ExitCode::FAILURE
        }
    }
}
