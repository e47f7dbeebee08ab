//! Checks of a built image, by its ELF files.

use std::fmt;
use std::path::Path;

use goblin::elf::program_header::{PF_W, PF_X, PT_LOAD, PT_NOTE};
use goblin::elf::{Elf, header, sym};

use crate::build::Image;
use crate::target::Arch;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no ELF file.
    NotElf(String),
    /// It is for another machine.
    WrongMachine,
    /// It is not linked to fixed addresses.
    NotFixed,
    /// A segment is writable and executable.
    WritableCode(u64),
    /// A symbol is not defined.
    Undefined(String),
    /// The code does not start where the loader goes.
    Entry {
        /// Where the loader goes.
        wanted: u64,
        /// Where the code is.
        found: u64,
    },
    /// There is no PVH note.
    NoNote,
    /// A program has a segment in the kernel's half.
    KernelHalf(u64),
    /// It is larger than its budget.
    TooLarge {
        /// How large it is in memory.
        bytes: u64,
        /// How large it may be.
        budget: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf(why) => write!(f, "no ELF file: {why}"),
            Self::WrongMachine => write!(f, "for another machine"),
            Self::NotFixed => write!(f, "not linked to fixed addresses: is relocation-model=static missing?"),
            Self::WritableCode(at) => write!(f, "the segment at {at:#x} is writable and executable"),
            Self::Undefined(name) => write!(f, "the symbol {name} is not defined"),
            Self::Entry { wanted, found } => {
                write!(f, "the loader goes to {wanted:#x}, the code starts at {found:#x}")
            }
            Self::NoNote => write!(f, "no PVH note: qemu -kernel would not start it"),
            Self::KernelHalf(at) => write!(f, "the segment at {at:#x} lies in the kernel's half"),
            Self::TooLarge { bytes, budget } => write!(f, "{bytes} bytes in memory, the budget is {budget}"),
        }
    }
}

/// What a kernel and a program may take in memory.
const KERNEL_BUDGET: u64 = 8 << 20;
const PROGRAM_BUDGET: u64 = 2 << 20;

/// Checks all files of an image; the faults by file.
#[must_use]
pub fn check(image: &Image) -> Vec<(String, Fault)> {
    let mut faults = Vec::new();
    let mut note = |path: &Path, found: Vec<Fault>| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        faults.extend(found.into_iter().map(|fault| (name.clone(), fault)));
    };
    note(&image.kernel, read(&image.kernel, |bytes| kernel(image.arch, bytes)));
    for program in &image.programs {
        note(program, read(program, |bytes| self::program(image.arch, bytes)));
    }
    faults
}

fn read(path: &Path, judge: impl FnOnce(&[u8]) -> Vec<Fault>) -> Vec<Fault> {
    match std::fs::read(path) {
        Ok(bytes) => judge(&bytes),
        Err(error) => vec![Fault::NotElf(error.to_string())],
    }
}

/// What is wrong with a kernel.
#[must_use]
pub fn kernel(arch: Arch, bytes: &[u8]) -> Vec<Fault> {
    let elf = match Elf::parse(bytes) {
        Ok(elf) => elf,
        Err(error) => return vec![Fault::NotElf(error.to_string())],
    };
    let mut faults = common(arch, &elf, KERNEL_BUDGET);
    match arch {
        Arch::Riscv64 => {
            // OpenSBI jumps to 0x80200000, where QEMU puts the lowest segment; the entry field does not count.
            let lowest = elf.program_headers.iter().filter(|h| h.p_type == PT_LOAD).map(|h| h.p_paddr).min();
            let found = lowest.unwrap_or(0);
            if found != 0x8020_0000 {
                faults.push(Fault::Entry { wanted: 0x8020_0000, found });
            }
            let start = elf.syms.iter().find(|symbol| elf.strtab.get_at(symbol.st_name) == Some("_start"));
            let first = elf.program_headers.iter().filter(|h| h.p_type == PT_LOAD).map(|h| h.p_vaddr).min();
            if let (Some(start), Some(first)) = (start, first)
                && start.st_value != first
            {
                faults.push(Fault::Entry { wanted: first, found: start.st_value });
            }
        }
        Arch::X86_64 => faults.extend(pvh_note(&elf, bytes)),
    }
    faults
}

/// The PVH note has to lead to the first instruction (type 18, owner "Xen", a 32-bit address).
fn pvh_note(elf: &Elf<'_>, bytes: &[u8]) -> Option<Fault> {
    let notes = elf.program_headers.iter().filter(|header| header.p_type == PT_NOTE);
    for header in notes {
        let Some(note) = bytes.get(header.file_range()) else { continue };
        let words = [4_u32, 4, 18].map(u32::to_le_bytes).concat();
        if note.starts_with(&words) && note.get(12..16) == Some(b"Xen\0") {
            let address =
                note.get(16..20).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes);
            let (wanted, found) = (u64::from(address), elf.entry);
            let loaded = elf.program_headers.iter().any(|h| {
                h.p_type == PT_LOAD
                    && h.p_flags & PF_X != 0
                    && (h.p_paddr..h.p_paddr + h.p_filesz).contains(&wanted)
            });
            return (!loaded || wanted != found).then_some(Fault::Entry { wanted, found });
        }
    }
    Some(Fault::NoNote)
}

/// What is wrong with a program.
#[must_use]
pub fn program(arch: Arch, bytes: &[u8]) -> Vec<Fault> {
    let elf = match Elf::parse(bytes) {
        Ok(elf) => elf,
        Err(error) => return vec![Fault::NotElf(error.to_string())],
    };
    let mut faults = common(arch, &elf, PROGRAM_BUDGET);
    // The smallest user half of the formats that the architecture boots with.
    let user_end = match arch {
        Arch::Riscv64 => 1 << 38,
        Arch::X86_64 => 1 << 47,
    };
    let high = elf.program_headers.iter().filter(|h| h.p_type == PT_LOAD && h.p_vaddr + h.p_memsz > user_end);
    faults.extend(high.map(|h| Fault::KernelHalf(h.p_vaddr)));
    faults
}

fn common(arch: Arch, elf: &Elf<'_>, budget: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    let machine = match arch {
        Arch::Riscv64 => header::EM_RISCV,
        Arch::X86_64 => header::EM_X86_64,
    };
    if elf.header.e_machine != machine || !elf.is_64 {
        faults.push(Fault::WrongMachine);
    }
    if elf.header.e_type != header::ET_EXEC {
        faults.push(Fault::NotFixed);
    }
    let loads = || elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD);
    let both = PF_W | PF_X;
    faults.extend(loads().filter(|h| h.p_flags & both == both).map(|h| Fault::WritableCode(h.p_vaddr)));
    let undefined = elf
        .syms
        .iter()
        .filter(|symbol| symbol.st_shndx == 0 && symbol.st_name != 0 && symbol.st_bind() == sym::STB_GLOBAL);
    let names = undefined.map(|symbol| elf.strtab.get_at(symbol.st_name).unwrap_or("?").to_owned());
    faults.extend(names.map(Fault::Undefined));
    let bytes = loads().map(|header| header.p_memsz).sum();
    if bytes > budget {
        faults.push(Fault::TooLarge { bytes, budget });
    }
    faults
}
