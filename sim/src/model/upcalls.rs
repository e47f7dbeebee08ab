//! Upcalls: which signals interrupt which thread, and that it goes on as if they had not.

use coldframe_abi::{CapabilityRights, Error, Instant, Number, Reply};
use coldframe_hal::UserRegisters;
use coldframe_kernel::{Inspection, Resume};
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::Model;
use super::calls::Answer;
use super::names::Key;
use super::thread::{State, Thread};
use crate::oracle::{MODEL, Violation, demand};

/// What interrupts a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upcall {
    name: Key,
    handler: u64,
    stack: u64,
    /// What it had in its registers when it was interrupted, if it runs the handler.
    kept: Option<HostRegisters>,
}

impl Model {
    pub(super) fn takes_upcall<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
    ) -> Answer {
        let place = self.place(view, caller, words[0], CapabilityRights::READ)?;
        self.receives_there(caller, &place)?;
        let at = (place.row, place.generation);
        let met = self.met_at(view, place);
        if (met.row, met.generation) != at {
            return Err(Error::BadState);
        }
        if words[1] >= self.user_end || words[2] > self.user_end {
            return Err(Error::BadAddress);
        }
        let known = self.thread(caller).ok_or(Error::BadHandle)?;
        if known.upcall.is_some_and(|upcall| upcall.kept.is_some()) {
            return Err(Error::BadState);
        }
        if words[1] == 0 {
            self.thread_mut(caller).ok_or(Error::BadHandle)?.upcall = None;
            return Ok(0);
        }
        if self.called_up(view, at).is_some_and(|other| other != caller) {
            return Err(Error::Busy);
        }
        if let Err(error) = given.result()
            && self.is_short(view, caller, error)
        {
            return Err(error);
        }
        let name = (self.process_of(caller).ok_or(Error::BadHandle)?, words[0]);
        let upcall = Upcall { name, handler: words[1], stack: words[2], kept: None };
        // Whoever had it before has it no more.
        self.thread_mut(caller).ok_or(Error::BadHandle)?.upcall = Some(upcall);
        Ok(0)
    }

    /// The endpoint whose signals interrupt a thread, if its name for that stands.
    fn calls<F: HardwareFormat>(
        view: &Inspection<'_, HostMachine<F>>,
        upcall: &Upcall,
    ) -> Option<(u32, u32)> {
        let place = Self::lent(view, upcall.name, CapabilityRights::READ)?;
        Some((place.row, place.generation))
    }

    /// The thread that the signals of an endpoint interrupt.
    fn called_up<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        at: (u32, u32),
    ) -> Option<u32> {
        let is_one = |upcall: &Upcall| Self::calls(view, upcall) == Some(at);
        let threads = (0_u32..).zip(&self.threads);
        let lives = |known: &Thread| !matches!(known.state, State::Ended { .. });
        let mut holders =
            threads.filter_map(|(thread, slot)| Some((thread, slot.holder.filter(lives)?.upcall?)));
        holders.find(|(_, upcall)| is_one(upcall)).map(|(thread, _)| thread)
    }

    /// Signals stay at an endpoint: a wait of whoever they interrupt ends.
    pub(super) fn calls_up<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        at: (u32, u32),
    ) {
        if let Some(thread) = self.called_up(view, at) {
            self.is_interrupted(view, thread);
        }
    }

    /// Once all kicks have been delivered, nobody computes whom signals should interrupt.
    pub(super) fn upcalls_are_quiet<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        let runs = |thread: &u32| view.rows[*thread as usize].place() == Place::Running;
        let late =
            (0..self.threads.len() as u32).filter(runs).find(|thread| self.signals_for(view, *thread) != 0);
        demand(late.is_none(), MODEL, now, || {
            format!("thread {late:?} computes on, and signals should interrupt it")
        })
    }

    /// The wait of a thread ends if signals are there that interrupt it.
    pub(super) fn is_interrupted<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
    ) {
        if self.signals_for(view, thread) != 0 {
            let _ = self.is_cancelled(view, thread);
        }
    }

    /// The signals that interrupt a thread.
    fn signals_for<F: HardwareFormat>(&self, view: &Inspection<'_, HostMachine<F>>, thread: u32) -> u64 {
        let upcall = self.thread(thread).and_then(|thread| thread.upcall);
        let Some(upcall) = upcall.filter(|upcall| upcall.kept.is_none()) else { return 0 };
        let at = Self::calls(view, &upcall);
        at.and_then(|at| self.signals.get(&at)).copied().unwrap_or(0)
    }

    /// What the thread that goes on had in its registers, if it has been interrupted in this entry; `ends` says that it has
    /// just ended an upcall.
    pub(super) fn interrupted<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        runs: u32,
        ends: bool,
        resume: Resume,
    ) -> Option<HostRegisters> {
        let row = view.threads.get(runs as usize).filter(|_| resume == Resume::User)?;
        let kept = view.interrupted[row.upcall().kept()? as usize].registers();
        let was_in_one = self.thread(runs)?.upcall.is_some_and(|upcall| upcall.kept.is_some());
        (!was_in_one || ends).then_some(*kept)
    }

    /// A thread ends its handler: it finds what it had.
    pub(super) fn ends_upcall(
        &mut self,
        thread: u32,
        found: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(known) = self.thread_mut(thread) else { return Ok(()) };
        let kept = known.upcall.as_mut().and_then(|upcall| upcall.kept.take());
        let fits = match kept {
            Some(kept) => kept == *found,
            None => found.reply.result() == Err(Error::BadState),
        };
        if kept.is_some() {
            self.has_succeeded(Number::UpcallEnd as u64);
        }
        demand(fits, MODEL, now, || {
            format!("thread {thread} had {kept:x?} before an upcall and has {found:x?}")
        })
    }

    /// Whoever goes on has been interrupted if and only if signals were there for that.
    pub(super) fn upcall_fits<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        interrupted: Option<HostRegisters>,
        found: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let bits = self.signals_for(view, thread);
        let Some(kept) = interrupted else {
            return demand(bits == 0, MODEL, now, || {
                format!("thread {thread} goes on, and signals {bits:#x} should interrupt it")
            });
        };
        let Some(upcall) = self.thread_mut(thread).and_then(|known| known.upcall.as_mut()) else {
            return Ok(());
        };
        upcall.kept = Some(kept);
        // The handler is the same thread, and finds what is the thread's.
        let start = HostRegisters::start(upcall.handler, upcall.stack, bits);
        let expected = HostRegisters { thread_pointer: kept.thread_pointer, ..start };
        let at = Self::calls(view, upcall);
        if let Some(at) = at {
            self.signals.remove(&at);
        }
        demand(bits != 0 && *found == expected, MODEL, now, || {
            format!(
                "thread {thread} is interrupted by {bits:#x} and goes on with {found:x?}, not {expected:x?}"
            )
        })
    }
}
