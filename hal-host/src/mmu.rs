//! The MMU: a walker that shares no code with the kernel's, and a TLB that keeps what nobody flushed.

use std::collections::BTreeMap;

use coldframe_hal::paging::{FiveLevel, Format, FourLevel, Sv39, Sv48, Sv57};
use coldframe_hal::{Frame, PhysicalAddress};

use crate::Ram;

/// What a program does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It reads.
    Load,
    /// It writes.
    Store,
    /// It fetches instructions.
    Fetch,
}

/// The MMU refused an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccessFault {
    /// Where.
    pub address: u64,
    /// What was tried.
    pub access: Access,
}

/// A page as the hardware sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    frame: u64,
    write: bool,
    execute: bool,
}

impl Page {
    fn allows(self, access: Access) -> bool {
        match access {
            Access::Load => true,
            Access::Store => self.write,
            Access::Fetch => self.execute,
        }
    }

    pub(crate) const fn place_of(self, address: u64) -> PhysicalAddress {
        PhysicalAddress(self.frame * 4096 + address % 4096)
    }
}

/// How hardware reads a format: written down from the manuals once more, so that it can judge the kernel.
pub trait HardwareFormat: Format {
    /// How many levels the hardware walks.
    const DEPTH: u32;

    /// Reads one entry: nothing, the next table, or a user page.
    #[doc(hidden)]
    fn decode(entry: u64, at_leaf: bool) -> Decoded;
}

/// What the hardware makes of an entry.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    Nothing,
    Table(u64),
    Page { frame: u64, write: bool, execute: bool },
}

fn decode_riscv(entry: u64) -> Decoded {
    let [valid, read, write, execute, user] = [0, 1, 2, 3, 4].map(|bit| entry & 1 << bit != 0);
    let frame = entry << 10 >> 20;
    match (valid, read, write, execute) {
        (false, ..) | (true, false, true, _) => Decoded::Nothing,
        (true, false, false, false) => Decoded::Table(frame),
        _ if !user => Decoded::Nothing,
        _ => Decoded::Page { frame, write, execute },
    }
}

fn decode_x86(entry: u64, at_leaf: bool) -> Decoded {
    let [present, write, user] = [0, 1, 2].map(|bit| entry & 1 << bit != 0);
    let frame = (entry & 0x000f_ffff_ffff_f000) >> 12;
    if !present || !user {
        return Decoded::Nothing;
    }
    if at_leaf || entry & 1 << 7 != 0 {
        return Decoded::Page { frame, write, execute: entry >> 63 == 0 };
    }
    Decoded::Table(frame)
}

macro_rules! hardware {
    ($($format:ident: $depth:literal, |$entry:ident, $leaf:ident| $decode:expr;)+) => {
        $(impl HardwareFormat for $format {
            const DEPTH: u32 = $depth;
            fn decode($entry: u64, $leaf: bool) -> Decoded {
                $decode
            }
        })+
    };
}

hardware! {
    Sv39: 3, |entry, _leaf| decode_riscv(entry);
    Sv48: 4, |entry, _leaf| decode_riscv(entry);
    Sv57: 5, |entry, _leaf| decode_riscv(entry);
    FourLevel: 4, |entry, leaf| decode_x86(entry, leaf);
    FiveLevel: 5, |entry, leaf| decode_x86(entry, leaf);
}

/// Walks a table as hardware would.
pub(crate) fn walk<F: HardwareFormat>(ram: &Ram, root: Frame, address: u64) -> Option<Page> {
    let mut table = root.0;
    for level in (0..F::DEPTH).rev() {
        let shift = 12 + 9 * level;
        let slot = table * 4096 + (address >> shift) % 512 * 8;
        match F::decode(ram.read(PhysicalAddress(slot)), level == 0) {
            Decoded::Nothing => return None,
            Decoded::Table(next) => table = next,
            Decoded::Page { frame, write, execute } => {
                let inside = (address >> 12) & ((1 << (shift - 12)) - 1);
                return Some(Page { frame: frame + inside, write, execute });
            }
        }
    }
    None
}

/// The translations that one CPU remembers, whether they are still true or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tlb {
    pages: BTreeMap<u64, Page>,
}

impl Tlb {
    pub(crate) fn flush(&mut self) {
        self.pages.clear();
    }

    pub(crate) fn translate<F: HardwareFormat>(
        &mut self,
        ram: &Ram,
        root: Option<Frame>,
        address: u64,
        access: Access,
    ) -> Result<PhysicalAddress, AccessFault> {
        let fault = AccessFault { address, access };
        let user_bits = 12 + 9 * F::DEPTH - 1;
        if address >> user_bits != 0 {
            return Err(fault);
        }
        let number = address >> 12;
        let page = match self.pages.get(&number) {
            Some(page) => *page,
            None => {
                let page = walk::<F>(ram, root.ok_or(fault)?, address).ok_or(fault)?;
                self.pages.insert(number, page);
                page
            }
        };
        if page.allows(access) { Ok(page.place_of(address)) } else { Err(fault) }
    }
}
