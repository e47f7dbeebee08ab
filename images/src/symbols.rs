//! Names for the addresses of a backtrace.

use std::path::Path;

use goblin::elf::Elf;
use goblin::elf::sym::STT_FUNC;

/// The functions of a kernel, by address.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    functions: Vec<(u64, u64, String)>,
}

impl Symbols {
    /// The functions of a file; none if it cannot be read.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let Ok(elf) = Elf::parse(&bytes) else { return Self::default() };
        let functions = elf.syms.iter().filter(|symbol| symbol.st_type() == STT_FUNC);
        let mut functions: Vec<_> = functions
            .filter_map(|symbol| {
                let name = elf.strtab.get_at(symbol.st_name)?;
                Some((symbol.st_value, symbol.st_size, readable(name)))
            })
            .collect();
        functions.sort();
        Self { functions }
    }

    /// The function that an address lies in, and how far.
    #[must_use]
    pub fn name(&self, address: u64) -> Option<String> {
        let behind = self.functions.partition_point(|(start, ..)| *start <= address);
        let (start, size, name) = self.functions.get(behind.checked_sub(1)?)?;
        let offset = address - start;
        (offset <= *size).then(|| format!("{name} + {offset:#x}"))
    }

    /// Where the function begins whose name ends with this.
    #[must_use]
    pub fn address(&self, function: &str) -> Option<u64> {
        let is_it = |name: &str| name.rsplit("::").next() == Some(function);
        self.functions.iter().find(|(_, _, name)| is_it(name)).map(|(start, ..)| *start)
    }

    /// A line of the machine with the names of a backtrace added.
    #[must_use]
    pub fn explain(&self, line: &str) -> String {
        let address =
            line.trim().strip_prefix("at 0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match address.and_then(|address| self.name(address)) {
            Some(name) => format!("{}  {name}", line.trim_end()),
            None => line.trim_end().to_owned(),
        }
    }
}

/// The parts of a mangled name: each is preceded by its length (of both mangling schemes, good enough for a reader).
fn readable(name: &str) -> String {
    if !name.starts_with("_ZN") && !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        rest = &rest[at..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let length: usize = rest[..digits].parse().unwrap_or(0);
        rest = rest[digits..].strip_prefix('_').unwrap_or(&rest[digits..]);
        let Some(part) = rest.get(..length) else { break };
        let is_hash = part.len() == 17 && part.starts_with('h');
        if length > 1 && !is_hash {
            parts.push(part);
        }
        rest = &rest[length..];
    }
    if parts.is_empty() { name.to_owned() } else { parts.join("::") }
}
