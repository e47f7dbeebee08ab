//! What is counted of threads and processes, and what it costs to guess.

use coldframe_abi::{Counter, Error, Instant, Reply};
use coldframe_kernel::{Inspection, WaitsFor};
use hal_host::{HardwareFormat, HostMachine};

use super::{Model, State};
use crate::oracle::{MODEL, Violation, demand};

/// After so many names that a process does not have, one of its threads pays with so much time.
const GUESSES: u64 = 64;
const PENALTY: u64 = 1_000_000;

/// How often, by counter.
pub(super) type Counts = [u64; Counter::ALL.len()];

impl Model {
    pub(super) fn count(&mut self, thread: u32, counter: Counter) {
        let Some(row) = self.thread_mut(thread) else { return };
        row.counts[counter as usize] += 1;
        let process = row.process;
        if let Some(process) = self.processes.get_mut(&process) {
            process.counts[counter as usize] += 1;
        }
    }

    /// What a thread worked on has come to an end because of a name that it does not have.
    pub(super) fn count_late_refusal(&mut self, thread: u32) {
        let is_counted =
            self.thread_mut(thread).map(|thread| std::mem::replace(&mut thread.is_refused, true));
        if is_counted == Some(false) {
            self.count(thread, Counter::Refusals);
        }
    }

    /// Whether a thread has just been told that it named what it does not have, and what that costs it.
    pub(super) fn count_refusal<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        given: Reply,
        now: Instant,
    ) -> Result<(), Violation> {
        let row = &view.threads[thread as usize];
        let waits = row.waits_for();
        let open = row.work().is_some() || !matches!(waits, WaitsFor::Nothing | WaitsFor::Penalty);
        let Some(process) = self.process_of(thread) else { return Ok(()) };
        // Who has ended finds no answer.
        let open =
            open || self.thread(thread).is_some_and(|thread| matches!(thread.state, State::Ended { .. }));
        let ended = self.processes.get(&process).is_some_and(|process| process.ended.is_some());
        if open || ended || given.result() != Err(Error::BadHandle) {
            return demand(waits != WaitsFor::Penalty, MODEL, now, || {
                format!("thread {thread} pays for nothing")
            });
        }
        let works = self.thread(thread).is_some_and(|thread| matches!(thread.state, State::Works { .. }));
        self.count_late_refusal(thread);
        let guesses =
            self.processes.get(&process).map_or(0, |process| process.counts[Counter::Refusals as usize]);
        let until = now.0.saturating_add(PENALTY);
        let pays = guesses.is_multiple_of(GUESSES) && until != u64::MAX;
        // What took work costs nothing; whether it did is not known here.
        let pays = pays && !(works && waits == WaitsFor::Nothing);
        demand(pays == (waits == WaitsFor::Penalty), MODEL, now, || {
            format!(
                "process {process} has guessed {guesses} times, and thread {thread} pays for that: {}",
                !pays
            )
        })?;
        if pays {
            self.wait(thread, State::Pays { answer: given }, Instant(until));
        }
        Ok(())
    }
}
