//! The door to user memory: checked once, copied once, by software walk and never through the user's mapping.

use coldframe_abi::{UserAddress, UserRange};
use coldframe_hal::paging::{Entry, Format, Rights, span};
use coldframe_hal::{FRAME_BYTES, PhysicalAddress, PhysicalMemory};

use crate::{AddressSpace, SpaceError};

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
    /// # Errors
    /// `NotMapped` if a page is not there, `Busy` if one is on its way; `into` is in an undefined state then.
    pub fn read<F: Format>(
        self,
        space: &AddressSpace<F>,
        memory: &impl PhysicalMemory,
        into: &mut [u8],
    ) -> Result<(), SpaceError> {
        let into = &mut into[..self.length as usize];
        let mut done = 0;
        while done < into.len() {
            let address = UserAddress(self.start + done as u64);
            let in_page = (FRAME_BYTES - address.0 % FRAME_BYTES) as usize;
            let part = in_page.min(into.len() - done);
            let bytes = &mut into[done..done + part];
            match space.query(memory, address) {
                Some((Entry::Page(leaf), level)) => {
                    let offset = address.0 & (span(level) - 1);
                    copy_out(memory, PhysicalAddress(leaf.frame.start().0 + offset), bytes);
                }
                // Nobody has touched it: it is all zero.
                Some((Entry::Lazy(rights), _)) if rights != Rights::None => bytes.fill(0),
                Some((Entry::Leaving(_), _)) => return Err(SpaceError::Busy(address)),
                _ => return Err(SpaceError::NotMapped(address)),
            }
            done += part;
        }
        Ok(())
    }
}

impl<F: Format> AddressSpace<F> {
    /// The word at an address that the program may read, read in one go.
    ///
    /// Precondition: the address is a multiple of eight.
    ///
    /// # Errors
    /// `NotMapped` if the page is not there, `Busy` if it is on its way.
    pub fn word_at(&self, memory: &impl PhysicalMemory, address: UserAddress) -> Result<u64, SpaceError> {
        match self.query(memory, address) {
            Some((Entry::Page(leaf), level)) => {
                let offset = address.0 & (span(level) - 1);
                Ok(memory.read_word(PhysicalAddress(leaf.frame.start().0 + offset)))
            }
            Some((Entry::Lazy(rights), _)) if rights != Rights::None => Ok(0),
            Some((Entry::Leaving(_), _)) => Err(SpaceError::Busy(address)),
            _ => Err(SpaceError::NotMapped(address)),
        }
    }
}

fn copy_out(memory: &impl PhysicalMemory, from: PhysicalAddress, into: &mut [u8]) {
    for (offset, byte) in into.iter_mut().enumerate() {
        let address = from.0 + offset as u64;
        let word = memory.read_word(PhysicalAddress(address & !7));
        *byte = word.to_le_bytes()[(address & 7) as usize];
    }
}
