//! The MMU: a walker that shares no code with the kernel's, and a TLB that keeps what nobody flushed.

use std::collections::BTreeMap;

use coldframe_hal::paging::{FiveLevel, Format, FourLevel, Sv39, Sv48, Sv57};
use coldframe_hal::{Access, Forget, Frame, PhysicalAddress, Stale, Tag};

use crate::Ram;

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
    pub(crate) frame: u64,
    pub(crate) write: bool,
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

    /// The lower of the two bits that hardware leaves to software.
    const SOFTWARE: u32;

    /// The bits of the frame that an entry without a page has upside down.
    const FLIPPED: u64;

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
    ($($format:ident: $depth:literal, $software:literal, $flipped:literal, |$entry:ident, $leaf:ident| $decode:expr;)+) => {
        $(impl HardwareFormat for $format {
            const DEPTH: u32 = $depth;
            const SOFTWARE: u32 = $software;
            const FLIPPED: u64 = $flipped;
            fn decode($entry: u64, $leaf: bool) -> Decoded {
                $decode
            }
        })+
    };
}

hardware! {
    Sv39: 3, 8, 0, |entry, _leaf| decode_riscv(entry);
    Sv48: 4, 8, 0, |entry, _leaf| decode_riscv(entry);
    Sv57: 5, 8, 0, |entry, _leaf| decode_riscv(entry);
    FourLevel: 4, 9, 0x000f_ffff_ffff_f000, |entry, leaf| decode_x86(entry, leaf);
    FiveLevel: 5, 9, 0x000f_ffff_ffff_f000, |entry, leaf| decode_x86(entry, leaf);
}

/// Walks a table as hardware would, from a table on that is known to stand at a level.
fn walk_from<F: HardwareFormat>(
    ram: &Ram,
    mut table: u64,
    from: u32,
    address: u64,
    mut seen: impl FnMut(u32, u64),
) -> Option<Page> {
    for level in (0..from).rev() {
        let shift = 12 + 9 * level;
        let slot = table * 4096 + (address >> shift) % 512 * 8;
        match F::decode(ram.read(PhysicalAddress(slot)), level == 0) {
            Decoded::Nothing => return None,
            Decoded::Table(next) => {
                table = next;
                seen(level, table);
            }
            Decoded::Page { frame, write, execute } => {
                let inside = (address >> 12) & ((1 << (shift - 12)) - 1);
                return Some(Page { frame: frame + inside, write, execute });
            }
        }
    }
    None
}

/// Walks a table as hardware would.
pub(crate) fn walk<F: HardwareFormat>(ram: &Ram, root: Frame, address: u64) -> Option<Page> {
    walk_from::<F>(ram, root.0, F::DEPTH, address, |_, _| {})
}

/// Whether the first touch of an address would bring a page of zeroes that a program may read.
pub(crate) fn is_lazy<F: HardwareFormat>(ram: &Ram, root: Frame, address: u64) -> bool {
    const LAZY: u64 = 1;
    let mut table = root.0;
    for level in (0..F::DEPTH).rev() {
        let entry = ram.read(PhysicalAddress(table * 4096 + (address >> (12 + 9 * level)) % 512 * 8));
        match F::decode(entry, level == 0) {
            Decoded::Table(next) => table = next,
            Decoded::Page { .. } => return false,
            Decoded::Nothing => return entry & 1 == 0 && entry >> 1 & 7 == LAZY && entry >> 4 & 3 != 0,
        }
    }
    false
}

/// What one CPU remembers, whether it is still true or not: pages, and the tables that led to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tlb {
    pages: BTreeMap<(Tag, u64), Page>,
    /// By tag, level and what of the address leads there.
    tables: BTreeMap<(Tag, u32, u64), u64>,
}

impl Tlb {
    pub(crate) fn forget_all(&mut self) {
        self.pages.clear();
        self.tables.clear();
    }

    /// As RISC-V words it: who names an address forgets its page, and not the tables that led there.
    pub(crate) fn forget(&mut self, stale: Stale) {
        let tag = stale.tag;
        match stale.what {
            Forget::Everything => {
                self.pages.retain(|(other, _), _| *other != tag);
                self.tables.retain(|(other, ..), _| *other != tag);
            }
            Forget::Pages { start, pages } => {
                let first = start >> 12;
                let gone: Vec<_> =
                    self.pages.range((tag, first)..(tag, first + pages)).map(|(key, _)| *key).collect();
                for key in gone {
                    self.pages.remove(&key);
                }
            }
        }
    }

    pub(crate) fn translate<F: HardwareFormat>(
        &mut self,
        ram: &Ram,
        (root, tag): (Option<Frame>, Tag),
        address: u64,
        access: Access,
    ) -> Result<PhysicalAddress, AccessFault> {
        let fault = AccessFault { address, access };
        let user_bits = 12 + 9 * F::DEPTH - 1;
        if address >> user_bits != 0 {
            return Err(fault);
        }
        let number = address >> 12;
        let page = match self.pages.get(&(tag, number)) {
            Some(page) => *page,
            None => {
                let page = self.walk::<F>(ram, root.ok_or(fault)?, tag, address).ok_or(fault)?;
                self.pages.insert((tag, number), page);
                page
            }
        };
        if page.allows(access) { Ok(page.place_of(address)) } else { Err(fault) }
    }

    /// Starts at the lowest table that is remembered for the address.
    fn walk<F: HardwareFormat>(&mut self, ram: &Ram, root: Frame, tag: Tag, address: u64) -> Option<Page> {
        let key = |level: u32| (tag, level, address >> (12 + 9 * (level + 1)));
        let known =
            (0..F::DEPTH - 1).find_map(|level| self.tables.get(&key(level)).map(|table| (level, *table)));
        let (from, table) = known.map_or((F::DEPTH, root.0), |(level, table)| (level + 1, table));
        let tables = &mut self.tables;
        walk_from::<F>(ram, table, from, address, |level, table| {
            tables.insert((tag, level - 1, address >> (12 + 9 * level)), table);
        })
    }

    /// The pages that are remembered under a tag: number of the page, frame, whether it may be written.
    pub(crate) fn remembered(&self, tag: Tag) -> impl Iterator<Item = (u64, u64, bool)> {
        let pages = self.pages.range((tag, 0)..=(tag, u64::MAX));
        pages.map(|((_, number), page)| (*number, page.frame, page.write))
    }
}

/// What an entry holds on to although hardware finds nothing there: the frame of a page that is closed or leaving.
/// Written down from the layout once more, so that it can judge the kernel.
fn held<F: HardwareFormat>(entry: u64) -> Option<u64> {
    const CLOSED: u64 = 3;
    const LEAVING: u64 = 4;
    let field = (entry ^ F::FLIPPED) << 8 >> 20;
    (entry & 1 == 0 && matches!(entry >> 1 & 7, CLOSED | LEAVING)).then_some(field)
}

/// A page that an entry holds, valid or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The address.
    pub address: u64,
    /// The first frame.
    pub frame: u64,
    /// How many frames.
    pub count: u64,
    /// The software bits: 0 owned, 1 and 2 shared, 3 somebody else's.
    pub state: u64,
    /// Whether hardware lets a program write there.
    pub write: bool,
    /// Whether hardware lets a program fetch there.
    pub execute: bool,
}

/// All that hangs below a root, as somebody finds it who has no part in the kernel.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The tables, the root included.
    pub tables: Vec<u64>,
    /// The pages, by address.
    pub pages: Vec<Holding>,
}

impl Survey {
    /// Walks everything in the user half.
    #[must_use]
    pub fn of<F: HardwareFormat>(ram: &Ram, root: Frame) -> Self {
        let mut survey = Self::default();
        survey.again::<F>(ram, root);
        survey
    }

    /// Walks everything in the user half, in the room of an earlier walk.
    pub fn again<F: HardwareFormat>(&mut self, ram: &Ram, root: Frame) {
        self.tables.clear();
        self.pages.clear();
        self.add::<F>(ram, root);
    }

    /// Walks everything below another root as well.
    pub fn add<F: HardwareFormat>(&mut self, ram: &Ram, root: Frame) {
        self.table::<F>(ram, root.0, F::DEPTH - 1, 0);
    }

    fn table<F: HardwareFormat>(&mut self, ram: &Ram, table: u64, level: u32, base: u64) {
        self.tables.push(table);
        if !ram.is_written(Frame(table)) {
            return;
        }
        let user = if level == F::DEPTH - 1 { 256 } else { 512 };
        for index in 0..user {
            let entry = ram.read(PhysicalAddress(table * 4096 + index * 8));
            let address = base | index << (12 + 9 * level);
            let count = 1 << (9 * level);
            let page =
                |frame, state, write, execute| Holding { address, frame, count, state, write, execute };
            match F::decode(entry, level == 0) {
                Decoded::Table(next) => self.table::<F>(ram, next, level - 1, address),
                Decoded::Page { frame, write, execute } => {
                    self.pages.push(page(frame, entry >> F::SOFTWARE & 3, write, execute));
                }
                Decoded::Nothing => {
                    self.pages
                        .extend(held::<F>(entry).map(|frame| page(frame, entry >> 6 & 3, false, false)));
                }
            }
        }
    }
}
