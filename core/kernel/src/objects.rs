//! Memory objects and the mapping records that show them, as objects of the kernel.

use coldframe_abi::{MappingHandle, ObjectHandle};
use coldframe_hal::paging::{Cache, Rights};
use coldframe_hal::{Access, FrameRun, Machine, Store};
use coldframe_memory::{AddressSpace, FrameError, Means, Pages, SpaceError, Teardown, View};
use coldframe_scheduler::NONE;

use crate::Kernel;
use crate::tables::grow_to;

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
    /// It is going: nobody can name it any more.
    pub(crate) dying: bool,
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
            dying: false,
        }
    }
}

impl<F> Object<F> {
    /// Whose it is, if the row is in use.
    #[must_use]
    pub const fn process(&self) -> Option<u32> {
        if self.process == NONE { None } else { Some(self.process) }
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
    pub(crate) generation: u32,
    /// In whose space; `NONE` if the row is free.
    pub(crate) process: u32,
    pub(crate) object: u32,
    /// The neighbours among those of the same object; `next` also links free rows.
    pub(crate) next_of_object: u32,
    previous_of_object: u32,
    /// The neighbours among those in the same space.
    next_of_process: u32,
    previous_of_process: u32,
    /// It is not whole yet, or no longer.
    pub(crate) changing: bool,
    pub(crate) view: View,
}

// A record is a price that each mapping pays.
const _: () = assert!(size_of::<Mapping>() <= 64, "a mapping record has at most 64 bytes");

impl Default for Mapping {
    fn default() -> Self {
        Self {
            generation: 0,
            process: NONE,
            object: NONE,
            next_of_object: NONE,
            previous_of_object: NONE,
            next_of_process: NONE,
            previous_of_process: NONE,
            changing: false,
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
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn object_row(&mut self, object: u32) -> &mut Object<M::Paging> {
        &mut self.objects.rows_mut()[object as usize]
    }

    pub(crate) fn mapping_row(&mut self, mapping: u32) -> &mut Mapping {
        &mut self.mappings.rows_mut()[mapping as usize]
    }

    /// Makes an object for a process.
    pub(crate) fn make_object(&mut self, process: u32, length: u64) -> Result<u32, SpaceError> {
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
    ) -> Result<ObjectHandle, FrameError> {
        let object = self.take_object_row()?;
        self.adopt_object(object, process.0, run.count * coldframe_hal::FRAME_BYTES);
        let row = self.object_row(object);
        row.range = Some((run, cache));
        Ok(ObjectHandle { slot: object, generation: row.generation })
    }

    /// Makes a record of a part of an object in a space.
    pub(crate) fn make_mapping(&mut self, process: u32, object: u32, view: View) -> Result<u32, FrameError> {
        let mapping = self.take_mapping_row()?;
        let of_object = core::mem::replace(&mut self.object_row(object).first_mapping, mapping);
        let of_process = core::mem::replace(&mut self.process(process).first_mapping, mapping);
        let row = self.mapping_row(mapping);
        (row.process, row.object, row.view, row.changing) = (process, object, view, true);
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

    /// A mapping is whole, or begins to go.
    pub(crate) fn set_changing(&mut self, mapping: u32, changing: bool) {
        let row = self.mapping_row(mapping);
        let (object, was) = (row.object, core::mem::replace(&mut row.changing, changing));
        let row = self.object_row(object);
        row.changing = row.changing + u32::from(changing) - u32::from(was);
    }

    /// Forgets a record whose pages have gone.
    pub(crate) fn forget_mapping(&mut self, mapping: u32) {
        self.set_changing(mapping, false);
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
        self.give_mapping_row(mapping);
    }

    fn object_row_ref(&self, object: u32) -> &Object<M::Paging> {
        &self.objects.rows()[object as usize]
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
        self.give_object_row(object);
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

    pub(crate) fn object_handle(&self, object: u32) -> ObjectHandle {
        ObjectHandle { slot: object, generation: self.object_row_ref(object).generation }
    }

    pub(crate) fn mapping_handle(&self, mapping: u32) -> MappingHandle {
        MappingHandle { slot: mapping, generation: self.mappings.rows()[mapping as usize].generation }
    }

    fn take_object_row(&mut self) -> Result<u32, FrameError> {
        if self.free_object == NONE {
            let first = self.objects.rows().len();
            let Self { machine, frames, objects, .. } = self;
            grow_to(objects, first + 1, machine, frames)?;
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
            let Self { machine, frames, mappings, .. } = self;
            grow_to(mappings, first + 1, machine, frames)?;
            for mapping in (first..self.mappings.rows().len()).rev() {
                self.mapping_row(mapping as u32).next_of_object = self.free_mapping;
                self.free_mapping = mapping as u32;
            }
        }
        let mapping = self.free_mapping;
        let row = self.mapping_row(mapping);
        let (generation, next) = (row.generation + 1, row.next_of_object);
        *row = Mapping { generation, ..Mapping::default() };
        self.free_mapping = next;
        Ok(mapping)
    }

    fn give_mapping_row(&mut self, mapping: u32) {
        let first_free = self.free_mapping;
        let row = self.mapping_row(mapping);
        let generation = row.generation;
        *row = Mapping { generation, ..Mapping::default() };
        if generation < u32::MAX {
            row.next_of_object = first_free;
            self.free_mapping = mapping;
        }
    }
}
