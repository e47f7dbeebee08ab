//! The reproduction file: a run as text. It is what a failure leaves, what `replay` reads, and what shrinks.

use std::fmt::{self, Write as _};

use crate::run::{Options, Subject};

const MAGIC: &str = "coldframe-run 1";

/// The kernel of this build, by its source.
pub const KERNEL: &str = env!("COLDFRAME_KERNEL");

/// A run, written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFile {
    /// What was run.
    pub subject: String,
    /// With how many CPUs, if that was not drawn.
    pub cpus: Option<u16>,
    /// From which seed the decisions came, for the reader's interest.
    pub seed: u64,
    /// With which kernel.
    pub kernel: String,
    /// Which oracle fired.
    pub oracle: Option<String>,
    /// The decisions.
    pub decisions: Vec<u32>,
}

/// Why a text is no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It does not start as a run file does.
    NotARun,
    /// A line is missing or cannot be read.
    Damaged {
        /// Which line, from one.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The decisions are fewer or more than the file says.
    Incomplete {
        /// How many it says.
        announced: usize,
        /// How many there are.
        found: usize,
    },
    /// There is no such scenario or world in this build.
    UnknownSubject(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARun => write!(f, "this is no run file: its first line should be '{MAGIC}'"),
            Self::Damaged { line, expected } => {
                write!(
                    f,
                    "line {line} is damaged: {expected} should be there; make the file again with 'sim explore'"
                )
            }
            Self::Incomplete { announced, found } => write!(
                f,
                "the file is cut or was edited: it announces {announced} decisions and has {found}; \
                 make it again with 'sim explore'"
            ),
            Self::UnknownSubject(name) => {
                write!(f, "this build has no scenario or world '{name}'; 'sim list' prints those that it has")
            }
        }
    }
}

impl std::error::Error for FileError {}

impl RunFile {
    /// The file as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let cpus = self.cpus.map_or_else(|| "drawn".to_owned(), |cpus| cpus.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{MAGIC}\nsubject {}\ncpus {cpus}\nseed {:#x}", self.subject, self.seed);
        let _ = writeln!(text, "kernel {}\noracle {}", self.kernel, self.oracle.as_deref().unwrap_or("none"));
        let _ = writeln!(text, "decisions {}", self.decisions.len());
        for line in self.decisions.chunks(32) {
            let words: Vec<_> = line.iter().map(u32::to_string).collect();
            let _ = writeln!(text, "{}", words.join(" "));
        }
        text
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut lines = text.lines();
        if lines.next().map(str::trim_end) != Some(MAGIC) {
            return Err(FileError::NotARun);
        }
        let mut number = 1;
        let mut field = |name: &'static str| {
            number += 1;
            let damaged = FileError::Damaged { line: number, expected: name };
            lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' ')).ok_or(damaged)
        };
        let subject = field("subject")?.to_owned();
        let cpus = match field("cpus")? {
            "drawn" => None,
            cpus => Some(cpus.parse().map_err(|_| FileError::Damaged { line: 3, expected: "cpus" })?),
        };
        let seed = field("seed")?.strip_prefix("0x").and_then(|seed| u64::from_str_radix(seed, 16).ok());
        let seed = seed.ok_or(FileError::Damaged { line: 4, expected: "seed" })?;
        let kernel = field("kernel")?.to_owned();
        let oracle = Some(field("oracle")?.to_owned()).filter(|oracle| oracle != "none");
        let announced = field("decisions")?.parse();
        let announced = announced.map_err(|_| FileError::Damaged { line: 7, expected: "decisions" })?;
        let mut decisions = Vec::new();
        for (index, line) in lines.enumerate() {
            for word in line.split_ascii_whitespace() {
                let damaged = FileError::Damaged { line: 8 + index, expected: "a number" };
                decisions.push(word.parse().map_err(|_| damaged)?);
            }
        }
        if decisions.len() != announced {
            return Err(FileError::Incomplete { announced, found: decisions.len() });
        }
        if Subject::named(&subject).is_none() {
            return Err(FileError::UnknownSubject(subject));
        }
        Ok(Self { subject, cpus, seed, kernel, oracle, decisions })
    }

    /// How to run it.
    #[must_use]
    pub fn options(&self) -> Options {
        Options { cpus: self.cpus, ..Options::default() }
    }
}
