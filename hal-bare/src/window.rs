//! Kernel tables on metal: a reserved range of kernel addresses each, mapped frame by frame.

use core::marker::PhantomData;
use core::num::NonZeroU64;

use coldframe_hal::paging::{Entry, Format, index};
use coldframe_hal::{FRAME_BYTES, Frame, PhysicalAddress, Row, Store};

use crate::arch;

/// How many tables there can be.
pub(crate) const WINDOWS: usize = 18;

/// A table in a window of its own: rows follow each other in virtual memory, whatever frames they lie in.
pub(crate) struct WindowStore<T> {
    base: u64,
    rows: usize,
    /// Shown, all rows at their default, wherever a frame was lifted out: its number and one.
    blank: Option<NonZeroU64>,
    /// How many frames' worth of rows there is.
    frames: u32,
    /// How many frames it has: behind its rows, as page tables of the window, and the blank one.
    held: u32,
    row: PhantomData<T>,
}

// Half a line of the cache: a call looks at the stores of many tables.
const _: () = assert!(size_of::<WindowStore<u64>>() == 32, "a store has 32 bytes");

fn entry_at(table: Frame, at: usize) -> *mut u64 {
    let address: PhysicalAddress = table.word(at);
    core::ptr::with_exposed_provenance_mut((arch::DIRECT_WINDOW + address.0) as usize)
}

/// How many rows fit into so many frames.
const fn rows_of<T>(frames: u32) -> usize {
    frames as usize * FRAME_BYTES as usize / size_of::<T>()
}

impl<T: Row> WindowStore<T> {
    pub(crate) fn new(number: usize) -> Self {
        assert!(number < WINDOWS, "there are {WINDOWS} windows for kernel tables");
        Self { base: arch::window(number), rows: 0, blank: None, frames: 0, held: 0, row: PhantomData }
    }

    /// Puts the frame where the next one is missing: behind the rows, or into the page tables that lead there.
    /// Says whether it is behind the rows now.
    fn place(&mut self, frame: Frame) -> bool {
        let address = self.base + u64::from(self.frames) * FRAME_BYTES;
        let mut table = arch::kernel_root();
        for level in (1..arch::Paging::LEVELS).rev() {
            let slot = entry_at(table, index(address, level));
            // SAFETY: `slot` is an entry of a page table of the kernel's half, which the direct window maps; the
            // kernel lock is held, so nobody else changes it.
            match arch::Paging::read(unsafe { slot.read_volatile() }, level) {
                Entry::Table(next) => table = next,
                Entry::Empty => {
                    // SAFETY: the frame is ours (precondition of `grow`) and becomes an empty table before it is
                    // linked.
                    unsafe {
                        entry_at(frame, 0).write_bytes(0, coldframe_hal::FRAME_WORDS);
                        slot.write_volatile(arch::kernel_table(frame));
                    }
                    return false;
                }
                other => unreachable!("windows are mapped by small pages, not {other:?}"),
            }
        }
        // SAFETY: as above; the entry was empty, nobody has a reference to what it will map.
        unsafe { entry_at(table, index(address, 0)).write_volatile(arch::kernel_page(frame)) };
        arch::window_changed();
        true
    }

    /// The entry that shows the frame of this number.
    fn leaf(&self, number: usize) -> *mut u64 {
        let address = self.base + number as u64 * FRAME_BYTES;
        let mut table = arch::kernel_root();
        for level in (1..arch::Paging::LEVELS).rev() {
            // SAFETY: an entry of a kernel page table, in the direct window, under the kernel lock.
            let entry = unsafe { entry_at(table, index(address, level)).read_volatile() };
            match arch::Paging::read(entry, level) {
                Entry::Table(next) => table = next,
                _ => unreachable!("a mapped frame has page tables above it"),
            }
        }
        entry_at(table, index(address, 0))
    }

    /// Shows another frame in place of the one of this number, and says which that was.
    ///
    /// # Safety
    /// What the new frame holds are valid rows, or nobody reads there before they are written.
    unsafe fn show(&mut self, number: usize, frame: Frame) -> Frame {
        let slot = self.leaf(number);
        // SAFETY: an entry of a kernel page table, as above; `&mut self` says that nobody refers to the rows.
        let before = unsafe { slot.read_volatile() };
        // SAFETY: as above.
        unsafe { slot.write_volatile(arch::kernel_page(frame)) };
        arch::window_changed();
        arch::frame_of_kernel_page(before)
    }

    fn make_default(&mut self, number: usize) {
        let rows = FRAME_BYTES as usize / size_of::<T>();
        for row in number * rows..(number + 1) * rows {
            // SAFETY: the rows of a frame that is shown there and written by nobody else; a row needs no drop to be
            // overwritten that is at its default or was never valid.
            unsafe { self.pointer().add(row).write(T::default()) };
        }
    }

    fn pointer(&self) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.base as usize)
    }
}

impl<T: Row> Store<T> for WindowStore<T> {
    fn rows(&self) -> &[T] {
        // SAFETY: `rows` rows from the base on are mapped and have been written (`grow`); only this store has a
        // pointer there, and the borrow of `self` is the borrow of the rows.
        unsafe { core::slice::from_raw_parts(self.pointer(), self.rows) }
    }

    fn rows_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `rows`, with an exclusive borrow.
        unsafe { core::slice::from_raw_parts_mut(self.pointer(), self.rows) }
    }

    fn frames(&self) -> usize {
        self.held as usize
    }

    fn grow(&mut self, frame: Frame) {
        self.held += 1;
        if !self.place(frame) {
            return;
        }
        self.frames += 1;
        let fit = rows_of::<T>(self.frames);
        for row in self.rows..fit {
            // SAFETY: the row lies within the mapped frames and no valid row was there before.
            unsafe { self.pointer().add(row).write(T::default()) };
        }
        self.rows = fit;
    }

    fn shrink(&mut self) -> Option<Frame> {
        let last = self.frames.checked_sub(1)?;
        let fit = rows_of::<T>(last);
        for row in fit..self.rows {
            // SAFETY: the row is valid and nobody uses it (precondition); it is not read again.
            unsafe { self.pointer().add(row).drop_in_place() };
        }
        self.rows = fit;
        self.frames = last;
        self.held -= 1;
        let slot = self.leaf(last as usize);
        // SAFETY: an entry of a kernel page table, in the direct window, under the kernel lock; the rows behind it
        // are gone.
        let entry = unsafe { slot.read_volatile() };
        // SAFETY: as above.
        unsafe { slot.write_volatile(0) };
        arch::window_changed();
        Some(arch::frame_of_kernel_page(entry))
    }

    fn lift(&mut self, number: usize) -> Option<Frame> {
        assert!((FRAME_BYTES as usize).is_multiple_of(size_of::<T>()), "rows fill a frame exactly");
        let Some(blank) = self.blank else {
            let slot = self.leaf(number);
            // SAFETY: an entry of a kernel page table, in the direct window, under the kernel lock.
            let frame = arch::frame_of_kernel_page(unsafe { slot.read_volatile() });
            self.blank = NonZeroU64::new(frame.0 + 1);
            self.make_default(number);
            return None;
        };
        let blank = Frame(blank.get() - 1);
        self.held -= 1;
        // SAFETY: the blank frame holds rows at their default, and nobody writes to it while it is shown
        // (precondition): however often it is, what is read there is true.
        Some(unsafe { self.show(number, blank) })
    }

    fn lower(&mut self, number: usize, frame: Frame) {
        self.held += 1;
        // SAFETY: the rows are written before anybody reads them.
        let _blank = unsafe { self.show(number, frame) };
        self.make_default(number);
    }
}
