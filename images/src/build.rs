//! Builds kernel and programs, with whatever compiler can, and packs the archive.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::compiler::{DEBIAN_PACKAGES, ready_compiler};
use crate::target::{Arch, workspace};

/// The programs of an image, in the order in which they start.
pub const PROGRAMS: &[&str] = &["crash", "conformance"];

/// The program that measures; it is booted alone.
pub const MEASURE: &str = "measure";

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
                "no compiler here can build for {0}; to make one ready: rustup target add {0} (without rustup: \
                 {DEBIAN_PACKAGES})",
                arch.triple()
            ),
            Self::Refused(arch) => write!(f, "the build for {arch} failed; the compiler's words are above"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for BuildError {}

/// Builds an image. `offline` forbids to fetch anything.
///
/// # Errors
/// Why there is none, and what to do.
pub fn build(arch: Arch, offline: bool) -> Result<Image, BuildError> {
    build_programs(arch, offline, PROGRAMS)
}

/// Builds an image with these programs.
///
/// # Errors
/// Why there is none, and what to do.
pub fn build_programs(arch: Arch, offline: bool, names: &[&str]) -> Result<Image, BuildError> {
    let compiler = ready_compiler(arch, offline).ok_or(BuildError::NoCompiler(arch))?;
    let root = workspace();
    let mut cargo = compiler.cargo(arch);
    cargo.current_dir(&root).args(["-p", "coldframe-bare"]);
    for program in names {
        cargo.arg("-p").arg(format!("coldframe-{program}"));
    }
    if offline {
        cargo.arg("--offline");
    }
    // The flags of the caller's own build are not those of an image.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    let target = root.join("target");
    cargo.env("CARGO_TARGET_DIR", &target).envs(optimisation(arch));
    eprintln!("images: building for {arch} with {compiler}");
    let status = cargo.status().map_err(|error| BuildError::Io("cargo".into(), error))?;
    if !status.success() {
        return Err(BuildError::Refused(arch));
    }
    let folder = target.join(arch.triple()).join("release");
    let programs: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let archive = folder.join(if names == PROGRAMS { "boot.tar" } else { "measure.tar" });
    pack(&programs, &archive)?;
    Ok(Image { arch, kernel: folder.join("coldframe"), programs, archive })
}

/// How far the compiler looks across crates: what takes the fewest instructions (`images measure`). All at once saves 5 to 8 %
/// on x86_64; on RISC-V the calls that map memory would take 4 % more.
const fn optimisation(arch: Arch) -> [(&'static str, &'static str); 2] {
    let (lto, units) = match arch {
        Arch::X86_64 => ("fat", "1"),
        Arch::Riscv64 => ("thin", "16"),
    };
    [("CARGO_PROFILE_RELEASE_LTO", lto), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", units)]
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
