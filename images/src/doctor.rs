//! What is here and what is missing, with the command that helps.

use std::process::{Command, Stdio};

use crate::compiler::{Compiler, DEBIAN_PACKAGES, find_compiler};
use crate::target::Arch;

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// What was found, or what to do.
    pub answer: Result<String, String>,
}

/// The first line that an emulator says about itself.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// Looks for everything that images need.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    for arch in Arch::ALL {
        let answer = match find_compiler(arch) {
            Some(Compiler::Addable) => {
                Err(format!("rustup target add {} (build does it by itself)", arch.triple()))
            }
            Some(compiler) => Ok(compiler.to_string()),
            None => Err(format!("rustup target add {}, or without rustup: {DEBIAN_PACKAGES}", arch.triple())),
        };
        findings.push(Finding { what: format!("compiler for {arch}"), answer });
        let answer = version(arch.emulator())
            .ok_or_else(|| format!("apt-get install --no-install-recommends {}", arch.package()));
        findings.push(Finding { what: arch.emulator().to_owned(), answer });
    }
    findings
}
