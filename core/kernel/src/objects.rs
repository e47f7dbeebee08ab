//! Memory objects and the mapping records that show them, as objects of the kernel.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, ObjectHandle};
use coldframe_capability::{GROUND, Target};
use coldframe_hal::paging::{Cache, Rights};
use coldframe_hal::{Access, FrameRun, Machine, Store};
use coldframe_ipc::Queue;
use coldframe_memory::{AddressSpace, FrameError, Means, Pages, SpaceError, Teardown, View};
use coldframe_scheduler::NONE;

use crate::capabilities::{OF_MAPPING, OF_OBJECT};
use crate::tables::grow_to;
use crate::{Bell, Kernel};

/// A memory object: pages of its own, or a range of physical memory.
#[derive(Clone, Debug)]
pub struct Object<F> {
    pub(crate) generation: u32,
    /// Whose it is; `NONE` if the row is free.
    pub(crate) process: u32,
    /// The neighbours among the objects of its process; `next` also links free rows.
    pub(crate) next: u32,
    previous: u32,
    /// Its pages; none, if it is a range of physical memory.
    pub(crate) space: Option<AddressSpace<F>>,
    /// Its frames and how they are reached, if it is one.
    pub(crate) range: Option<(FrameRun, Cache)>,
    /// How long it is, in bytes.
    pub(crate) length: u64,
    pub(crate) first_mapping: u32,
    /// How many of its mappings are being made or taken away: each has a thread that will look at it again.
    pub(crate) changing: u32,
    /// How many capabilities name it.
    pub(crate) capabilities: u32,
    /// The next one that nobody can name any more.
    pub(crate) next_orphan: u32,
    /// Its pages are still on their way from where it is made of: nobody can use its name yet.
    pub(crate) arriving: bool,
    /// It is going: nobody can name it any more.
    pub(crate) dying: bool,
    /// Who waits at words of it, by offset.
    pub(crate) words: Queue,
    /// Who is told when nothing of it is mapped any more.
    pub(crate) bell: Bell,
    /// Whether that is so, and the next one that it is so of.
    pub(crate) unshown: bool,
    pub(crate) next_unshown: u32,
}

impl<F> Default for Object<F> {
    fn default() -> Self {
        Self {
            generation: 0,
            process: NONE,
            next: NONE,
            previous: NONE,
            space: None,
            range: None,
            length: 0,
            first_mapping: NONE,
            changing: 0,
            capabilities: 0,
            next_orphan: NONE,
            arriving: false,
            dying: false,
            words: Queue::default(),
            bell: Bell::default(),
            unshown: false,
            next_unshown: NONE,
        }
    }
}

impl<F> Object<F> {
    /// Whose it is, if the row is in use.
    #[must_use]
    pub const fn process(&self) -> Option<u32> {
        if self.process == NONE { None } else { Some(self.process) }
    }

    /// Which object of this row it is, counted from one.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// How many capabilities name it.
    #[must_use]
    pub const fn capabilities(&self) -> u32 {
        self.capabilities
    }

    /// How long it is, in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Whether its pages are still on their way from where it is made of.
    #[must_use]
    pub const fn is_arriving(&self) -> bool {
        self.arriving
    }

    /// Whether nobody can name it any more.
    #[must_use]
    pub const fn is_dying(&self) -> bool {
        self.dying
    }

    /// Whether what names it finds it.
    #[inline]
    pub(crate) const fn can_be_named(&self) -> bool {
        self.process != NONE && !self.dying && !self.arriving
    }

    /// Who waits at words of it.
    #[must_use]
    pub const fn words(&self) -> &Queue {
        &self.words
    }

    /// Who is told when nothing of it is mapped any more.
    #[must_use]
    pub const fn bell(&self) -> Bell {
        self.bell
    }

    /// Whether the reaper is about to tell.
    #[must_use]
    pub const fn is_unshown(&self) -> bool {
        self.unshown
    }

    /// One of its mappings.
    #[must_use]
    pub const fn first_mapping(&self) -> Option<u32> {
        if self.first_mapping == NONE { None } else { Some(self.first_mapping) }
    }

    /// The table of its pages, unless it is a range of physical memory.
    #[must_use]
    pub const fn space(&self) -> Option<&AddressSpace<F>> {
        self.space.as_ref()
    }
}

/// A mapping record: which part of which object is where, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mapping {
    /// The one capability to it.
    pub(crate) capability: u32,
    /// In whose space; `NONE` if the row is free.
    pub(crate) process: u32,
    pub(crate) object: u32,
    /// The neighbours among those of the same object; `next` also links free rows.
    pub(crate) next_of_object: u32,
    previous_of_object: u32,
    /// The neighbours among those in the same space.
    next_of_process: u32,
    previous_of_process: u32,
    /// The thread that makes it or takes it away: it is not whole yet, or no longer.
    pub(crate) worker: u32,
    pub(crate) view: View,
}

// A record is a price that each mapping pays.
const _: () = assert!(size_of::<Mapping>() <= 64, "a mapping record has at most 64 bytes");

impl Default for Mapping {
    fn default() -> Self {
        Self {
            capability: NONE,
            process: NONE,
            object: NONE,
            next_of_object: NONE,
            previous_of_object: NONE,
            next_of_process: NONE,
            previous_of_process: NONE,
            worker: NONE,
            view: View { pages: Pages::NONE, offset: 0, rights: Rights::None },
        }
    }
}

impl Mapping {
    /// In whose space it is, if the row is in use.
    #[must_use]
    pub const fn process(&self) -> Option<u32> {
        if self.process == NONE { None } else { Some(self.process) }
    }

    /// The one capability to it.
    #[must_use]
    pub const fn capability(&self) -> u32 {
        self.capability
    }

    /// What it shows, and where.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// Of which object it shows a part.
    #[must_use]
    pub const fn object(&self) -> u32 {
        self.object
    }
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn object_row(&mut self, object: u32) -> &mut Object<M::Paging> {
        &mut self.objects.rows_mut()[object as usize]
    }

    pub(crate) fn mapping_row(&mut self, mapping: u32) -> &mut Mapping {
        &mut self.mappings.rows_mut()[mapping as usize]
    }

    /// Makes an object for a process; says which, and which capability names it.
    pub(crate) fn make_object(&mut self, process: u32, length: u64) -> Result<(u32, u32), SpaceError> {
        let capability = self.take_capability(process)?;
        match self.make_pages(process, length) {
            Ok(object) => {
                self.name_object(object, capability, GROUND, OF_OBJECT);
                Ok((object, capability))
            }
            Err(error) => {
                self.return_capability(capability);
                Err(error)
            }
        }
    }

    fn name_object(&mut self, object: u32, capability: u32, parent: u32, rights: CapabilityRights) {
        let generation = self.object_row(object).generation;
        let target = Target { kind: CapabilityKind::Object, row: object, generation };
        self.set_capability(capability, parent, target, rights, 0);
    }

    fn make_pages(&mut self, process: u32, length: u64) -> Result<u32, SpaceError> {
        let object = self.take_object_row()?;
        let Self { machine, frames, processes, .. } = self;
        let budget = &mut processes.rows_mut()[process as usize].budget;
        let space = match AddressSpace::detached(&mut Means { memory: machine, frames, budget }) {
            Ok(space) => space,
            Err(error) => {
                self.give_object_row(object);
                return Err(error);
            }
        };
        self.adopt_object(object, process, length);
        self.object_row(object).space = Some(space);
        Ok(object)
    }

    fn adopt_object(&mut self, object: u32, process: u32, length: u64) {
        let first = core::mem::replace(&mut self.process(process).first_object, object);
        let row = self.object_row(object);
        (row.process, row.length, row.next) = (process, length, first);
        if first != NONE {
            self.object_row(first).previous = object;
        }
    }

    /// Makes an object of physical memory that is not in charge of the kernel: the registers of a device, or memory
    /// that it reaches. Who may have one is for whoever boots to say.
    ///
    /// # Errors
    /// If there is no memory for the row.
    pub fn create_range_object(
        &mut self,
        process: crate::ProcessId,
        run: FrameRun,
        cache: Cache,
    ) -> Result<ObjectHandle, SpaceError> {
        let (_, capability) = self.make_range(process.0, (run, cache), (GROUND, OF_OBJECT))?;
        let CapabilityHandle { slot, generation } = self.handle_of(capability);
        Ok(ObjectHandle { slot, generation })
    }

    /// Makes an object of physical memory for a process, by a capability that allows that or by none; says which, and
    /// which capability names it.
    pub(crate) fn make_range(
        &mut self,
        process: u32,
        (run, cache): (FrameRun, Cache),
        (parent, rights): (u32, CapabilityRights),
    ) -> Result<(u32, u32), SpaceError> {
        let capability = self.take_capability(process)?;
        let object = match self.take_object_row() {
            Ok(object) => object,
            Err(error) => {
                self.return_capability(capability);
                return Err(error.into());
            }
        };
        self.adopt_object(object, process, run.count * coldframe_hal::FRAME_BYTES);
        self.object_row(object).range = Some((run, cache));
        self.name_object(object, capability, parent, rights);
        Ok((object, capability))
    }

    /// Makes a record of a part of an object in a space, as `from`, a capability to the object, allows.
    pub(crate) fn make_mapping(
        &mut self,
        process: u32,
        object: u32,
        from: u32,
        view: View,
        worker: u32,
    ) -> Result<u32, SpaceError> {
        let capability = self.take_capability(process)?;
        let mapping = match self.take_mapping_row() {
            Ok(mapping) => mapping,
            Err(error) => {
                self.return_capability(capability);
                return Err(error.into());
            }
        };
        let target = Target { kind: CapabilityKind::Mapping, row: mapping, generation: 0 };
        let origin = self.handle_of(from).to_word();
        self.set_capability(capability, from, target, OF_MAPPING, origin);
        self.mapping_row(mapping).capability = capability;
        let of_object = core::mem::replace(&mut self.object_row(object).first_mapping, mapping);
        let of_process = core::mem::replace(&mut self.process(process).first_mapping, mapping);
        let row = self.mapping_row(mapping);
        (row.process, row.object, row.view, row.worker) = (process, object, view, worker);
        (row.next_of_object, row.next_of_process) = (of_object, of_process);
        if of_object != NONE {
            self.mapping_row(of_object).previous_of_object = mapping;
        }
        if of_process != NONE {
            self.mapping_row(of_process).previous_of_process = mapping;
        }
        self.object_row(object).changing += 1;
        Ok(mapping)
    }

    /// A thread begins to make a mapping or to take it away, or it is whole.
    pub(crate) fn set_worker(&mut self, mapping: u32, worker: u32) {
        let row = self.mapping_row(mapping);
        let (object, was) = (row.object, core::mem::replace(&mut row.worker, worker));
        let row = self.object_row(object);
        row.changing = row.changing + u32::from(worker != NONE) - u32::from(was != NONE);
    }

    /// Forgets a record whose pages have gone.
    pub(crate) fn forget_mapping(&mut self, mapping: u32) {
        self.set_worker(mapping, NONE);
        let Mapping {
            object,
            process,
            next_of_object,
            previous_of_object,
            next_of_process,
            previous_of_process,
            ..
        } = *self.mapping_row(mapping);
        match previous_of_object {
            NONE => self.object_row(object).first_mapping = next_of_object,
            previous => self.mapping_row(previous).next_of_object = next_of_object,
        }
        match previous_of_process {
            NONE => self.process(process).first_mapping = next_of_process,
            previous => self.mapping_row(previous).next_of_process = next_of_process,
        }
        if next_of_object != NONE {
            self.mapping_row(next_of_object).previous_of_object = previous_of_object;
        }
        if next_of_process != NONE {
            self.mapping_row(next_of_process).previous_of_process = previous_of_process;
        }
        let capability = self.mapping_row(mapping).capability;
        self.give_mapping_row(mapping);
        self.drop_capability(capability);
        let next = self.unshown_first;
        let row = self.object_row(object);
        if row.first_mapping == NONE && row.bell.name.holder().is_some() && !row.unshown {
            (row.unshown, row.next_unshown) = (true, next);
            self.unshown_first = object;
            self.change.0 += 1;
        }
    }

    /// One step of telling whoever wanted to hear that nothing of an object is mapped any more.
    pub(crate) fn tell_of_unshown(&mut self, cpu: &mut M::Cpu) {
        let object = self.unshown_first;
        let row = self.object_row(object);
        // Somebody may have mapped it again meanwhile: then it is for the end of that.
        if row.first_mapping == NONE && !self.ring_for_object(cpu, object) {
            return;
        }
        let row = self.object_row(object);
        row.unshown = false;
        let (next, is_gone) = (row.next_unshown, row.process == NONE);
        self.unshown_first = next;
        if is_gone {
            self.give_object_row(object);
        }
    }

    /// Nothing of an object is mapped: whoever wanted to be told is; false if that has to be tried again.
    pub(crate) fn ring_for_object(&mut self, cpu: &mut M::Cpu, object: u32) -> bool {
        let Bell { name, bits } = self.object_row(object).bell;
        let rung = match self.lent_endpoint(name, CapabilityRights::SIGNAL) {
            Some(endpoint) => self.raise(cpu, endpoint, bits),
            None => true,
        };
        if rung {
            self.object_row(object).bell = Bell::default();
        }
        rung
    }

    /// The capability that a mapping was made from, whether it is there or not: it is what the mapping's own says.
    pub(crate) fn origin_of(&self, mapping: u32) -> CapabilityHandle {
        let capability = self.mappings.rows()[mapping as usize].capability;
        CapabilityHandle::from_word(self.capability(capability).badge())
    }

    /// Whether nobody can ever name an object again, or what it shows.
    pub(crate) fn is_orphan(&mut self, object: u32) -> bool {
        let row = self.object_row(object);
        row.process != NONE && row.capabilities == 0 && row.first_mapping == NONE && !row.dying
    }

    /// One step of giving the pages of an object back; it has no mapping any more.
    pub(crate) fn take_down_object(&mut self, object: u32) -> Teardown {
        let Self { machine, frames, processes, objects, .. } = self;
        let row = &mut objects.rows_mut()[object as usize];
        let process = row.process;
        if let Some(space) = &mut row.space {
            let budget = &mut processes.rows_mut()[process as usize].budget;
            if space.take_down(&mut Means { memory: machine, frames, budget }) == Teardown::More {
                return Teardown::More;
            }
        }
        let (next, previous) = (row.next, row.previous);
        match previous {
            NONE => self.process(process).first_object = next,
            previous => self.object_row(previous).next = next,
        }
        if next != NONE {
            self.object_row(next).previous = previous;
        }
        let row = self.object_row(object);
        if row.unshown {
            // Whoever wanted to hear of its mappings does first: until then the row stays in that list.
            (row.process, row.dying, row.space, row.range) = (NONE, true, None, None);
        } else {
            self.give_object_row(object);
        }
        Teardown::Done
    }

    /// Brings the page of an object that a mapping promises at an address; false if the program may not touch it.
    pub(crate) fn keep_promise(
        &mut self,
        mapping: u32,
        address: u64,
        access: Access,
    ) -> Result<bool, SpaceError> {
        let Self { machine, frames, processes, objects, mappings, .. } = self;
        let Some(record) = mappings.rows().get(mapping as usize) else { return Ok(false) };
        let view = record.view;
        if !AddressSpace::<M::Paging>::view_allows(&view, access) {
            return Ok(false);
        }
        let object = &mut objects.rows_mut()[record.object as usize];
        let row = &mut processes.rows_mut()[record.process as usize];
        let Some(space) = &mut row.space else { return Ok(false) };
        let mut means = Means { memory: machine, frames, budget: &mut row.budget };
        if let Some(range) = object.range {
            space.show_range(&mut means, address, &view, range)?;
            return Ok(true);
        }
        let Some(pages) = &mut object.space else { return Ok(false) };
        let frame = pages.page_at(&mut means, view.offset_of(address))?;
        space.show_page(&mut means, address, frame, view.rights)?;
        Ok(true)
    }

    fn take_object_row(&mut self) -> Result<u32, FrameError> {
        if self.free_object == NONE {
            let first = self.objects.rows().len();
            let Self { machine, frames, objects, own, .. } = self;
            grow_to(objects, first + 1, machine, frames, own)?;
            for object in (first..self.objects.rows().len()).rev() {
                self.object_row(object as u32).next = self.free_object;
                self.free_object = object as u32;
            }
        }
        let object = self.free_object;
        let row = self.object_row(object);
        let (generation, next) = (row.generation + 1, row.next);
        *row = Object { generation, ..Object::default() };
        self.free_object = next;
        Ok(object)
    }

    fn give_object_row(&mut self, object: u32) {
        let first_free = self.free_object;
        let row = self.object_row(object);
        let generation = row.generation;
        *row = Object { generation, ..Object::default() };
        if generation < u32::MAX {
            row.next = first_free;
            self.free_object = object;
        }
    }

    fn take_mapping_row(&mut self) -> Result<u32, FrameError> {
        if self.free_mapping == NONE {
            let first = self.mappings.rows().len();
            let Self { machine, frames, mappings, own, .. } = self;
            grow_to(mappings, first + 1, machine, frames, own)?;
            for mapping in (first..self.mappings.rows().len()).rev() {
                self.mapping_row(mapping as u32).next_of_object = self.free_mapping;
                self.free_mapping = mapping as u32;
            }
        }
        let mapping = self.free_mapping;
        let row = self.mapping_row(mapping);
        let next = row.next_of_object;
        *row = Mapping::default();
        self.free_mapping = next;
        Ok(mapping)
    }

    fn give_mapping_row(&mut self, mapping: u32) {
        let first_free = self.free_mapping;
        let row = self.mapping_row(mapping);
        *row = Mapping { next_of_object: first_free, ..Mapping::default() };
        self.free_mapping = mapping;
    }
}
