//! The kernel's half of every address space: direct window, kernel image, windows of the kernel tables.

use core::arch::asm;
use core::cell::UnsafeCell;

use coldframe_hal::{FRAME_BYTES, FRAME_WORDS, Frame, Tag, paging};

use super::instructions::{cpuid, read_msr, write_msr};
use crate::window::WINDOWS;

/// Where physical address zero is in the kernel's half.
pub(crate) const DIRECT_WINDOW: u64 = 0xffff_8000_0000_0000;

/// From the physical address of the kernel image to its virtual one.
pub(super) const IMAGE_OFFSET: u64 = 0xffff_ffff_8000_0000;

const GIGABYTE: u64 = 1 << 30;
const MEGAPAGE: u64 = 2 << 20;
/// How many gigabytes the direct window shows with small and with large pages.
const DIRECT_GIGABYTES: usize = 16;
/// The last gigabyte below 4 GiB holds the registers of devices, and on no machine RAM.
const DEVICE_GIGABYTE: usize = 3;
const DIRECT: usize = 256;
const FIRST_WINDOW: usize = 320;
const IMAGE: usize = 511;
const IMAGE_UPPER: usize = 510;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const UNCACHED: u64 = 3 << 3;
const USED: u64 = 3 << 5;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;

/// A page table in the kernel image.
#[repr(C, align(4096))]
struct Table(UnsafeCell<[u64; FRAME_WORDS]>);

// SAFETY: the tables are written by the first CPU before the others start, and after that under the kernel lock.
unsafe impl Sync for Table {}

static ROOT: Table = Table::empty();
static DIRECT_UPPER: Table = Table::empty();
static DIRECT_LOWER: [Table; DIRECT_GIGABYTES] = [const { Table::empty() }; DIRECT_GIGABYTES];
static IMAGE_UPPER_TABLE: Table = Table::empty();
static IMAGE_LOWER_TABLE: Table = Table::empty();
static WINDOW_TABLES: [Table; WINDOWS] = [const { Table::empty() }; WINDOWS];

impl Table {
    const fn empty() -> Self {
        Self(UnsafeCell::new([0; FRAME_WORDS]))
    }

    fn frame(&'static self) -> Frame {
        Frame((self.0.get().addr() as u64 - IMAGE_OFFSET) / FRAME_BYTES)
    }

    fn set(&'static self, index: usize, entry: u64) {
        // SAFETY: only the first CPU writes here, before the others start (see `unsafe impl Sync`).
        unsafe { (*self.0.get())[index] = entry }
    }
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __image_end: u8;
}

/// The physical range of the kernel image.
pub(super) fn image() -> (u64, u64) {
    let start = (&raw const __image_start).addr() as u64 - IMAGE_OFFSET;
    let end = (&raw const __image_end).addr() as u64 - IMAGE_OFFSET;
    (start, end)
}

fn has_gigapages() -> bool {
    cpuid(0x8000_0001)[3] >> 26 & 1 == 1
}

/// Whether the CPU has PCID, and the instruction that forgets by it.
pub(super) fn has_tags() -> bool {
    let invpcid = cpuid(0)[0] >= 7 && cpuid(7)[1] >> 10 & 1 == 1;
    invpcid && cpuid(1)[2] >> 17 & 1 == 1
}

/// Behind the physical memory that the direct window shows.
pub(super) fn direct_end() -> u64 {
    let gigabytes = if has_gigapages() { FRAME_WORDS } else { DIRECT_GIGABYTES };
    gigabytes as u64 * GIGABYTE
}

/// Shows a gigabyte by pages of 2 MiB; the entry that leads to them.
fn split(table: &'static Table, gigabyte: u64) -> u64 {
    for page in 0..FRAME_WORDS {
        table.set(page, gigabyte | (page as u64 * MEGAPAGE));
    }
    kernel_table(table.frame())
}

/// Writes the final tables: code is not writable, data not executable.
pub(super) fn build() {
    let data_page = PRESENT | WRITABLE | USED | LARGE | GLOBAL | NO_EXECUTE;
    let large = has_gigapages();
    let gigabytes = if large { FRAME_WORDS } else { DIRECT_GIGABYTES };
    for gigabyte in 0..gigabytes {
        let cache = if gigabyte == DEVICE_GIGABYTE { UNCACHED } else { 0 };
        let page = (gigabyte as u64 * GIGABYTE) | data_page | cache;
        let entry = match DIRECT_LOWER.get(gigabyte) {
            Some(table) if !large => split(table, page),
            _ => page,
        };
        DIRECT_UPPER.set(gigabyte, entry);
    }
    let rodata = (&raw const __rodata_start).addr() as u64;
    let data = (&raw const __data_start).addr() as u64;
    let end = (&raw const __image_end).addr() as u64;
    let mut at = (&raw const __text_start).addr() as u64;
    while at < end {
        let rights = match at {
            at if at < rodata => 0,
            at if at < data => NO_EXECUTE,
            _ => NO_EXECUTE | WRITABLE,
        };
        let entry = (at - IMAGE_OFFSET) | PRESENT | USED | LARGE | GLOBAL | rights;
        IMAGE_LOWER_TABLE.set(paging::index(at, 1), entry);
        at += MEGAPAGE;
    }
    IMAGE_UPPER_TABLE.set(IMAGE_UPPER, kernel_table(IMAGE_LOWER_TABLE.frame()));
    ROOT.set(DIRECT, kernel_table(DIRECT_UPPER.frame()));
    ROOT.set(IMAGE, kernel_table(IMAGE_UPPER_TABLE.frame()));
    for (window, table) in WINDOW_TABLES.iter().enumerate() {
        ROOT.set(FIRST_WINDOW + window, kernel_table(table.frame()));
    }
}

/// Turns on what keeps kernel and user apart on this CPU: global pages, write protection, SMEP and SMAP.
pub(super) fn protect() {
    const PAGE_GLOBAL: u64 = 1 << 7;
    const FLOAT_SAVE: u64 = 3 << 9;
    const SMEP: u64 = 1 << 20;
    const SMAP: u64 = 1 << 21;
    const TAGS: u64 = 1 << 17;
    const EFER: u32 = 0xc000_0080;
    const SYSCALL_NO_EXECUTE: u64 = 1 | 1 << 11;
    let features = if cpuid(0)[0] >= 7 { cpuid(7)[1] } else { 0 };
    let mut set = PAGE_GLOBAL | FLOAT_SAVE;
    if features >> 7 & 1 == 1 {
        set |= SMEP;
    }
    if features >> 20 & 1 == 1 {
        set |= SMAP;
    }
    if has_tags() {
        set |= TAGS;
    }
    super::activate(kernel_root(), Tag::NONE);
    // SAFETY: the kernel runs from pages without user bit and never touches user memory through user mappings, so
    // none of these bits changes what it does itself.
    unsafe {
        write_msr(EFER, read_msr(EFER) | SYSCALL_NO_EXECUTE);
        asm!("mov {0}, cr4", "or {0}, {1}", "mov cr4, {0}", out(reg) _, in(reg) set, options(nostack));
        // Write protection on, floating point traps until a thread asks for it, no emulation, monitor coprocessor.
        asm!(
            "mov {0}, cr0", "or {0}, {1}", "and {0}, {2}", "mov cr0, {0}",
            out(reg) _, in(reg) 1_u64 << 16 | 1 << 3 | 1 << 1, in(reg) !(1_u64 << 2), options(nostack)
        );
    }
}

pub(crate) fn kernel_root() -> Frame {
    ROOT.frame()
}

pub(crate) fn kernel_table(frame: Frame) -> u64 {
    (frame.0 * FRAME_BYTES) | PRESENT | WRITABLE
}

pub(crate) fn kernel_page(frame: Frame) -> u64 {
    (frame.0 * FRAME_BYTES) | PRESENT | WRITABLE | USED | GLOBAL | NO_EXECUTE
}

pub(crate) fn frame_of_kernel_page(entry: u64) -> Frame {
    Frame((entry & 0x000f_ffff_ffff_f000) / FRAME_BYTES)
}

/// The entries of the kernel's half that are not empty: they never change after boot.
pub(crate) fn kernel_half() -> impl Iterator<Item = (usize, u64)> {
    let used = [DIRECT, IMAGE].into_iter().chain(FIRST_WINDOW..FIRST_WINDOW + WINDOWS);
    // SAFETY: nobody writes the top-level table after boot.
    used.map(|index| (index, unsafe { (*ROOT.0.get())[index] }))
}

/// Where the window of a kernel table starts.
pub(crate) fn window(number: usize) -> u64 {
    !0 << 47 | ((FIRST_WINDOW + number) as u64) << 39
}

/// A window has another page. x86_64 remembers no absent translations, so a new one needs no flush; one that is taken
/// away was used by this CPU last, under the lock, and is not used again before it is replaced and flushed here.
pub(crate) fn window_changed() {
    forget_all();
}

/// Forgets everything, under every tag.
pub(super) fn forget_all() {
    let root = super::instructions::read_cr3();
    // SAFETY: toggling global pages off and on forgets all translations and changes nothing else.
    unsafe {
        asm!("mov {0}, cr4", "mov {1}, {0}", "and {0}, {2}", "mov cr4, {0}", "mov cr4, {1}",
            out(reg) _, out(reg) _, in(reg) !(1_u64 << 7), options(nostack));
        asm!("mov cr3, {}", in(reg) root, options(nostack));
    }
}

/// Nothing to catch up with while windows only grow.
pub(crate) fn catch_up_with_windows(_: &mut u64) {}
