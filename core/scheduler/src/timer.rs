//! The timer queue: one hierarchical wheel a CPU and class, with exact deadlines in nanoseconds.
//!
//! A wheel has eleven levels of 64 slots. A timer lies at the level of the highest digit (base 64) in which its
//! deadline differs from the wheel's time, so whatever lies lower is due earlier. Arming and cancelling are O(1);
//! what is due is handed out one by one, and each move counts, so that the caller can stop after a few.

use coldframe_abi::{Class, CpuId, Instant};

use crate::NONE;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const DIGITS: usize = 11;
const UNARMED: u16 = u16::MAX;

/// How many timers (moved or fired) one kernel entry handles at most.
pub const STEPS_PER_ENTRY: u32 = 32;

/// The timer of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    deadline: Instant,
    next: u32,
    previous: u32,
    wheel: u16,
    slot: u16,
}

impl Default for Timer {
    fn default() -> Self {
        Self { deadline: Instant(0), next: NONE, previous: NONE, wheel: 0, slot: UNARMED }
    }
}

impl Timer {
    /// The deadline, if it is armed.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        if self.slot == UNARMED { None } else { Some(self.deadline) }
    }

    /// The CPU whose wheel it is in, if it is armed.
    #[must_use]
    pub const fn cpu(&self) -> Option<CpuId> {
        if self.slot == UNARMED { None } else { Some(CpuId(self.wheel / 4)) }
    }
}

/// The timers of one class on one CPU.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wheel {
    /// No armed timer is due before this moment, except those in `open`.
    time: Instant,
    /// Which digits have an occupied slot.
    digits: u16,
    occupied: [u64; DIGITS],
    /// Slots whose first timer is not known to be the earliest any more.
    unsorted: [u64; DIGITS],
    heads: [u32; DIGITS * SLOTS],
    /// The slot that is being emptied: its timers are out of order until it is.
    open: u16,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            time: Instant(0),
            digits: 0,
            occupied: [0; DIGITS],
            unsorted: [0; DIGITS],
            heads: [NONE; DIGITS * SLOTS],
            open: UNARMED,
        }
    }
}

/// The timers of a kernel as a view over its tables: four wheels a CPU, the least urgent class first.
pub struct Timers<'a> {
    /// One timer a thread.
    pub timers: &'a mut [Timer],
    /// Four wheels a CPU.
    pub wheels: &'a mut [Wheel],
}

fn wheel_of(cpu: CpuId, class: Class) -> u16 {
    cpu.0 * 4 + class as u16
}

impl Timers<'_> {
    /// Arms the timer of a thread.
    #[inline(always)]
    pub fn arm(&mut self, thread: u32, cpu: CpuId, class: Class, deadline: Instant, now: Instant) {
        let wheel = wheel_of(cpu, class);
        let record = &mut self.wheels[usize::from(wheel)];
        if record.digits == 0 {
            record.time = now;
        }
        let timer = &mut self.timers[thread as usize];
        assert_eq!(timer.slot, UNARMED, "a timer is armed once (SCH-8)");
        timer.deadline = deadline;
        link(self.timers, record, thread, (wheel, deadline));
    }

    /// Stops the timer of a thread, if it is armed.
    #[inline]
    pub fn cancel(&mut self, thread: u32) {
        if self.timers[thread as usize].slot != UNARMED {
            self.unlink(thread);
        }
    }

    /// When the first timer of a CPU is due; never later, and earlier only after the first of several was cancelled.
    #[must_use]
    #[inline]
    pub fn next(&self, cpu: CpuId) -> Option<Instant> {
        let first = usize::from(wheel_of(cpu, Class::ALL[0]));
        let wheels = &self.wheels[first..first + Class::ALL.len()];
        wheels.iter().filter(|wheel| wheel.digits != 0).map(|wheel| self.first_of(wheel)).min()
    }

    /// When the first timer of a wheel is due that has one.
    fn first_of(&self, record: &Wheel) -> Instant {
        if record.open != UNARMED {
            return record.time;
        }
        let digit = record.digits.trailing_zeros() as usize;
        let slot = record.occupied[digit].trailing_zeros() as usize;
        if record.unsorted[digit] >> slot & 1 == 1 {
            return slot_start(record.time, digit, slot);
        }
        self.timers[record.heads[digit * SLOTS + slot] as usize].deadline
    }

    /// Hands out one due timer of a CPU, the most urgent class first, and unarms it. `steps` counts down with each
    /// timer touched; at zero there may be more that are due.
    pub fn expire(&mut self, cpu: CpuId, now: Instant, steps: &mut u32) -> Option<u32> {
        for class in Class::ALL.iter().rev() {
            let wheel = wheel_of(cpu, *class);
            if self.wheels[usize::from(wheel)].digits != 0
                && let Some(due) = self.expire_of(wheel, now, steps)
            {
                return Some(due);
            }
        }
        None
    }

    fn expire_of(&mut self, wheel: u16, now: Instant, steps: &mut u32) -> Option<u32> {
        while *steps > 0 && self.open_due_slot(wheel, now) {
            *steps -= 1;
            let open = self.wheels[usize::from(wheel)].open;
            let thread = self.wheels[usize::from(wheel)].heads[usize::from(open)];
            self.unlink(thread);
            let deadline = self.timers[thread as usize].deadline;
            if deadline <= now {
                return Some(thread);
            }
            link(self.timers, &mut self.wheels[usize::from(wheel)], thread, (wheel, deadline));
        }
        None
    }

    /// Makes sure that `open` is a slot with timers that may be due; advances the wheel's time to it.
    fn open_due_slot(&mut self, wheel: u16, now: Instant) -> bool {
        let record = &mut self.wheels[usize::from(wheel)];
        if record.open != UNARMED {
            return true;
        }
        if record.digits == 0 {
            return false;
        }
        let digit = record.digits.trailing_zeros() as usize;
        let slot = record.occupied[digit].trailing_zeros() as usize;
        let start = slot_start(record.time, digit, slot);
        if start > now {
            return false;
        }
        record.time = start;
        record.open = (digit * SLOTS + slot) as u16;
        true
    }

    /// Takes whichever timer of an off-line CPU comes to hand and gives it to another CPU.
    pub fn evacuate_one(&mut self, from: CpuId, to: CpuId, now: Instant) -> bool {
        for class in Class::ALL {
            let record = &self.wheels[usize::from(wheel_of(from, class))];
            if record.digits == 0 {
                continue;
            }
            let digit = record.digits.trailing_zeros() as usize;
            let slot = record.occupied[digit].trailing_zeros() as usize;
            let thread = record.heads[digit * SLOTS + slot];
            let deadline = self.timers[thread as usize].deadline;
            self.unlink(thread);
            self.arm(thread, to, class, deadline, now);
            return true;
        }
        false
    }

    #[inline]
    fn unlink(&mut self, thread: u32) {
        let timer = &mut self.timers[thread as usize];
        let (next, previous, index) = (timer.next, timer.previous, usize::from(timer.slot));
        let record = &mut self.wheels[usize::from(timer.wheel)];
        timer.slot = UNARMED;
        let (digit, slot) = (index / SLOTS, index % SLOTS);
        if next == thread {
            record.heads[index] = NONE;
            record.unsorted[digit] &= !(1 << slot);
            record.occupied[digit] &= !(1 << slot);
            if record.occupied[digit] == 0 {
                record.digits &= !(1 << digit);
            }
            if usize::from(record.open) == index {
                record.open = UNARMED;
            }
            return;
        }
        if record.heads[index] == thread {
            record.heads[index] = next;
            // At the lowest digit all deadlines of a slot are equal.
            if digit > 0 {
                record.unsorted[digit] |= 1 << slot;
            }
        }
        self.timers[previous as usize].next = next;
        self.timers[next as usize].previous = previous;
    }
}

/// Puts the timer of a thread into a wheel.
#[inline(always)]
fn link(timers: &mut [Timer], record: &mut Wheel, thread: u32, (wheel, deadline): (u16, Instant)) {
    // What is overdue lies in the current slot of the lowest digit.
    let place = deadline.max(record.time).0;
    let digit = ((place ^ record.time.0) | 1).ilog2() / DIGIT_BITS;
    let slot = (place >> (DIGIT_BITS * digit)) as usize % SLOTS;
    let digit = digit as usize;
    let index = digit * SLOTS + slot;
    let head = record.heads[index];
    record.occupied[digit] |= 1 << slot;
    record.digits |= 1 << digit;
    // An empty slot takes the same way as a full one, as a ring of the newcomer: the cost does not depend on it.
    let first = if head == NONE { thread } else { head };
    let timer = &mut timers[thread as usize];
    (timer.next, timer.previous) = (first, thread);
    (timer.wheel, timer.slot) = (wheel, index as u16);
    let last = timers[first as usize].previous;
    timers[first as usize].previous = thread;
    timers[last as usize].next = thread;
    timers[thread as usize].previous = last;
    let sorted = record.unsorted[digit] >> slot & 1 == 0;
    if head == NONE || (sorted && deadline < timers[first as usize].deadline) {
        record.heads[index] = thread;
    }
}

/// The first moment of a slot, as seen from the wheel's time.
#[inline]
fn slot_start(time: Instant, digit: usize, slot: usize) -> Instant {
    let shift = DIGIT_BITS as usize * digit;
    let above = shift + DIGIT_BITS as usize;
    let prefix = if above >= 64 { 0 } else { time.0 >> above << above };
    Instant(prefix | (slot as u64) << shift)
}
