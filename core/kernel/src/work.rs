//! Long work: what a thread has asked for and has not got yet. Each step is one entry of the kernel.

use coldframe_abi::{Error, Instant, PageRights};
use coldframe_hal::Machine;
use coldframe_memory::{Flush, Pages, SpaceError};

use crate::{After, Kernel};

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
    /// The call is made once more: what it found on its way was not settled.
    Call,
}

/// What a thread has asked for, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// What is done.
    pub(crate) task: Task,
    /// With which pages.
    pub(crate) pages: Pages,
    /// Up to where it is done.
    pub(crate) at: u64,
    /// What the caller hears in the end.
    pub(crate) answer: Result<u64, Error>,
}

impl Work {
    /// Work that has not begun.
    pub(crate) const fn new(task: Task, pages: Pages) -> Self {
        Self { task, pages, at: pages.start(), answer: Ok(0) }
    }

    /// A call that is made once more.
    pub(crate) const AGAIN: Self = Self::new(Task::Call, Pages::NONE);

    /// What is done.
    #[must_use]
    pub const fn task(&self) -> Task {
        self.task
    }

    const fn is_done(&self) -> bool {
        !matches!(self.task, Task::Call) && self.pages.from(self.at).is_empty()
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
        let process = self.thread(thread).process;
        let Some(mut work) = self.thread(thread).work else { return };
        if !self.may_change(process) {
            self.wait_for_round(cpu, now, process);
            return;
        }
        if work.task == Task::Call {
            self.thread(thread).work = None;
            self.syscall(cpu, now);
            return;
        }
        let start = work.at;
        let (flush, after) = match self.step_of(process, &mut work) {
            Ok(flush) => (flush, after(&work, start)),
            Err(error) => self.give_up(process, &mut work, error),
        };
        self.thread(thread).work = Some(work);
        if self.flush_then(cpu, process, thread, flush, after) {
            self.finish_work(cpu, thread);
        } else {
            self.wait_as_owner(cpu, now);
        }
    }

    fn step_of(&mut self, process: u32, work: &mut Work) -> Result<Flush, SpaceError> {
        let Some((space, mut means)) = self.space_of(process) else {
            unreachable!("a process with a thread has a space")
        };
        let (pages, at) = (work.pages, &mut work.at);
        match work.task {
            Task::Reserve(rights) => space.reserve(&mut means, at, pages, rights).map(|()| Flush::NONE),
            Task::Fill => space.fill(&mut means, at, pages).map(|()| Flush::NONE),
            Task::Unmap => space.unmap(&mut means, at, pages.end()),
            Task::Protect(rights) => space.protect(&mut means, at, pages.end(), rights),
            Task::Move { to } => space.relocate(&mut means, at, pages, to),
            Task::Copy { to } => {
                let target = space.target(to, None);
                space.duplicate(&mut means, at, pages, target)
            }
            Task::Call => unreachable!("a call is no step"),
        }
    }

    /// Something is in the way. What was reserved so far goes again: it was empty before. Moves and copies stay where
    /// they have come to. Tables that were made for what did not come go at once.
    fn give_up(&mut self, process: u32, work: &mut Work, error: SpaceError) -> (Flush, After) {
        let answer = Err(told(error));
        let Some((space, mut means)) = self.space_of(process) else {
            unreachable!("a process with a thread has a space")
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
                Work { task: Task::Unmap, pages: done, at: done.start(), answer }
            }
            _ => Work { at: work.pages.end(), answer, ..*work },
        };
        (flush, After::Reclaim(unlinked))
    }

    /// Answers the caller if its work is done.
    pub(crate) fn finish_work(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let Some(work) = self.thread(thread).work.filter(Work::is_done) else { return };
        let process = self.thread(thread).process;
        self.thread(thread).work = None;
        if work.task == Task::Fill
            && let Some((space, mut means)) = self.space_of(process)
        {
            space.stop_filling(&mut means, work.pages);
        }
        self.answer(cpu, thread, work.answer);
    }
}

fn after(work: &Work, start: u64) -> After {
    let pages = work.since(start);
    match work.task {
        Task::Unmap => After::Unmap(pages),
        Task::Move { to } => After::Move { pages, to: to + (start - work.pages.start()) },
        _ => After::Nothing,
    }
}
