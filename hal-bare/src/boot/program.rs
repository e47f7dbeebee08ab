//! A program as an ELF file: what has to be mapped, checked before anything is.

use coldframe_abi::UserAddress;
use coldframe_hal::paging::Rights;
use coldframe_kernel::Segment;
use elf::ElfBytes;
use elf::abi::{EM_RISCV, EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;

/// Why a file is no program for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// It is no 64-bit little-endian ELF file, or a damaged one.
    NotAnElf,
    /// It is for another machine, or not linked to fixed addresses.
    WrongKind,
    /// A part of it would be writable and executable.
    WritableCode,
    /// A part of it reaches out of the file or the address space.
    BadSegment,
}

/// A program.
#[derive(Debug)]
pub struct Program<'a> {
    file: ElfBytes<'a, LittleEndian>,
    bytes: &'a [u8],
}

impl<'a> Program<'a> {
    /// Makes sense of a file.
    ///
    /// # Errors
    /// If it is no program for a machine of this kind.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ProgramError> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| ProgramError::NotAnElf)?;
        let header = &file.ehdr;
        let machine = if cfg!(target_arch = "riscv64") { EM_RISCV } else { EM_X86_64 };
        if header.e_type != ET_EXEC || header.e_machine != machine {
            return Err(ProgramError::WrongKind);
        }
        Ok(Self { file, bytes })
    }

    /// Where it starts.
    #[must_use]
    pub fn entry(&self) -> UserAddress {
        UserAddress(self.file.ehdr.e_entry)
    }

    /// Its parts, in the order of the file.
    pub fn segments(&self) -> impl Iterator<Item = Result<Segment<'a>, ProgramError>> {
        let headers = self.file.segments();
        let count = headers.as_ref().map_or(0, |headers| headers.len());
        let bytes = self.bytes;
        (0..count).filter_map(move |index| {
            let header = headers.as_ref().and_then(|headers| headers.get(index).ok());
            let Some(header) = header else { return Some(Err(ProgramError::NotAnElf)) };
            if header.p_type != PT_LOAD || header.p_memsz == 0 {
                return None;
            }
            let rights = match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
                (true, true) => return Some(Err(ProgramError::WritableCode)),
                (true, false) => Rights::ReadWrite,
                (false, true) => Rights::ReadExecute,
                (false, false) => Rights::Read,
            };
            let end = header.p_offset.checked_add(header.p_filesz);
            let content = end.and_then(|end| bytes.get(header.p_offset as usize..end as usize));
            let fits =
                header.p_filesz <= header.p_memsz && header.p_vaddr.checked_add(header.p_memsz).is_some();
            match content {
                Some(bytes) if fits => Some(Ok(Segment {
                    start: UserAddress(header.p_vaddr),
                    bytes,
                    length: header.p_memsz,
                    rights,
                })),
                _ => Some(Err(ProgramError::BadSegment)),
            }
        })
    }
}
