//! Calls about the pages of the caller's address space.

use coldframe_abi::{
    Authority, CapabilityHandle, CapabilityKind, CapabilityRights, EndpointHandle, Error, MappingHandle,
    MemoryUse, ObjectHandle, PageKind, PageRights, PageState, UserAddress, UserRange,
};
use coldframe_capability::GROUND;
use coldframe_hal::paging::{Cache, Entry, Leaf, Ownership};
use coldframe_hal::{FRAME_BYTES, FrameRun, Machine, Store};
use coldframe_memory::{Pages, View};
use coldframe_scheduler::NONE;

use super::machine::SEE_CLOCK;
use super::{Caller, Outcome};
use crate::work::told;
use crate::{Kernel, Mapping, Task, Work};

/// How far below whoever pays for an object a process can be that it is shown to.
const DEEPEST: usize = 32;

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
        self.thread(caller.thread).work = Some(Work::new(task, caller.process, pages));
        Outcome::Settled
    }

    pub(super) fn object_create(&mut self, caller: Caller, length: u64) -> Result<u64, Error> {
        Pages::check::<M::Paging>(0, length).ok_or(Error::BadArgument)?;
        let (_, capability) = self.make_object(caller.process, length).map_err(told)?;
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn object_from_range(&mut self, caller: Caller, range: UserRange) -> Outcome {
        let Some(pages) = Pages::check::<M::Paging>(range.start.0, range.length) else {
            return Err::<u64, _>(Error::BadAddress).into();
        };
        let (object, capability) = match self.make_object(caller.process, range.length) {
            Ok(object) => object,
            Err(error) => return Err::<u64, _>(told(error)).into(),
        };
        // Each page keeps its own rights; what was lazy can be read and written.
        let view = View { pages, offset: 0, rights: PageRights::ReadWrite };
        let work = match self.make_mapping(caller.process, object, capability, view, caller.thread) {
            Ok(mapping) => {
                self.object_row(object).arriving = true;
                let answer = Ok(self.mapping_handle(mapping));
                Work { answer, ..Work::new(Task::HandOver { mapping }, caller.process, pages) }
            }
            Err(error) => {
                self.object_row(object).dying = true;
                self.drop_capability(capability);
                let answer = Err(told(error));
                Work {
                    answer,
                    ..Work::new(Task::Destroy { object, mapping: NONE }, caller.process, Pages::NONE)
                }
            }
        };
        self.thread(caller.thread).work = Some(work);
        Outcome::Settled
    }

    /// Maps a part of an object into a space, the caller's or another.
    pub(super) fn object_map(
        &mut self,
        caller: Caller,
        process: u32,
        handle: ObjectHandle,
        offset: u64,
        range: UserRange,
        rights: PageRights,
    ) -> Outcome {
        match self.new_mapping(caller, process, handle, offset, range, rights) {
            Ok(work) => {
                self.thread(caller.thread).work = Some(work);
                Outcome::Settled
            }
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    /// Whether a process ends before another does, or is that: what shows an object goes before whoever pays for it.
    fn is_below(&mut self, process: u32, payer: u32) -> bool {
        let mut at = process;
        for _ in 0..DEEPEST {
            if at == payer {
                return true;
            }
            if at == NONE {
                return false;
            }
            at = self.process(at).parent;
        }
        false
    }

    fn new_mapping(
        &mut self,
        caller: Caller,
        process: u32,
        handle: ObjectHandle,
        offset: u64,
        range: UserRange,
        rights: PageRights,
    ) -> Result<Work, Error> {
        let writes = if rights.writes() { CapabilityRights::WRITE } else { CapabilityRights::NONE };
        let executes = if rights.executes() { CapabilityRights::EXECUTE } else { CapabilityRights::NONE };
        let needed = CapabilityRights::READ.and(writes).and(executes);
        let object = self.target(caller, handle, CapabilityKind::Object, needed)?;
        let payer = self.object_row(object).process;
        if !self.is_below(process, payer) {
            return Err(Error::NoRight);
        }
        let pages = Pages::check::<M::Paging>(range.start.0, range.length).ok_or(Error::BadAddress)?;
        let end = offset.checked_add(range.length).ok_or(Error::BadArgument)?;
        if !offset.is_multiple_of(FRAME_BYTES)
            || end > self.object_row(object).length
            || rights == PageRights::None
        {
            return Err(Error::BadArgument);
        }
        let view = View { pages, offset, rights };
        let mapping = self.make_mapping(process, object, handle.slot, view, caller.thread).map_err(told)?;
        let answer = Ok(self.mapping_handle(mapping));
        Ok(Work { answer, ..Work::new(Task::Map { mapping }, process, pages) })
    }

    /// Shows the clock page in the caller's space. The object that it is goes with the mapping.
    pub(super) fn clock_map(&mut self, caller: Caller, address: UserAddress) -> Outcome {
        match self.new_clock(caller, address) {
            Ok(work) => {
                self.thread(caller.thread).work = Some(work);
                Outcome::Settled
            }
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    fn new_clock(&mut self, caller: Caller, address: UserAddress) -> Result<Work, Error> {
        self.may(caller.process, Authority::Clock, SEE_CLOCK)?;
        let pages = Pages::check::<M::Paging>(address.0, FRAME_BYTES).ok_or(Error::BadAddress)?;
        let run = FrameRun { start: self.clock_page, count: 1 };
        let range = (run, Cache::Normal);
        let unnamed = (GROUND, CapabilityRights::NONE);
        let (object, name) = self.make_range(caller.process, range, unnamed).map_err(told)?;
        let view = View { pages, offset: 0, rights: PageRights::Read };
        let mapping = self.make_mapping(caller.process, object, name, view, caller.thread);
        self.drop_capability(name);
        let mapping = mapping.map_err(|error| {
            self.call_undertaker(object);
            told(error)
        })?;
        let answer = Ok(self.mapping_handle(mapping));
        Ok(Work { answer, ..Work::new(Task::Map { mapping }, caller.process, pages) })
    }

    /// The whole mapping that a handle of the caller names, if its object is not going.
    fn mapping_named(
        &mut self,
        caller: Caller,
        handle: impl Into<CapabilityHandle>,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let mapping = self.target(caller, handle, CapabilityKind::Mapping, rights)?;
        let Mapping { object, worker, .. } = *self.mapping_row(mapping);
        if worker == NONE && !self.object_row(object).dying { Ok(mapping) } else { Err(Error::BadHandle) }
    }

    fn mapping_handle(&self, mapping: u32) -> u64 {
        self.handle_of(self.mappings.rows()[mapping as usize].capability).to_word()
    }

    /// Names the capability from which a mapping was made, if the caller has that still.
    pub(super) fn mapping_object(&mut self, caller: Caller, handle: MappingHandle) -> Result<u64, Error> {
        let mapping = self.mapping_named(caller, handle, CapabilityRights::INSPECT)?;
        let origin = self.origin_of(mapping);
        self.held(caller, origin)?;
        Ok(origin.to_word())
    }

    pub(super) fn mapping_unmap(&mut self, caller: Caller, handle: impl Into<CapabilityHandle>) -> Outcome {
        let mapping = match self.mapping_named(caller, handle, CapabilityRights::MANAGE) {
            Ok(mapping) => mapping,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        self.set_worker(mapping, caller.thread);
        let pages = self.mapping_row(mapping).view.pages;
        let work = Work::new(Task::UnmapMapping { mapping }, caller.process, pages);
        self.thread(caller.thread).work = Some(work);
        Outcome::Settled
    }

    /// Whoever is to be told of the end of an object's last mapping: the last one who wanted, unless another's name stands.
    pub(super) fn object_notify(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ObjectHandle,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Outcome {
        match self.take_bell_of_object(caller, handle, endpoint, bits) {
            // There is none.
            Ok(object)
                if self.object_row(object).first_mapping == NONE && !self.ring_for_object(cpu, object) =>
            {
                self.call_again(caller)
            }
            done => done.map(|_| ()).into(),
        }
    }

    fn take_bell_of_object(
        &mut self,
        caller: Caller,
        handle: ObjectHandle,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Result<u32, Error> {
        let object = self.target(caller, handle, CapabilityKind::Object, CapabilityRights::INSPECT)?;
        let old = self.object_row(object).bell;
        self.object_row(object).bell = self.bell_after(old, caller, endpoint, bits)?;
        Ok(object)
    }

    pub(super) fn object_destroy(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ObjectHandle,
    ) -> Outcome {
        let object = match self.target(caller, handle, CapabilityKind::Object, CapabilityRights::MANAGE) {
            Ok(object) => object,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        // Who pays for it, or nobody: another may end in the middle of it.
        if self.object_row(object).process != caller.process {
            return Err::<u64, _>(Error::NoRight).into();
        }
        if self.object_row(object).changing > 0 {
            return Err::<u64, _>(Error::Busy).into();
        }
        if self.wake_users(cpu, handle.slot) {
            return self.call_again(caller);
        }
        self.object_row(object).dying = true;
        self.drop_capability(handle.slot);
        let task = Task::Destroy { object, mapping: NONE };
        self.thread(caller.thread).work = Some(Work::new(task, caller.process, Pages::NONE));
        Outcome::Settled
    }

    /// What the call needs is on its way: it is made once more when that has arrived.
    pub(crate) fn call_again(&mut self, caller: Caller) -> Outcome {
        self.thread(caller.thread).work = Some(Work::new(Task::Call, caller.process, Pages::NONE));
        Outcome::Settled
    }

    pub(super) fn memory_query(&mut self, caller: Caller, address: UserAddress) -> Result<u64, Error> {
        let (space, means) = self.space_of(caller.process).ok_or(Error::BadAddress)?;
        let (entry, _) = space.query(means.memory, address).ok_or(Error::BadAddress)?;
        let mut state = state_of(entry);
        if let Entry::Promised(mapping) = entry {
            state.rights = self.mapping_row(mapping).view.rights;
        }
        Ok(state.to_word())
    }

    pub(super) fn memory_use(&mut self, process: u32) -> u64 {
        let budget = &self.process(process).budget;
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
        Entry::Promised(_) => PageState { kind: PageKind::Object, rights: PageRights::None },
        Entry::Empty | Entry::Table(_) | Entry::Leaving(_) | Entry::Arriving => PageState::default(),
    }
}
