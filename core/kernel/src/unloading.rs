//! Taking back what has gone along with a message: by its sender, before it finds its answer, or by the reaper.
//!
//! What is lent is taken from whoever has it, and every CPU forgets it, before its owner can do anything with it.

use coldframe_abi::{Instant, MOST_RANGES, Reply};
use coldframe_hal::{Machine, Store};
use coldframe_memory::{Flush, Pages, SpaceError, Whose};
use coldframe_scheduler::NONE;

use crate::calls::{Caller, Outcome};
use crate::cargo::Part;
use crate::{After, Kernel, Place, Task, Work, reaper};

/// How far the unloading of the first part of a cargo has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unloading {
    /// The part has not been looked at.
    Begins,
    /// It goes where it is lent to.
    Away,
    /// It becomes ordinary again where it is at home.
    AtHome,
}

impl<M: Machine> Kernel<M> {
    /// Lets a thread that has its answer take its pages back before it finds that; or make its call once more.
    #[cold]
    pub(crate) fn unload(&mut self, thread: u32, then: Option<Reply>) {
        let row = self.thread(thread);
        let task = Task::Unload { step: Unloading::Begins, again: then.is_none() };
        let answer = then.map_or(Ok(0), |reply| reply.result());
        row.work = Some(Work { answer, ..Work::new(task, row.process, Pages::NONE) });
    }

    /// The answer of a call that sends: its caller finds it when it has its pages back.
    #[inline(never)]
    pub(crate) fn when_unloaded(&mut self, caller: Caller, outcome: Outcome) -> Outcome {
        if let Outcome::Answer(result) = outcome
            && !self.thread(caller.thread).cargo.is_empty()
        {
            self.unload(caller.thread, Some(result.into()));
        }
        outcome
    }

    /// What is left of `reply_receive` when the reply has been given: the call is made once more, without its pages.
    pub(crate) fn receive_after_unloading(&mut self, thread: u32) -> Outcome {
        self.thread(thread).has_replied = true;
        self.unload(thread, None);
        Outcome::Settled
    }

    /// Goes on to the next thing to unload; says whether this was the step.
    #[cold]
    pub(crate) fn next_to_unload(&mut self, thread: u32, work: &mut Work) -> bool {
        let Task::Unload { mut step, again } = work.task else { return false };
        if !work.pages.from(work.at).is_empty() && (step != Unloading::Away || self.is_borrowed(thread)) {
            return false;
        }
        let home = self.thread(thread).process;
        let answer = work.answer;
        loop {
            let first = self.thread(thread).cargo.first().and_then(|part| part.lent_to);
            if let Some(place) = first.filter(|place| place.taken && self.is_place(*place)) {
                if self.process(place.process).round.is_some() {
                    // It has been taken away there, and every CPU has to forget it.
                    let task = Task::Unload { step: Unloading::Begins, again };
                    *work = Work { answer, ..Work::new(task, place.process, Pages::NONE) };
                    return true;
                }
                self.thread(thread).cargo.has_come_back(0);
            }
            let cargo = &mut self.thread(thread).cargo;
            let Some(part) = cargo.first_mut() else {
                let task = if again { Task::Call } else { Task::Unloaded };
                *work = Work { answer, ..Work::new(task, home, Pages::NONE) };
                return true;
            };
            let Part { pages, lent_to, .. } = *part;
            step = match (step, lent_to) {
                (Unloading::Begins, Some(_)) => Unloading::Away,
                (Unloading::Begins | Unloading::Away, _) => {
                    part.lent_to = None;
                    Unloading::AtHome
                }
                (Unloading::AtHome, _) => {
                    cargo.drop_first();
                    Unloading::Begins
                }
            };
            let (process, pages) = match (step, lent_to) {
                (Unloading::Away, Some(place)) if self.is_borrowed(thread) => (place.process, place.pages),
                (Unloading::AtHome, _) => (home, pages),
                _ => continue,
            };
            if !pages.is_empty() {
                let task = Task::Unload { step, again };
                *work = Work { answer, ..Work::new(task, process, pages) };
                // Whoever waits at words of pages that go away hears of it first.
                return step == Unloading::Away;
            }
        }
    }

    /// If a thread unloads its cargo, it goes on with the next thing.
    #[cold]
    pub(crate) fn unload_on(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let Some(mut work) = self.thread(thread).work else { return };
        if !matches!(work.task, Task::Unload { .. }) {
            return;
        }
        let _ = self.next_to_unload(thread, &mut work);
        self.thread(thread).work = Some(work);
        if work.task == Task::Unloaded {
            self.finish_work(cpu, thread);
        }
    }

    /// Whether whoever has the first part of a thread's cargo is still there.
    fn is_borrowed(&mut self, thread: u32) -> bool {
        let part = self.thread(thread).cargo.first();
        let place = part.and_then(|part| part.lent_to);
        place.is_some_and(|place| self.is_place(place))
    }

    fn is_place(&self, place: Place) -> bool {
        let row = &self.processes.rows()[place.process as usize];
        row.generation == place.generation && row.space.is_some()
    }

    /// One step of taking back what is lent, or of making what is back ordinary.
    #[cold]
    pub(crate) fn unload_step(
        &mut self,
        thread: u32,
        work: &mut Work,
        step: Unloading,
    ) -> Result<Flush, SpaceError> {
        let part = self.thread(thread).cargo.first();
        let Some((space, mut means)) = self.space_of(work.process) else {
            unreachable!("a space in which somebody works is there (KRN-14)")
        };
        if step == Unloading::Away {
            let flush = space.unmap(&mut means, &mut work.at, work.pages.end(), Whose::Foreign)?;
            self.thread(thread).cargo.take_away(0);
            return Ok(flush);
        }
        if let Some(part) = part.filter(|part| !part.has_gone) {
            space.unload(&mut means, work.pages, part.passage);
        }
        work.at = work.pages.end();
        Ok(Flush::NONE)
    }

    /// Who replies gives back first what it has borrowed for the call: it can take pages there again at once. `None` if
    /// there is nothing, or nothing any more; else its call is made once more.
    #[inline]
    pub(crate) fn give_back_first(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        lender: u32,
    ) -> Option<Outcome> {
        if lender == NONE || self.thread(lender).cargo.is_empty() {
            return None;
        }
        self.give_back(cpu, now, caller, lender)
    }

    #[cold]
    fn give_back(&mut self, cpu: &mut M::Cpu, now: Instant, caller: Caller, lender: u32) -> Option<Outcome> {
        for index in 0..MOST_RANGES {
            let lent_to = self.thread(lender).cargo.part(index).and_then(|part| part.lent_to);
            let here = |place: &Place| place.process == caller.process && self.is_place(*place);
            let Some(place) = lent_to.filter(here) else { continue };
            if !self.may_change(place.process) || self.wake_some_borrowing(cpu, place) {
                return Some(self.call_again(caller));
            }
            self.thread(lender).cargo.take_away(index);
            let (flush, after) = self.take_place_back(place)?;
            if !self.flush_then(cpu, place.process, caller.thread, flush, after) {
                let _ = self.call_again(caller);
                self.wait_as_owner(cpu, now, place.process);
                return Some(Outcome::Settled);
            }
            self.thread(lender).cargo.has_come_back(index);
        }
        None
    }

    /// Whoever waits at words of pages that are taken back hears of it, a few a step; says whether there may be more.
    fn wake_some_borrowing(&mut self, cpu: &mut M::Cpu, place: Place) -> bool {
        !place.taken && self.wake_some_within(cpu, place.process, place.pages)
    }

    /// Takes what is lent from where it appears a second time, unless that has been done: then something else may be there.
    fn take_place_back(&mut self, place: Place) -> Option<(Flush, After)> {
        let (space, mut means) = self.space_of(place.process)?;
        if place.taken {
            return Some((Flush::NONE, After::Nothing));
        }
        let (pages, mut at) = (place.pages, place.pages.start());
        let flush = space
            .unmap(&mut means, &mut at, pages.end(), Whose::Foreign)
            .unwrap_or_else(|error| unreachable!("what is lent is whole pages (MEM-21): {error:?}"));
        let after = if flush.is_none() { After::Prune(pages) } else { After::Unmap(pages) };
        Some((flush, after))
    }

    /// What a thread has lent whose process has ended is taken back: one step of the reaper. `None` if there is nothing
    /// left, else whether there is more to do now: otherwise the reaper is called when there is.
    #[cold]
    pub(crate) fn take_loans_back(&mut self, cpu: &mut M::Cpu, thread: u32) -> Option<bool> {
        while let Some(part) = self.thread(thread).cargo.first() {
            if let Some(place) = part.lent_to.filter(|place| self.is_place(*place))
                && let Some(more) = self.take_loan_back(cpu, thread, place)
            {
                return Some(more);
            }
            let home = self.thread(thread).process;
            if part.passage.is_lent()
                && let Some((space, mut means)) = self.space_of(home)
            {
                space.unload(&mut means, part.pages, part.passage);
            }
            self.thread(thread).cargo.drop_first();
        }
        None
    }

    fn take_loan_back(&mut self, cpu: &mut M::Cpu, thread: u32, place: Place) -> Option<bool> {
        let (lender, borrower) = (self.thread(thread).process, place.process);
        if self.process(borrower).round.is_some() {
            let is_first = self.process(borrower).lender == NONE;
            if is_first {
                self.process(borrower).lender = lender;
            }
            return Some(!is_first);
        }
        if !self.may_change(borrower) || self.wake_some_borrowing(cpu, place) {
            return Some(true);
        }
        self.thread(thread).cargo.take_away(0);
        let (flush, after) = self.take_place_back(place)?;
        if self.flush_then(cpu, borrower, reaper::THREAD, flush, after) {
            return None;
        }
        self.process(borrower).lender = lender;
        Some(false)
    }
}
