//! Builds kernel and programs, with whatever compiler can, and packs the archive.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::target::{Arch, workspace};

/// The programs of an image, in the order in which they start.
pub const PROGRAMS: &[&str] = &["crash", "conformance"];

/// A built image: a kernel and the archive that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// For which architecture.
    pub arch: Arch,
    /// The kernel.
    pub kernel: PathBuf,
    /// The programs, by themselves.
    pub programs: Vec<PathBuf>,
    /// The programs, packed.
    pub archive: PathBuf,
}

/// Why there is no image.
#[derive(Debug)]
pub enum BuildError {
    /// No compiler here can build for the target.
    NoCompiler(Arch),
    /// The compiler refused.
    Refused(Arch),
    /// A file could not be read or written.
    Io(PathBuf, std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCompiler(arch) => write!(
                f,
                "no compiler here can build for {0}; to make one ready: rustup target add {0}",
                arch.triple()
            ),
            Self::Refused(arch) => write!(f, "the build for {arch} failed; the compiler's words are above"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for BuildError {}

/// A way to build for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// The toolchain that runs this has the target's library.
    Ready,
    /// Another rustup toolchain has it.
    Toolchain(String),
    /// A rustup toolchain has the library's source and may build it.
    Source(String),
    /// rustup can add the target's library.
    Addable,
}

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

fn toolchains() -> Vec<String> {
    let listed = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn rustc_of(toolchain: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "rustc"]);
    command
}

/// The best way to build for an architecture, if there is one.
#[must_use]
pub fn find_compiler(arch: Arch) -> Option<Compiler> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if has_library(Command::new(rustc), arch.triple()) {
        return Some(Compiler::Ready);
    }
    let toolchains = toolchains();
    if let Some(found) = toolchains.iter().find(|name| has_library(rustc_of(name), arch.triple())) {
        return Some(Compiler::Toolchain(found.clone()));
    }
    if !toolchains.is_empty() {
        return Some(Compiler::Addable);
    }
    let with_source = toolchains.iter().find(|name| {
        output(rustc_of(name).args(["--print", "sysroot"]))
            .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").exists())
    });
    with_source.map(|name| Compiler::Source(name.clone()))
}

/// Whether this is the toolchain's own compiler, after an attempt to add what is missing.
fn ready(arch: Arch, offline: bool) -> Result<Compiler, BuildError> {
    match find_compiler(arch) {
        Some(Compiler::Addable) if offline => Err(BuildError::NoCompiler(arch)),
        Some(Compiler::Addable) => {
            eprintln!("images: adding the library for {} (rustup target add {0})", arch.triple());
            let added = Command::new("rustup").args(["target", "add", arch.triple()]).status();
            if added.is_ok_and(|status| status.success()) {
                return Ok(Compiler::Ready);
            }
            Err(BuildError::NoCompiler(arch))
        }
        Some(compiler) => Ok(compiler),
        None => Err(BuildError::NoCompiler(arch)),
    }
}

/// Builds an image. `offline` forbids to fetch anything.
///
/// # Errors
/// Why there is none, and what to do.
pub fn build(arch: Arch, offline: bool) -> Result<Image, BuildError> {
    let compiler = ready(arch, offline)?;
    let root = workspace();
    let mut cargo = match &compiler {
        Compiler::Ready | Compiler::Addable => {
            Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        }
        Compiler::Toolchain(name) | Compiler::Source(name) => {
            let mut command = Command::new("rustup");
            command.args(["run", name, "cargo"]);
            command
        }
    };
    cargo.current_dir(&root).args(["build", "--release", "--target", arch.triple(), "-p", "coldframe-bare"]);
    for program in PROGRAMS {
        cargo.arg("-p").arg(format!("coldframe-{program}"));
    }
    if matches!(compiler, Compiler::Source(_)) {
        cargo.arg("-Zbuild-std=core,compiler_builtins").env("RUSTC_BOOTSTRAP", "1");
    }
    if offline {
        cargo.arg("--offline");
    }
    // The flags of the caller's own build are not those of an image.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    let target = root.join("target");
    cargo.env("CARGO_TARGET_DIR", &target);
    eprintln!("images: building for {arch}");
    let status = cargo.status().map_err(|error| BuildError::Io("cargo".into(), error))?;
    if !status.success() {
        return Err(BuildError::Refused(arch));
    }
    let folder = target.join(arch.triple()).join("release");
    let programs: Vec<_> = PROGRAMS.iter().map(|name| folder.join(name)).collect();
    let archive = folder.join("boot.tar");
    pack(&programs, &archive)?;
    Ok(Image { arch, kernel: folder.join("coldframe"), programs, archive })
}

/// Packs the programs, the same bytes for the same programs.
fn pack(programs: &[PathBuf], archive: &Path) -> Result<(), BuildError> {
    let failed = |error| BuildError::Io(archive.to_owned(), error);
    // Several commands may pack at once: each writes its own file, and the last one to be ready stays.
    let draft = archive.with_extension(format!("tar.{}", std::process::id()));
    let file = std::fs::File::create(&draft).map_err(failed)?;
    let mut builder = tar::Builder::new(file);
    for program in programs {
        let bytes = std::fs::read(program).map_err(|error| BuildError::Io(program.clone(), error))?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(0);
        let name = program.file_name().unwrap_or_default();
        builder.append_data(&mut header, name, bytes.as_slice()).map_err(failed)?;
    }
    builder.finish().map_err(failed)?;
    std::fs::rename(&draft, archive).map_err(failed)
}
