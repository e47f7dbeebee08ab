//! A planted defect as a file: a head of named lines, an empty line, a patch.

use std::path::{Path, PathBuf};

/// A planted defect.
pub struct Defect {
    /// Its name; the id of a row of shared/DEFECTS.md, if it re-creates one.
    pub row: String,
    /// What kind of bug it is.
    pub about: String,
    /// How it is hunted.
    pub method: Method,
    /// The patch that brings the bug back.
    pub patch: String,
}

/// How a defect is hunted, and what has to be said of it when it is found.
pub enum Method {
    /// Exploration of a kind of world over seeds; one of the oracles has to fire.
    Explore { world: String, seeds: String, oracles: Vec<String> },
    /// A test of the package `tests`; its failure has to say one of these.
    Test { name: String, says: Vec<String> },
    /// A test of a package under the model checker; its failure has to say one of these.
    Loom { package: String, name: String, says: Vec<String> },
}

/// Where the checked-out project lies.
pub fn root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(PathBuf::from).unwrap_or(tests)
}

/// All defects, by name.
pub fn all() -> Result<Vec<Defect>, String> {
    let folder = root().join("tests/defects");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "defect"));
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Result<Defect, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (head, patch) = text.split_once("\n\n").ok_or_else(|| format!("{}: no patch", path.display()))?;
    let need = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned).ok_or_else(|| format!("{}: no line '{name}: …'", path.display()))
    };
    let any_of = |name: &str| Ok::<_, String>(need(name)?.split(" or ").map(str::to_owned).collect());
    let words = need("method")?;
    let words: Vec<_> = words.split(' ').collect();
    let method = match words[..] {
        ["explore", world, seeds] => {
            Method::Explore { world: world.to_owned(), seeds: seeds.to_owned(), oracles: any_of("oracle")? }
        }
        ["test", name] => Method::Test { name: name.to_owned(), says: any_of("says")? },
        ["loom", package, name] => {
            Method::Loom { package: package.to_owned(), name: name.to_owned(), says: any_of("says")? }
        }
        _ => {
            let known = "'explore WORLD SEEDS', 'test NAME' or 'loom PACKAGE NAME'";
            return Err(format!("{}: the method is {known}", path.display()));
        }
    };
    need("class")?;
    Ok(Defect { row: need("row")?, about: need("about")?, method, patch: patch.to_owned() })
}

impl Defect {
    /// The crates that the patch touches, as folders.
    pub fn crates(&self) -> impl Iterator<Item = String> {
        self.patch.lines().filter_map(|line| line.strip_prefix("+++ b/")).filter_map(crate_of)
    }
}

/// The crate that a file belongs to, as a folder.
pub fn crate_of(file: &str) -> Option<String> {
    let (folder, _) = file.split_once("/src/")?;
    Some(folder.to_owned())
}
