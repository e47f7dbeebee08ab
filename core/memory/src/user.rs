//! The door to user memory: checked once, copied once, by software walk and never through the user's mapping.

use coldframe_abi::{UserAddress, UserRange};
use coldframe_hal::paging::Format;
use coldframe_hal::{FRAME_BYTES, PhysicalAddress, PhysicalMemory};

use crate::AddressSpace;

/// A range that lies wholly in the user half and does not wrap. Whether it is mapped shows when it is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSlice {
    start: u64,
    length: u64,
}

impl UserSlice {
    /// Checks what a program named.
    #[must_use]
    pub fn check<F: Format>(range: UserRange) -> Option<Self> {
        let end = range.start.0.checked_add(range.length)?;
        (end <= F::USER_END).then_some(Self { start: range.start.0, length: range.length })
    }

    /// How many bytes.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }

    /// Its first bytes, at most so many.
    #[must_use]
    pub fn shortened(self, most: u64) -> Self {
        Self { start: self.start, length: self.length.min(most) }
    }

    /// Copies bytes that the program may read into `into`, as many as there are in the slice.
    ///
    /// Returns `None`, with `into` in an undefined state, if a page is not there.
    #[must_use]
    pub fn read<F: Format>(
        self,
        space: &AddressSpace<F>,
        memory: &impl PhysicalMemory,
        into: &mut [u8],
    ) -> Option<()> {
        let into = &mut into[..self.length as usize];
        let mut done = 0;
        while done < into.len() {
            let address = self.start + done as u64;
            let (physical, _) = space.translate(memory, UserAddress(address))?;
            let in_page = (FRAME_BYTES - address % FRAME_BYTES) as usize;
            let part = in_page.min(into.len() - done);
            copy_out(memory, physical, &mut into[done..done + part]);
            done += part;
        }
        Some(())
    }
}

fn copy_out(memory: &impl PhysicalMemory, from: PhysicalAddress, into: &mut [u8]) {
    for (offset, byte) in into.iter_mut().enumerate() {
        let address = from.0 + offset as u64;
        let word = memory.read_word(PhysicalAddress(address & !7));
        *byte = word.to_le_bytes()[(address & 7) as usize];
    }
}
