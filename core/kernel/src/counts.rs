//! What is counted of threads and processes, and what it costs to guess.

use coldframe_abi::{Counter, Deadline, Instant, Nanos};
use coldframe_hal::Machine;

use crate::{Kernel, WaitsFor};

/// After so many names that it does not have a process pays for the last one.
const GUESSES: u64 = 64;
/// How long whoever has guessed waits for its answer.
const PENALTY: Nanos = Nanos::from_millis(1);

/// How often something happened to a thread or a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts([u64; Counter::ALL.len()]);

impl Counts {
    /// How often.
    #[must_use]
    pub const fn of(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    #[inline]
    pub(crate) const fn add(&mut self, counter: Counter, times: u64) {
        self.0[counter as usize] += times;
    }
}

impl<M: Machine> Kernel<M> {
    #[inline(always)]
    pub(crate) fn count(&mut self, thread: u32, counter: Counter) {
        let row = self.thread(thread);
        row.counts.add(counter, 1);
        let process = row.process;
        self.process(process).counts.add(counter, 1);
    }

    /// The running thread has named what it does not have, and has been told so. Names cannot be guessed; whoever tries
    /// is held up by the clock, not by the kernel.
    #[cold]
    pub(crate) fn count_refusal(&mut self, cpu: &mut M::Cpu, now: Instant, thread: u32) {
        self.count(thread, Counter::Refusals);
        let process = self.thread(thread).process;
        let until = Deadline::at(now.after(PENALTY));
        let guesses = self.process(process).counts.of(Counter::Refusals);
        // At the end of time nobody would be woken.
        if guesses.is_multiple_of(GUESSES) && until != Deadline::NEVER {
            self.wait(cpu, now, WaitsFor::Penalty, until);
        }
    }
}
