//! The kernel's half of every address space: direct window, kernel image, windows of the kernel tables.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use coldframe_hal::{FRAME_BYTES, FRAME_WORDS, Frame, Tag};

use crate::window::WINDOWS;

/// Where physical address zero is in the kernel's half.
pub(crate) const DIRECT_WINDOW: u64 = 0xffff_ffc0_0000_0000;

/// From the physical address of the kernel image to its virtual one.
pub(super) const IMAGE_OFFSET: u64 = 0xffff_ffff_0000_0000;

const GIGABYTE: u64 = 1 << 30;
/// How many gigabytes of physical addresses the direct window shows.
const DIRECT_GIGABYTES: usize = 120;
const FIRST_DIRECT: usize = 256;
const FIRST_WINDOW: usize = 384;
const IMAGE: usize = 510;
const IMAGE_GIGABYTE: u64 = 2;

const VALID: u64 = 1;
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 2;
const EXECUTE: u64 = 1 << 3;
const GLOBAL: u64 = 1 << 5;
const ACCESSED_DIRTY: u64 = 3 << 6;

const fn page(address: u64, rights: u64) -> u64 {
    address >> 12 << 10 | VALID | GLOBAL | ACCESSED_DIRTY | rights
}

const fn direct() -> [u64; FRAME_WORDS] {
    let mut table = [0; FRAME_WORDS];
    let mut gigabyte = 0;
    while gigabyte < DIRECT_GIGABYTES {
        table[FIRST_DIRECT + gigabyte] = page(gigabyte as u64 * GIGABYTE, READ | WRITE);
        gigabyte += 1;
    }
    table
}

/// What a hart uses until it runs at its virtual address: the image is also where it lies in memory.
const fn boot_root() -> [u64; FRAME_WORDS] {
    let mut table = direct();
    let image = page(IMAGE_GIGABYTE * GIGABYTE, READ | WRITE | EXECUTE);
    table[IMAGE_GIGABYTE as usize] = image;
    table[IMAGE] = image;
    table
}

/// A page table in the kernel image.
#[repr(C, align(4096))]
pub(super) struct Table(UnsafeCell<[u64; FRAME_WORDS]>);

// SAFETY: the tables are written by the first CPU before the others start, and after that under the kernel lock.
unsafe impl Sync for Table {}

#[unsafe(no_mangle)]
static BOOT_ROOT: Table = Table(UnsafeCell::new(boot_root()));
static ROOT: Table = Table(UnsafeCell::new(direct()));
static IMAGE_TABLE: Table = Table(UnsafeCell::new([0; FRAME_WORDS]));
static WINDOW_TABLES: [Table; WINDOWS] = [const { Table(UnsafeCell::new([0; FRAME_WORDS])) }; WINDOWS];

impl Table {
    fn frame(&'static self) -> Frame {
        Frame((self.0.get().addr() as u64 - IMAGE_OFFSET) / FRAME_BYTES)
    }

    fn set(&'static self, index: usize, entry: u64) {
        // SAFETY: only the first CPU writes here, before the others start (see `unsafe impl Sync`).
        unsafe { (*self.0.get())[index] = entry }
    }
}

unsafe extern "C" {
    static __text_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __image_end: u8;
}

/// The physical range of the kernel image.
pub(super) fn image() -> (u64, u64) {
    let start = (&raw const __text_start).addr() as u64 - IMAGE_OFFSET;
    let end = (&raw const __image_end).addr() as u64 - IMAGE_OFFSET;
    (start, end)
}

/// Writes the final tables: code is not writable, data not executable.
pub(super) fn build() {
    const MEGAPAGE: u64 = 2 << 20;
    let text = (&raw const __text_start).addr() as u64;
    let rodata = (&raw const __rodata_start).addr() as u64;
    let data = (&raw const __data_start).addr() as u64;
    let end = (&raw const __image_end).addr() as u64;
    let mut at = text;
    while at < end {
        let rights = match at {
            at if at < rodata => READ | EXECUTE,
            at if at < data => READ,
            _ => READ | WRITE,
        };
        IMAGE_TABLE.set(coldframe_hal::paging::index(at, 1), page(at - IMAGE_OFFSET, rights));
        at += MEGAPAGE;
    }
    ROOT.set(IMAGE, kernel_table(IMAGE_TABLE.frame()));
    for (window, table) in WINDOW_TABLES.iter().enumerate() {
        ROOT.set(FIRST_WINDOW + window, kernel_table(table.frame()));
    }
    super::activate(ROOT.frame(), Tag::NONE);
}

pub(crate) fn kernel_root() -> Frame {
    ROOT.frame()
}

pub(crate) fn kernel_table(frame: Frame) -> u64 {
    frame.0 << 10 | VALID
}

pub(crate) fn kernel_page(frame: Frame) -> u64 {
    page(frame.0 * FRAME_BYTES, READ | WRITE)
}

pub(crate) fn frame_of_kernel_page(entry: u64) -> Frame {
    Frame(entry >> 10 & ((1 << 44) - 1))
}

/// The entries of the kernel's half that are not empty: they never change after boot.
pub(crate) fn kernel_half() -> impl Iterator<Item = (usize, u64)> {
    let windows = FIRST_WINDOW..FIRST_WINDOW + WINDOWS;
    let used = (FIRST_DIRECT..FIRST_DIRECT + DIRECT_GIGABYTES).chain(windows).chain([IMAGE]);
    // SAFETY: nobody writes the top-level table after boot.
    used.map(|index| (index, unsafe { (*ROOT.0.get())[index] }))
}

/// Where the window of a kernel table starts.
pub(crate) fn window(number: usize) -> u64 {
    !0 << 38 | ((FIRST_WINDOW + number) as u64) << 30
}

/// Makes a table active; what is remembered stays.
pub(super) fn activate(word: u64) {
    // SAFETY: every root shares the kernel's half, so the code and stack that run now stay where they are.
    unsafe { core::arch::asm!("csrw satp, {}", in(reg) word, options(nostack)) };
}

/// How often a window has changed. The kernel lock orders all accesses.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// A window has another page: this CPU sees it at once, the others when they take the lock.
pub(crate) fn window_changed() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    super::forget_all();
}

/// Forgets what this CPU remembers of the windows, if one has changed since it looked last.
#[inline(always)]
pub(crate) fn catch_up_with_windows(seen: &mut u64) {
    let epoch = EPOCH.load(Ordering::Relaxed);
    if *seen != epoch {
        *seen = epoch;
        super::forget_all();
    }
}
