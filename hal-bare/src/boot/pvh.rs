//! What a PVH loader hands over (Xen, `start_info.h`).

use super::Bytes;

const MAGIC: u32 = 0x336e_c578;

/// How long the part of the start info is that is read.
pub const INFO_LENGTH: usize = 56;

/// How long one entry of the memory map is, and one of the module list.
pub const MEMORY_ENTRY_LENGTH: usize = 24;
/// How long one entry of the module list is.
pub const MODULE_ENTRY_LENGTH: usize = 32;

/// The start info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// How many modules there are.
    pub modules: u32,
    /// Where their list is.
    pub module_list: u64,
    /// Where the ACPI root pointer is.
    pub rsdp: u64,
    /// Where the memory map is.
    pub memory_map: u64,
    /// How many entries it has.
    pub memory_entries: u32,
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl StartInfo {
    /// Reads the start info; `None` if it is none, or one without a memory map.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let version = half(bytes, 4)?;
        if half(bytes, 0)? != MAGIC || version < 1 {
            return None;
        }
        Some(Self {
            modules: half(bytes, 12)?,
            module_list: word(bytes, 16)?,
            rsdp: word(bytes, 32)?,
            memory_map: word(bytes, 40)?,
            memory_entries: half(bytes, 48)?,
        })
    }
}

/// A range of the memory map, if it is RAM.
#[must_use]
pub fn ram(entry: &[u8]) -> Option<Bytes> {
    const RAM: u32 = 1;
    let range = Bytes { start: word(entry, 0)?, length: word(entry, 8)? };
    (half(entry, 16)? == RAM).then_some(range)
}

/// A range of the memory map that is memory of any kind: RAM, or RAM with something of the firmware in it.
#[must_use]
pub fn memory(entry: &[u8]) -> Option<Bytes> {
    const RESERVED: u32 = 2;
    let range = Bytes { start: word(entry, 0)?, length: word(entry, 8)? };
    (half(entry, 16)? != RESERVED).then_some(range)
}

/// Where a module is.
#[must_use]
pub fn module(entry: &[u8]) -> Option<Bytes> {
    Some(Bytes { start: word(entry, 0)?, length: word(entry, 8)? })
}
