//! What firmware hands over, read by pure functions over bytes: nothing in here touches hardware.

pub mod acpi;
mod archive;
pub mod device_tree;
mod firmware;
mod program;
pub mod pvh;
mod time;

pub use archive::{ArchiveError, programs};
pub use firmware::FirmwareTexts;
pub use program::{Program, ProgramError};
pub use time::{BadFrequency, TickRate};

use coldframe_hal::{FrameRun, MAX_CPUS};
use coldframe_memory::{MapFull, MemoryMap};

/// A range of physical bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The first one.
    pub start: u64,
    /// How many.
    pub length: u64,
}

/// The CPUs of a machine, as its interrupt hardware calls them; the first one is the one that booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList {
    ids: [u32; MAX_CPUS],
    count: usize,
}

impl Default for CpuList {
    fn default() -> Self {
        Self { ids: [0; MAX_CPUS], count: 0 }
    }
}

impl CpuList {
    /// Their hardware ids.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids[..self.count]
    }

    /// Adds one; those beyond what the kernel can serve are left out.
    pub fn push(&mut self, id: u32) {
        if self.count < MAX_CPUS && !self.ids().contains(&id) {
            self.ids[self.count] = id;
            self.count += 1;
        }
    }

    /// Makes the one that booted the first; one that firmware did not list is added.
    pub fn put_first(&mut self, id: u32) {
        self.push(id);
        if let Some(at) = self.ids().iter().position(|other| *other == id) {
            self.ids.swap(0, at);
        }
    }
}

/// The frames that no driver may reach: RAM, and what the kernel itself drives.
///
/// # Errors
/// If there are more separate pieces than the map can hold.
pub fn kept_frames(ranges: impl IntoIterator<Item = Bytes>) -> Result<MemoryMap, MapFull> {
    let mut map = MemoryMap::default();
    for bytes in ranges {
        map.add(FrameRun::around(bytes.start, bytes.length))?;
    }
    Ok(map)
}

/// RAM without what is in use: what the frame allocator may have.
///
/// # Errors
/// If there are more separate pieces than the map can hold.
pub fn usable_ram(
    ram: impl IntoIterator<Item = Bytes>,
    used: impl IntoIterator<Item = Bytes>,
) -> Result<MemoryMap, MapFull> {
    let mut map = MemoryMap::default();
    for bytes in ram {
        map.add(FrameRun::inside(bytes.start, bytes.length))?;
    }
    for bytes in used {
        map.remove(FrameRun::around(bytes.start, bytes.length))?;
    }
    Ok(map)
}
