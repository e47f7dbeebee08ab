//! Long work: what a thread has asked for and has not got yet. Each step is one entry of the kernel.

use coldframe_abi::{CapabilityHandle, CapabilityKind, Counter, Error, Instant, PageRights, Passage};
use coldframe_hal::paging::Entry;
use coldframe_hal::{Machine, Store};
use coldframe_memory::{Flush, Means, Pages, Repair, SpaceError, Teardown, Whose};
use coldframe_scheduler::NONE;

use crate::calls::Caller;
use crate::{After, Kernel, Mapping, Unloading};

/// How many capabilities one step of a revocation takes away, if there are fewer CPUs.
const REVOKED_A_STEP: u32 = 32;

/// What is done with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// It is reserved.
    Reserve(PageRights),
    /// It becomes resident.
    Fill,
    /// It goes.
    Unmap,
    /// It gets other rights.
    Protect(PageRights),
    /// It goes to another address.
    Move {
        /// The address of the first page.
        to: u64,
    },
    /// It appears a second time.
    Copy {
        /// The address of the first page.
        to: u64,
    },
    /// A mapping appears there.
    Map {
        /// Its record.
        mapping: u32,
    },
    /// It is handed over to an object.
    HandOver {
        /// The record of the mapping that it becomes.
        mapping: u32,
    },
    /// It is taken back from an object.
    TakeBack {
        /// The record of the mapping that it has become.
        mapping: u32,
    },
    /// A mapping goes.
    UnmapMapping {
        /// Its record.
        mapping: u32,
    },
    /// An object goes, and its mappings first.
    Destroy {
        /// The object.
        object: u32,
        /// The mapping that is going.
        mapping: u32,
    },
    /// What was derived from a capability goes.
    Revoke {
        /// The capability.
        capability: u32,
        /// Which of its row: its holder may give it up meanwhile.
        generation: u32,
        /// The mapping that is going.
        mapping: u32,
    },
    /// It is made ready to go along with a message.
    Load {
        /// Which range of the message it is.
        part: u8,
        /// How it goes along.
        passage: Passage,
    },
    /// What has gone along with a message, or has not, is taken back.
    Unload {
        /// How far that has come.
        step: Unloading,
        /// Whether the call is made once more then.
        again: bool,
    },
    /// That has been done: the answer was there before.
    Unloaded,
    /// There is nothing more to do.
    Done,
    /// The call is made once more: what it found on its way was not settled.
    Call,
}

/// What a thread has asked for, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// What is done.
    pub(crate) task: Task,
    /// In whose space.
    pub(crate) process: u32,
    /// With which pages.
    pub(crate) pages: Pages,
    /// Up to where it is done.
    pub(crate) at: u64,
    /// What the caller hears in the end.
    pub(crate) answer: Result<u64, Error>,
}

impl Work {
    /// Work that has not begun.
    pub(crate) const fn new(task: Task, process: u32, pages: Pages) -> Self {
        Self { task, process, pages, at: pages.start(), answer: Ok(0) }
    }

    /// In whose space it is done.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.process
    }

    /// What is done.
    #[must_use]
    pub const fn task(&self) -> Task {
        self.task
    }

    /// Which pages it is about to take away.
    pub(crate) fn leaving(&self) -> Pages {
        match self.task {
            Task::Unmap
            | Task::Protect(PageRights::None)
            | Task::Move { .. }
            | Task::UnmapMapping { .. }
            | Task::Destroy { .. }
            | Task::Load { passage: Passage::Moved, .. }
            | Task::Unload { step: Unloading::Away, .. }
            | Task::Revoke { .. } => self.pages.from(self.at),
            _ => Pages::NONE,
        }
    }

    const fn is_done(&self) -> bool {
        match self.task {
            Task::Done | Task::Unloaded => true,
            Task::Call | Task::Destroy { .. } | Task::Revoke { .. } | Task::Unload { .. } => false,
            _ => self.pages.from(self.at).is_empty(),
        }
    }

    /// The pages that the last step has been at.
    const fn since(&self, start: u64) -> Pages {
        self.pages.from(start).until(self.at)
    }
}

/// What a program hears of it.
pub(crate) const fn told(error: SpaceError) -> Error {
    match error {
        SpaceError::BadAddress(_) | SpaceError::NoRights => Error::BadAddress,
        SpaceError::Occupied(_) => Error::Occupied,
        SpaceError::NotMapped(_) => Error::NotMapped,
        SpaceError::Foreign(_) => Error::Foreign,
        SpaceError::Busy(_) => Error::Busy,
        SpaceError::OverBudget => Error::OverBudget,
        SpaceError::Frames(_) => Error::NoMemory,
    }
}

impl<M: Machine> Kernel<M> {
    /// One step of the work of the thread that runs here.
    pub(crate) fn work_step(&mut self, cpu: &mut M::Cpu, now: Instant, thread: u32) {
        let Some(mut work) = self.thread(thread).work else { return };
        if matches!(work.task, Task::Done | Task::Unloaded) {
            self.finish_work(cpu, thread);
            return;
        }
        let process = work.process;
        if !self.may_change(process) {
            self.wait_for_round(cpu, now, process);
            return;
        }
        if !self.process(process).words.is_empty() && self.wake_leaving(cpu, thread) {
            return;
        }
        if matches!(work.task, Task::Call) {
            self.thread(thread).work = None;
            let caller = Caller { thread, process };
            let _ = self.syscall(cpu, now, caller);
            return;
        }
        let was_step = match work.task {
            Task::Destroy { .. } => self.next_of_object(cpu, thread, &mut work),
            Task::Revoke { .. } => self.next_derived(cpu, thread, &mut work),
            // If the pages of another space are next, that is looked at first.
            Task::Unload { .. } => self.next_to_unload(thread, &mut work) || work.process != process,
            _ => false,
        };
        if was_step {
            self.thread(thread).work = Some(work);
            self.finish_work(cpu, thread);
            return;
        }
        let start = work.at;
        let (flush, after) = match self.step_of(thread, &mut work) {
            Ok((flush, Some(after))) => (flush, after),
            Ok((flush, None)) => {
                let after = after(&work, start, flush.is_none());
                (flush, after)
            }
            Err(error) => self.give_up(process, &mut work, error),
        };
        self.thread(thread).work = Some(work);
        if self.flush_then(cpu, process, thread, flush, after) {
            self.finish_work(cpu, thread);
        } else {
            self.wait_as_owner(cpu, now, process);
        }
    }

    fn step_of(&mut self, thread: u32, work: &mut Work) -> Result<(Flush, Option<After>), SpaceError> {
        let process = work.process;
        match work.task {
            Task::HandOver { mapping } | Task::TakeBack { mapping } => {
                return self.hand_over(process, work, mapping);
            }
            Task::Load { part, passage } => return self.load_step(thread, work, part, passage),
            Task::Unload { step, .. } => {
                return self.unload_step(thread, work, step).map(|flush| (flush, None));
            }
            _ => {}
        }
        let Some((space, mut means)) = self.space_of(process) else {
            unreachable!("a space in which somebody works is there (KRN-14)")
        };
        let (pages, at) = (work.pages, &mut work.at);
        match work.task {
            Task::Reserve(rights) => {
                space.reserve(&mut means, at, pages, Entry::Lazy(rights)).map(|()| Flush::NONE)
            }
            Task::Fill => space.fill(&mut means, at, pages).map(|()| Flush::NONE),
            Task::Unmap => space.unmap(&mut means, at, pages.end(), Whose::Own),
            Task::Protect(rights) => space.protect(&mut means, at, pages.end(), rights),
            Task::Move { to } => space.relocate(&mut means, at, pages, to),
            Task::Copy { to } => {
                let target = space.target(pages.moved(to), None);
                space.duplicate(&mut means, at, pages, target)
            }
            Task::Map { mapping } => {
                space.reserve(&mut means, at, pages, Entry::Promised(mapping)).map(|()| Flush::NONE)
            }
            Task::UnmapMapping { .. } | Task::Destroy { .. } | Task::Revoke { .. } => {
                space.unmap(&mut means, at, pages.end(), Whose::Foreign)
            }
            Task::HandOver { .. }
            | Task::TakeBack { .. }
            | Task::Load { .. }
            | Task::Unload { .. }
            | Task::Unloaded
            | Task::Done
            | Task::Call => {
                unreachable!("{:?} is no step", work.task)
            }
        }
        .map(|flush| (flush, None))
    }

    /// Something is in the way. What was reserved so far goes again: it was empty before. Moves and copies stay where
    /// they have come to. Tables that were made for what did not come go at once.
    fn give_up(&mut self, process: u32, work: &mut Work, error: SpaceError) -> (Flush, After) {
        // Why it failed in the first place, not what was in the way of undoing it.
        let answer = work.answer.and(Err(told(error)));
        let Some((space, mut means)) = self.space_of(process) else {
            unreachable!("a space in which somebody works is there (KRN-14)")
        };
        let target = match work.task {
            Task::Reserve(_) => work.pages,
            Task::Copy { to } | Task::Move { to } => work.pages.moved(to),
            Task::Fill => {
                space.stop_filling(&mut means, work.pages);
                work.pages
            }
            _ => work.pages,
        };
        let stopped = target.start() + (work.at - work.pages.start());
        let (unlinked, flush) = space.prune(&mut means, target.from(stopped));
        *work = match work.task {
            Task::Reserve(_) => {
                let done = target.until(stopped);
                Work { task: Task::Unmap, pages: done, at: done.start(), answer, ..*work }
            }
            Task::Map { mapping } => {
                let done = target.until(stopped);
                Work { task: Task::UnmapMapping { mapping }, pages: done, at: done.start(), answer, ..*work }
            }
            Task::HandOver { mapping } => self.stop_hand_over(mapping, target.until(stopped), answer),
            Task::Load { .. } => {
                let task = Task::Unload { step: Unloading::Begins, again: false };
                Work { task, pages: Pages::NONE, at: 0, answer, ..*work }
            }
            _ => Work { at: work.pages.end(), answer, ..*work },
        };
        (flush, After::Reclaim(unlinked))
    }

    /// Goes on to the next mapping of an object that is going, or to its pages; says whether this was the step.
    fn next_of_object(&mut self, cpu: &mut M::Cpu, thread: u32, work: &mut Work) -> bool {
        let Task::Destroy { object, mapping } = work.task else { return false };
        if !work.pages.from(work.at).is_empty() {
            return false;
        }
        if mapping != NONE {
            self.leave_mapping(cpu, mapping);
        }
        if !self.object_row(object).words.is_empty() && self.wake_those_at(cpu, object) {
            return true;
        }
        let next = self.object_row(object).first_mapping;
        work.task = Task::Destroy { object, mapping: next };
        if next != NONE {
            self.set_worker(next, thread);
            self.begin_with(work, next);
        } else if self.take_down_object(object) == Teardown::Done {
            work.task = Task::Done;
        }
        true
    }

    /// Forgets a mapping whose pages have gone; the reaper may have waited for that.
    fn leave_mapping(&mut self, cpu: &mut M::Cpu, mapping: u32) {
        let process = self.mapping_row(mapping).process;
        self.forget_mapping(mapping);
        if self.process(process).ended.is_some() {
            self.call_reaper(cpu, process);
        }
    }

    /// Goes on with the pages of a mapping, in whose space they are.
    fn begin_with(&mut self, work: &mut Work, mapping: u32) {
        let Mapping { process, view, .. } = *self.mapping_row(mapping);
        (work.process, work.pages, work.at) = (process, view.pages, view.pages.start());
    }

    /// Goes on to the next mapping among what was derived from a capability, and takes away what else there is, a few
    /// a step; says whether this was the step. Copies that others make meanwhile are fewer than that (CAP-6).
    fn next_derived(&mut self, cpu: &mut M::Cpu, thread: u32, work: &mut Work) -> bool {
        let Task::Revoke { capability, generation, mapping } = work.task else { return false };
        if !work.pages.from(work.at).is_empty() {
            return false;
        }
        if mapping != NONE {
            self.leave_mapping(cpu, mapping);
        }
        *work = Work {
            answer: work.answer,
            ..Work::new(
                Task::Revoke { capability, generation, mapping: NONE },
                self.thread(thread).process,
                Pages::NONE,
            )
        };
        let row = self.capability(capability);
        if row.generation() != generation || row.holder().is_none() {
            // Its holder has given it up meanwhile: what was derived from it is somebody else's to take away.
            (work.task, work.answer) = (Task::Done, Err(Error::BadHandle));
            return true;
        }
        let mut left = REVOKED_A_STEP.max(u32::from(self.cpus) + 1);
        loop {
            left -= self.take_away_derived(capability, left);
            if left == 0 {
                return true;
            }
            left -= 1;
            let Some(last) = self.capability(capability).last_derived() else {
                work.task = Task::Done;
                return true;
            };
            if let Some(user) = self.capability(last).users() {
                self.wake_user(cpu, last, user);
                continue;
            }
            let target = self.capability(last).target();
            if target.kind == CapabilityKind::Endpoint
                && let Some(thread) = self.left_alone(last)
            {
                self.wake_from_line(cpu, thread, Err(Error::PeerGone));
                continue;
            }
            if target.kind != CapabilityKind::Mapping {
                self.drop_capability(last);
                if target.kind == CapabilityKind::Object && self.is_orphan(target.row) {
                    // One of a device, that was made by an authority.
                    self.call_undertaker(target.row);
                }
                continue;
            }
            let mapping = target.row;
            let Mapping { object, worker, .. } = *self.mapping_row(mapping);
            if worker != NONE || self.object_row(object).dying {
                // Another thread is at it.
                (work.task, work.answer) = (Task::Done, Err(Error::Busy));
                return true;
            }
            self.set_worker(mapping, thread);
            work.task = Task::Revoke { capability, generation, mapping };
            self.begin_with(work, mapping);
            return true;
        }
    }

    /// Hands pages over to the object of a mapping, or takes them back.
    fn hand_over(
        &mut self,
        process: u32,
        work: &mut Work,
        mapping: u32,
    ) -> Result<(Flush, Option<After>), SpaceError> {
        let Self { machine, frames, processes, objects, mappings, .. } = self;
        let row = &mut processes.rows_mut()[process as usize];
        let object = mappings.rows()[mapping as usize].object;
        let object = objects.rows_mut()[object as usize].space.as_mut();
        let (Some(space), Some(object)) = (&mut row.space, object) else {
            unreachable!("an object is made of pages")
        };
        let mut means = Means { memory: machine, frames, budget: &mut row.budget };
        if work.task == (Task::TakeBack { mapping }) {
            space.take_back(&mut means, &mut work.at, work.pages, object)?;
            return Ok((Flush::NONE, None));
        }
        Ok(match space.hand_over(&mut means, &mut work.at, work.pages, object, mapping)? {
            None => (Flush::NONE, None),
            Some(repair) => made_private(repair),
        })
    }

    /// What has been handed over so far is taken back, and the object goes.
    fn stop_hand_over(&mut self, mapping: u32, done: Pages, answer: Result<u64, Error>) -> Work {
        let Mapping { object, process, .. } = *self.mapping_row(mapping);
        self.object_row(object).dying = true;
        // The name that the object had for the mapping's sake goes with it.
        let CapabilityHandle { slot, generation } = self.origin_of(mapping);
        if self.capability(slot).generation() == generation && self.capability(slot).holder().is_some() {
            self.drop_capability(slot);
        }
        Work { task: Task::TakeBack { mapping }, process, pages: done, at: done.start(), answer }
    }

    /// If nobody can name an object any more, it goes: by whoever pays for it, or else by the reaper.
    pub(crate) fn last_name_is_gone(&mut self, process: u32, object: u32) -> Option<Task> {
        if !self.is_orphan(object) {
            return None;
        }
        if self.object_row(object).process != process {
            self.call_undertaker(object);
            return None;
        }
        self.object_row(object).dying = true;
        Some(Task::Destroy { object, mapping: NONE })
    }

    /// The space that a thread works in goes, and the mapping that it works at with it: it goes on with what is left.
    pub(crate) fn take_from_worker(&mut self, mapping: u32) {
        let worker = self.mapping_row(mapping).worker;
        self.set_worker(mapping, NONE);
        let home = self.thread(worker).process;
        let Some(work) = &mut self.thread(worker).work else { return };
        let (task, answer) = match work.task {
            Task::Destroy { object, .. } => (Task::Destroy { object, mapping: NONE }, work.answer),
            Task::Revoke { capability, generation, .. } => {
                (Task::Revoke { capability, generation, mapping: NONE }, work.answer)
            }
            _ => (Task::Done, Err(Error::BadState)),
        };
        *work = Work { answer, ..Work::new(task, home, Pages::NONE) };
    }

    /// What a thread that ends was working on is left as it is; whoever ended it, or the reaper, sees to the rest.
    pub(crate) fn abandon_work(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let Some(work) = self.thread(thread).work.take() else { return };
        let mapping = match work.task {
            Task::Map { mapping }
            | Task::HandOver { mapping }
            | Task::TakeBack { mapping }
            | Task::UnmapMapping { mapping }
            | Task::Destroy { mapping, .. }
            | Task::Revoke { mapping, .. } => mapping,
            _ => NONE,
        };
        if mapping != NONE && self.mapping_row(mapping).worker == thread {
            self.set_worker(mapping, NONE);
        }
        if self.process(work.process).ended.is_some() {
            self.call_reaper(cpu, work.process);
        }
    }

    /// Answers the caller if its work is done.
    pub(crate) fn finish_work(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let Some(mut work) = self.thread(thread).work.filter(Work::is_done) else {
            self.unload_on(cpu, thread);
            return;
        };
        match work.task {
            Task::Load { part, .. } => {
                self.load_part(cpu, thread, usize::from(part) + 1);
                return;
            }
            Task::Map { mapping } | Task::HandOver { mapping } => {
                let object = self.mapping_row(mapping).object;
                self.object_row(object).arriving = false;
                self.set_worker(mapping, NONE);
                if self.process(work.process).ended.is_some() {
                    self.call_reaper(cpu, work.process);
                }
            }
            Task::UnmapMapping { mapping } => {
                let (object, caller) = (self.mapping_row(mapping).object, self.thread(thread).process);
                self.leave_mapping(cpu, mapping);
                if let Some(task) = self.last_name_is_gone(caller, object) {
                    self.thread(thread).work = Some(Work { task, pages: Pages::NONE, at: 0, ..work });
                    return;
                }
            }
            Task::TakeBack { mapping } => {
                let object = self.mapping_row(mapping).object;
                work = Work { task: Task::Destroy { object, mapping }, pages: Pages::NONE, at: 0, ..work };
                self.thread(thread).work = Some(work);
                return;
            }
            _ => {}
        }
        let process = work.process;
        self.thread(thread).work = None;
        if work.task == Task::Fill
            && let Some((space, mut means)) = self.space_of(process)
        {
            space.stop_filling(&mut means, work.pages);
        }
        if work.answer == Err(Error::BadHandle) && work.task != Task::Unloaded && !self.has_ended(thread) {
            self.count(thread, Counter::Refusals);
        }
        self.answer(cpu, thread, work.answer);
    }
}

/// What is left to do for a shared page that gets a frame of its own.
pub(crate) fn made_private(repair: Repair) -> (Flush, Option<After>) {
    match repair {
        Repair::Copying { page, frame, flush } => (flush, Some(After::Copy { page, frame })),
        Repair::Done(flush) => (flush, Some(After::Nothing)),
        other => unreachable!("a page is made private: {other:?}"),
    }
}

fn after(work: &Work, start: u64, untouched: bool) -> After {
    let pages = work.since(start);
    match work.task {
        Task::Unmap
        | Task::UnmapMapping { .. }
        | Task::Destroy { .. }
        | Task::Revoke { .. }
        | Task::Unload { .. } => {
            if untouched {
                After::Prune(pages)
            } else {
                After::Unmap(pages)
            }
        }
        Task::Move { to } => After::Move { pages, to: to + (start - work.pages.start()) },
        _ => After::Nothing,
    }
}
