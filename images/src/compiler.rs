//! Which compiler here can build for a bare target.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::target::Arch;

/// A way to build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// The toolchain that runs this has the target's library.
    Ready,
    /// Another rustup toolchain has it.
    Toolchain(String),
    /// rustup can add the target's library.
    Addable,
    /// A rustup toolchain has the library's source and may build it.
    Source(String),
    /// Debian's own compiler has the library's source and may build it.
    Debian,
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("the current toolchain"),
            Self::Toolchain(name) => write!(f, "toolchain {name}"),
            Self::Addable => f.write_str("the current toolchain, once rustup has added the library"),
            Self::Source(name) => write!(f, "toolchain {name}, building the library from source"),
            Self::Debian => write!(f, "{DEBIAN_RUSTC}, building the library from source"),
        }
    }
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// The bare targets need a linker that is no host's.
const DEBIAN_LINKER: &str = "/usr/bin/ld.lld";
/// How Debian's compiler is installed.
pub const DEBIAN_PACKAGES: &str =
    "apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld";

impl Compiler {
    /// A cargo that builds with it, for a target.
    #[must_use]
    pub fn cargo(&self, arch: Arch) -> Command {
        let mut cargo = match self {
            Self::Ready | Self::Addable => {
                Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            }
            Self::Toolchain(name) | Self::Source(name) => {
                let mut command = Command::new("rustup");
                command.args(["run", name, "cargo"]);
                command
            }
            Self::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                let linker =
                    format!("CARGO_TARGET_{}_LINKER", arch.triple().to_uppercase().replace('-', "_"));
                command.env("RUSTC", DEBIAN_RUSTC).env(linker, DEBIAN_LINKER);
                command
            }
        };
        cargo.args(["build", "--release", "--target", arch.triple()]);
        if matches!(self, Self::Source(_) | Self::Debian) {
            cargo.arg("-Zbuild-std=core,compiler_builtins").env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
    }
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether rustc has a target's library.
fn has_library(mut rustc: Command, triple: &str) -> bool {
    let folder = output(rustc.args(["--print", "target-libdir", "--target", triple]));
    let Some(folder) = folder else { return false };
    let Ok(entries) = std::fs::read_dir(folder.trim()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Whether rustc has the source of the library.
fn has_source(mut rustc: Command) -> bool {
    output(rustc.args(["--print", "sysroot"]))
        .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").exists())
}

/// Whether Debian's compiler is all here, its source and a linker included.
fn has_debian() -> bool {
    // Build scripts are linked by the host's compiler, which lies in the same folder and is looked for on the path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder == Path::new("/usr/bin"))
        && [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_LINKER].iter().all(|path| Path::new(path).exists())
        && has_source(Command::new(DEBIAN_RUSTC))
}

fn toolchains() -> Vec<String> {
    let listed = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn rustc_of(toolchain: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "rustc"]);
    command
}

/// All ways to build for an architecture, the best first.
fn compilers(arch: Arch) -> impl Iterator<Item = Compiler> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let ready = has_library(Command::new(rustc), arch.triple()).then_some(Compiler::Ready);
    // Each look takes a while: none is taken that is not needed.
    let others = std::iter::once_with(toolchains).flat_map(move |toolchains| {
        let with_library =
            toolchains.clone().into_iter().filter(move |name| has_library(rustc_of(name), arch.triple()));
        let addable = (!toolchains.is_empty()).then_some(Compiler::Addable);
        let with_source = toolchains.into_iter().filter(|name| has_source(rustc_of(name)));
        with_library.map(Compiler::Toolchain).chain(addable).chain(with_source.map(Compiler::Source))
    });
    let debian = std::iter::once_with(has_debian).filter(|here| *here).map(|_| Compiler::Debian);
    ready.into_iter().chain(others).chain(debian)
}

/// The best way to build for an architecture, if there is one.
#[must_use]
pub fn find_compiler(arch: Arch) -> Option<Compiler> {
    compilers(arch).next()
}

/// A way to build for an architecture that works now: what rustup can add is added, unless `offline` forbids it.
pub(crate) fn ready_compiler(arch: Arch, offline: bool) -> Option<Compiler> {
    compilers(arch).find_map(|compiler| match compiler {
        Compiler::Addable if offline => None,
        Compiler::Addable => add_library(arch).then_some(Compiler::Ready),
        compiler => Some(compiler),
    })
}

fn add_library(arch: Arch) -> bool {
    eprintln!("images: adding the library for {0} (rustup target add {0})", arch.triple());
    Command::new("rustup")
        .args(["target", "add", arch.triple()])
        .status()
        .is_ok_and(|status| status.success())
}
