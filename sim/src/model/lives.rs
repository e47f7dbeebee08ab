//! Calls by which threads begin, wait and end.

use std::cmp::Reverse;

use coldframe_abi::{CapabilityRights, Deadline, Error, Instant, Number, Reply};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Answer, Expected, refused, reused};
use super::names::Named;
use super::processes::End;
use super::{Model, Slot, State, Thread};
use crate::oracle::Violation;

/// What a thread can hear that waited for the end of one that has gone with its process.
const NO_END: &[Answer] = &[Ok(0), Err(Error::TimedOut), Err(Error::Cancelled)];

impl Model {
    pub(super) fn thread_create<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        if words[0] >= self.user_end || words[1] > self.user_end {
            return Ok(Err(Error::BadAddress));
        }
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.is_short(view, caller, error) => return Ok(Err(error)),
            Err(error) => return Err(refused(now, "thread_create", error)),
        };
        let Some(maker) = self.thread(caller).copied() else { return Ok(Ok(0)) };
        let Some(Named::Thread(thread, generation)) = self.learn(view, caller, word, None, now)? else {
            return Ok(Err(Error::BadHandle));
        };
        let slot = self.slot(thread);
        if slot.holder.is_some() || generation <= slot.generation {
            return Err(reused(now, format!("thread {thread}")));
        }
        *slot = Slot {
            generation,
            holder: Some(Thread { handler: maker.handler, ..Thread::new(maker.process, maker.settings) }),
        };
        *self.alive_in(maker.process) += 1;
        self.settings_fit(view, thread, now)?;
        Ok(Ok(word))
    }

    pub(super) fn thread_exit(&mut self, caller: u32, result: u64) -> Expected {
        self.has_succeeded(Number::ThreadExit as u64);
        let Some(thread) = self.thread_mut(caller) else { return Expected::Nothing };
        thread.state = State::Ended { result };
        let (process, joiner, owes) = (thread.process, thread.joiner.take(), thread.owes.take());
        match owes {
            Some(caller) if self.is_faulted(caller) => self.ends_by_fault(caller),
            Some(caller) => self.expect(caller, Err(Error::PeerGone)),
            None => {}
        }
        if let Some(joiner) = joiner {
            self.thread_is_gone(caller);
            self.expect(joiner, Ok(result));
        } else if !self.names.is_named(Named::Thread(caller, self.threads[caller as usize].generation)) {
            self.thread_is_gone(caller);
        }
        let alive = self.alive_in(process);
        *alive -= 1;
        if *alive == 0 {
            self.end_process_with(process, End::with(0));
        }
        Expected::Nothing
    }

    pub(super) fn process_exit(&mut self, caller: u32, end: End) -> Expected {
        self.has_succeeded(Number::ProcessExit as u64);
        if let Some(process) = self.process_of(caller) {
            self.end_process_with(process, end);
        }
        Expected::Nothing
    }

    /// All that a process had goes with it.
    pub(super) fn end_process(&mut self, process: usize) {
        self.names.remove_all_of(process);
        for thread in 0..self.threads.len() as u32 {
            let Some(holder) = self.thread(thread).filter(|holder| holder.process == process) else {
                continue;
            };
            let (joiner, owes, state) = (holder.joiner, holder.owes, holder.state);
            if let State::Joins { target, .. } = state
                && let Some(target) = self.thread_mut(target)
            {
                target.joiner = None;
            }
            if let State::AwaitsReply { server } = state {
                self.owes_nothing(server);
            }
            self.threads[thread as usize].holder = None;
            if let Some(caller) = owes.filter(|caller| self.thread(*caller).is_some()) {
                self.loses_server(caller);
            }
            if let Some(joiner) = joiner.filter(|joiner| self.thread(*joiner).is_some()) {
                // A thread of another process, which hears of it when the reaper comes by.
                self.set_state(joiner, State::Hears { either: NO_END });
            }
        }
        self.forget_waiting();
        for (row, slot) in (0_u32..).zip(&mut self.threads) {
            let ended = slot.holder.is_some_and(|thread| matches!(thread.state, State::Ended { .. }));
            if ended && !self.names.is_named(Named::Thread(row, slot.generation)) {
                // The last name for its result was one of that process.
                slot.holder = None;
            }
        }
        for slot in &mut self.groups {
            slot.holder = slot.holder.take().filter(|holder| *holder != process);
        }
    }

    pub(super) fn thread_join<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        deadline: u64,
        now: Instant,
    ) -> Expected {
        let target = match self.named(view, caller, word, CapabilityRights::INSPECT) {
            Ok(target) if target == caller => return Expected::Answer(Err(Error::Deadlock)),
            Ok(target) => target,
            Err(error) => return Expected::Answer(Err(error)),
        };
        let Some(thread) = self.thread_mut(target) else { return Expected::Nothing };
        if let State::Ended { result } = thread.state {
            self.thread_is_gone(target);
            return Expected::Answer(Ok(result));
        }
        if thread.joiner.is_some() {
            return Expected::Answer(Err(Error::Busy));
        }
        if deadline <= now.0 {
            return Expected::Answer(Err(Error::TimedOut));
        }
        thread.joiner = Some(caller);
        let until = Instant(deadline);
        self.wait(caller, State::Joins { target, until }, until);
        Expected::Nothing
    }

    pub(super) fn sleep(&mut self, caller: u32, until: u64, now: Instant) -> Expected {
        if until <= now.0 {
            return Expected::Answer(Ok(0));
        }
        let until = Instant(until);
        self.wait(caller, State::Sleeps { until }, until);
        Expected::Nothing
    }

    pub(super) fn wait(&mut self, thread: u32, state: State, until: Instant) {
        self.waits += 1;
        let wait = self.waits;
        let Some(waiting) = self.thread_mut(thread) else { return };
        waiting.state = state;
        waiting.wait = wait;
        if until.0 != Deadline::NEVER.0 {
            self.deadlines.push(Reverse((until, thread, wait)));
        }
    }

    pub(super) fn suspend<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        suspend: bool,
    ) -> Answer {
        let thread = self.alive(view, caller, word, CapabilityRights::MANAGE)?;
        let thread = self.thread_mut(thread).ok_or(Error::BadHandle)?;
        if thread.suspended == suspend {
            return Err(Error::BadState);
        }
        thread.suspended = suspend;
        Ok(0)
    }
}
