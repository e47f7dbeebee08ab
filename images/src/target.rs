//! The architectures, and how each is built and booted.

use std::fmt;
use std::path::PathBuf;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// RISC-V, 64 bits.
    Riscv64,
    /// x86_64.
    X86_64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Riscv64, Self::X86_64];

    /// What the command line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The compiler's target.
    #[must_use]
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64gc-unknown-none-elf",
            Self::X86_64 => "x86_64-unknown-none",
        }
    }

    /// The emulator.
    #[must_use]
    pub const fn emulator(self) -> &'static str {
        match self {
            Self::Riscv64 => "qemu-system-riscv64",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// The debugger that knows its instructions, as Debian calls it.
    #[must_use]
    pub fn debugger(self) -> &'static str {
        if self.name() == std::env::consts::ARCH { "gdb" } else { "gdb-multiarch" }
    }

    /// How to install the emulator on Debian.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Riscv64 => "qemu-system-misc opensbi",
            Self::X86_64 => "qemu-system-x86 seabios",
        }
    }

    /// The arguments that make the emulator this machine.
    #[must_use]
    pub const fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Riscv64 => &["-machine", "virt"],
            Self::X86_64 => {
                &[
                    "-machine",
                    "q35",
                    "-cpu",
                    "max",
                    "-device",
                    "isa-debug-exit,iobase=0xf4,iosize=4",
                    // Its alarm can ask by messages too.
                    "-global",
                    "hpet.msi=on",
                ]
            }
        }
    }

    /// How many CPUs the emulated machine can have at most.
    #[must_use]
    pub const fn most_cpus(self) -> u16 {
        match self {
            Self::Riscv64 => 512,
            Self::X86_64 => 255,
        }
    }

    /// What the emulator's exit code says about the machine's status.
    #[must_use]
    pub const fn status(self, code: i32) -> i32 {
        match self {
            Self::Riscv64 => code,
            // isa-debug-exit doubles what was written and adds one; 0x10 stands for zero.
            Self::X86_64 if code == 0x21 => 0,
            Self::X86_64 if code & 1 == 1 => code >> 1,
            Self::X86_64 => code,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let images = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    images.parent().map(PathBuf::from).unwrap_or(images)
}
