//! Flushes of translations: asked for under the kernel lock, answered without it, and ended by the last to answer.

use super::mode::{AtomicU32, AtomicU64, Ordering};

/// One flush: what has to be forgotten, and how many CPUs have not done so.
#[derive(Debug)]
struct Slot {
    request: [AtomicU64; 3],
    left: AtomicU32,
}

/// The flushes that are under way, for `CPUS` CPUs and up to `SLOTS` at a time.
///
/// A CPU answers at every trap, before it waits for the lock: so nobody who holds the lock ever waits for a CPU that
/// waits for the lock (row V3).
#[derive(Debug)]
pub struct FlushBoard<const CPUS: usize, const SLOTS: usize> {
    slots: [Slot; SLOTS],
    /// For each CPU, a bit for each flush that it has to answer.
    asked: [AtomicU64; CPUS],
    /// A bit for each flush that all have answered.
    done: AtomicU64,
}

/// What one CPU has to look at before it takes the lock.
#[derive(Clone, Copy, Debug)]
pub struct FlushBell<'a>(&'a AtomicU64);

impl FlushBell<'_> {
    /// Whether the CPU has something to answer.
    #[must_use]
    #[inline(always)]
    pub fn has_rung(self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

impl<const CPUS: usize, const SLOTS: usize> Default for FlushBoard<CPUS, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CPUS: usize, const SLOTS: usize> FlushBoard<CPUS, SLOTS> {
    /// No flush is under way.
    #[must_use]
    #[cfg(not(model = "loom"))]
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot { request: [const { AtomicU64::new(0) }; 3], left: AtomicU32::new(0) } };
                SLOTS],
            asked: [const { AtomicU64::new(0) }; CPUS],
            done: AtomicU64::new(0),
        }
    }

    /// No flush is under way.
    #[must_use]
    #[cfg(model = "loom")]
    pub fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot {
                request: core::array::from_fn(|_| AtomicU64::new(0)),
                left: AtomicU32::new(0),
            }),
            asked: core::array::from_fn(|_| AtomicU64::new(0)),
            done: AtomicU64::new(0),
        }
    }

    /// Asks CPUs to forget; `interrupt` gets those that have to be interrupted for it.
    ///
    /// Precondition: the kernel lock is held, and the slot is free: never used, or taken as done.
    pub fn ask(
        &self,
        slot: usize,
        request: [u64; 3],
        cpus: impl Iterator<Item = usize> + Clone,
        mut interrupt: impl FnMut(usize),
    ) {
        let flush = &self.slots[slot];
        for (word, value) in flush.request.iter().zip(request) {
            word.store(value, Ordering::Relaxed);
        }
        // All are counted before the first can answer: none but the last finds nobody left.
        flush.left.store(cpus.clone().count() as u32, Ordering::Relaxed);
        for cpu in cpus {
            // Release: a CPU that sees the bit sees the request, and the page table as it is now.
            if self.asked[cpu].fetch_or(1 << slot, Ordering::AcqRel) == 0 {
                interrupt(cpu);
            }
        }
    }

    /// Where a CPU sees whether it has something to answer.
    #[must_use]
    pub fn bell(&self, cpu: usize) -> FlushBell<'_> {
        FlushBell(&self.asked[cpu])
    }

    /// Answers what a CPU has been asked; says whether it was the last one to answer a flush, and so has to enter
    /// the kernel.
    #[inline]
    pub fn answer(&self, cpu: usize, mut forget: impl FnMut([u64; 3])) -> bool {
        let mut asked = match self.asked[cpu].load(Ordering::Relaxed) {
            0 => return false,
            _ => self.asked[cpu].swap(0, Ordering::AcqRel),
        };
        let mut last = false;
        while asked != 0 {
            let slot = asked.trailing_zeros() as usize;
            asked &= asked - 1;
            let flush = &self.slots[slot];
            forget(core::array::from_fn(|word| flush.request[word].load(Ordering::Relaxed)));
            // Release: whoever finds the flush done knows that this CPU has forgotten.
            if flush.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.done.fetch_or(1 << slot, Ordering::AcqRel);
                last = true;
            }
        }
        last
    }

    /// Which flushes all have answered since the last time; their slots are free.
    pub fn take_done(&self) -> u64 {
        match self.done.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.done.swap(0, Ordering::AcqRel),
        }
    }
}

impl<const CPUS: usize, const SLOTS: usize> Clone for FlushBoard<CPUS, SLOTS> {
    /// A board in the same state, for a machine that is cloned between two steps.
    fn clone(&self) -> Self {
        let same = |word: &AtomicU64| AtomicU64::new(word.load(Ordering::Acquire));
        Self {
            slots: core::array::from_fn(|slot| Slot {
                request: core::array::from_fn(|word| same(&self.slots[slot].request[word])),
                left: AtomicU32::new(self.slots[slot].left.load(Ordering::Acquire)),
            }),
            asked: core::array::from_fn(|cpu| same(&self.asked[cpu])),
            done: same(&self.done),
        }
    }
}
