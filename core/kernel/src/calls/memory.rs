//! Calls about the pages of the caller's address space.

use coldframe_abi::{Error, MemoryUse, PageKind, PageRights, PageState, UserAddress, UserRange};
use coldframe_hal::Machine;
use coldframe_hal::paging::{Entry, Leaf, Ownership};
use coldframe_memory::Pages;

use super::{Caller, Outcome};
use crate::{Kernel, Task, Work};

impl<M: Machine> Kernel<M> {
    /// Lets the caller work on a range.
    pub(super) fn memory_work(&mut self, caller: Caller, range: UserRange, task: Task) -> Outcome {
        let Some(pages) = Pages::check::<M::Paging>(range.start.0, range.length) else {
            return Err::<u64, _>(Error::BadAddress).into();
        };
        if let Task::Move { to } | Task::Copy { to } = task {
            // Where both had a page in common, what arrives would leave again.
            let fits = Pages::check::<M::Paging>(to, range.length).is_some_and(|target| !target.meets(pages));
            if !fits {
                return Err::<u64, _>(Error::BadAddress).into();
            }
        }
        self.thread(caller.thread).work = Some(Work::new(task, pages));
        Outcome::Settled
    }

    /// What the call needs is on its way: it is made once more when that has arrived.
    pub(super) fn call_again(&mut self, caller: Caller) -> Outcome {
        self.thread(caller.thread).work = Some(Work::AGAIN);
        Outcome::Settled
    }

    pub(super) fn memory_query(&mut self, caller: Caller, address: UserAddress) -> Result<u64, Error> {
        let (space, means) = self.space_of(caller.process).ok_or(Error::BadAddress)?;
        let (entry, _) = space.query(means.memory, address).ok_or(Error::BadAddress)?;
        Ok(state_of(entry).to_word())
    }

    pub(super) fn memory_use(&mut self, caller: Caller) -> u64 {
        let budget = &self.process(caller.process).budget;
        let pages = |frames: u64| u32::try_from(frames).unwrap_or(u32::MAX);
        MemoryUse { used: pages(budget.used()), limit: pages(budget.limit()) }.to_word()
    }
}

fn state_of(entry: Entry) -> PageState {
    let page = |leaf: Leaf, rights| PageState {
        kind: match leaf.ownership {
            Ownership::Private => PageKind::Own,
            Ownership::Copied | Ownership::CopiedReadOnly => PageKind::Shared,
            Ownership::Foreign => PageKind::Object,
        },
        rights,
    };
    match entry {
        Entry::Page(leaf) => page(leaf, leaf.granted()),
        Entry::Closed(leaf) => page(leaf, PageRights::None),
        Entry::Leaving(leaf) if leaf.ownership == Ownership::Copied => page(leaf, leaf.granted()),
        Entry::Lazy(rights) => PageState { kind: PageKind::Lazy, rights },
        Entry::Promised(_) => PageState { kind: PageKind::Object, rights: PageRights::Read },
        Entry::Empty | Entry::Table(_) | Entry::Leaving(_) | Entry::Arriving => PageState::default(),
    }
}
