//! The scratch copy in which defects are planted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::defect::{Defect, root};

/// A copy of the working tree.
pub struct Scratch {
    folder: PathBuf,
}

pub fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{command:?}: {error}"))
}

impl Scratch {
    /// A copy of the working tree as it is.
    pub fn new() -> Result<Self, String> {
        let scratch = Self { folder: root().join("target/defects/tree") };
        std::fs::create_dir_all(&scratch.folder)
            .map_err(|error| format!("{}: {error}", scratch.folder.display()))?;
        scratch.heal()?;
        Ok(scratch)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes what was planted out again; files that are equal keep their time, so that little is rebuilt.
    pub fn heal(&self) -> Result<(), String> {
        let wanted = files()?;
        let mut there = Vec::new();
        list(&self.folder, &mut there).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        for path in there {
            if path.strip_prefix(&self.folder).is_ok_and(|name| !wanted.contains(name)) {
                std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        for name in wanted {
            let (from, to) = (root().join(&name), self.folder.join(&name));
            let Ok(bytes) = std::fs::read(&from) else { continue };
            if std::fs::read(&to).is_ok_and(|old| old == bytes) {
                continue;
            }
            let folder = to.parent().unwrap_or(&self.folder);
            let copied = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&to, &bytes));
            copied.map_err(|error| format!("{}: {error}", to.display()))?;
        }
        Ok(())
    }

    /// Plants a defect.
    pub fn plant(&self, defect: &Defect) -> Result<(), String> {
        self.apply(defect, &[])
    }

    /// Whether a defect can be planted.
    pub fn check(&self, defect: &Defect) -> Result<(), String> {
        self.apply(defect, &["--check"])
    }

    fn apply(&self, defect: &Defect, options: &[&str]) -> Result<(), String> {
        let file = self.folder.join("planted.patch");
        std::fs::write(&file, &defect.patch).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut git = Command::new("git");
        // The copy lies inside of a repository: without this git would look for the files there.
        let ceiling = self.folder.parent().unwrap_or(&self.folder);
        git.current_dir(&self.folder).env("GIT_CEILING_DIRECTORIES", ceiling);
        let result = output(git.arg("apply").args(options).arg("planted.patch"))?;
        if result.status.success() {
            return Ok(());
        }
        let problem = String::from_utf8_lossy(&result.stderr).trim().to_owned();
        Err(format!("{}: the patch does not apply: {problem}", defect.row))
    }

    /// A cargo that builds the copy.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.folder).env("CARGO_TARGET_DIR", build_folder());
        // What the runner was started with is not what the hunt is built with.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        command
    }
}

/// Where the copy is built.
pub fn build_folder() -> PathBuf {
    root().join("target/defects/build")
}

/// The files of the working tree, those that git does not know yet included.
fn files() -> Result<BTreeSet<PathBuf>, String> {
    let mut git = Command::new("git");
    git.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listed = output(&mut git)?;
    Ok(String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(PathBuf::from)
        .filter(|name| root().join(name).is_file())
        .collect())
}

/// The files below a folder.
fn list(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
