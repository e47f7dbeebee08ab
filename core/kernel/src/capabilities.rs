//! Capabilities as the kernel uses them: who pays for their rows, and what goes with the last one of an object.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Error, Kind, Number, Request};
use coldframe_capability::{CHUNK, Capabilities, Capability, GROUND, NONE, Target};
use coldframe_hal::{Machine, Store};
use coldframe_memory::SpaceError;

use crate::calls::Caller;
use crate::tables::{grow_paid, grow_to};
use crate::{Kernel, Life};

/// What the maker of a thread may do with it.
pub(crate) const OF_THREAD: CapabilityRights =
    CapabilityRights::INSPECT.and(CapabilityRights::MANAGE).and(CapabilityRights::COPY);
/// What the maker of a group may do with it.
pub(crate) const OF_GROUP: CapabilityRights =
    CapabilityRights::INSPECT.and(CapabilityRights::FILL).and(CapabilityRights::COPY);
/// What the maker of a memory object may do with it.
pub(crate) const OF_OBJECT: CapabilityRights =
    OF_THREAD.and(CapabilityRights::READ).and(CapabilityRights::WRITE).and(CapabilityRights::EXECUTE);
/// What whoever may reach the registers of devices may do with an object of them.
pub(crate) const OF_DEVICE: CapabilityRights =
    OF_THREAD.and(CapabilityRights::READ).and(CapabilityRights::WRITE);
/// What whoever may know what firmware says may do with an object of that.
pub(crate) const OF_FIRMWARE: CapabilityRights = OF_THREAD.and(CapabilityRights::READ);
/// What whoever makes a process may do with it.
pub(crate) const OF_PROCESS: CapabilityRights = OF_THREAD.and(CapabilityRights::FILL);
/// What whoever keeps a reply may do with it, besides giving it. There is one capability to each: no copy.
pub(crate) const OF_REPLY: CapabilityRights = CapabilityRights::INSPECT;
/// What whoever listens to an interrupt line may do with that. There is one capability to each: no copy.
pub(crate) const OF_LINE: CapabilityRights = CapabilityRights::INSPECT.and(CapabilityRights::MANAGE);
/// What whoever maps may do with the mapping. There is one capability to each: no copy.
pub(crate) const OF_MAPPING: CapabilityRights = CapabilityRights::INSPECT.and(CapabilityRights::MANAGE);

/// If no more rows of a chunk than this have been in use, taking them back is no step of its own.
const FEW: u32 = 8;

/// How many chunks of nobody the kernel keeps: processes that come and go write no rows then, and no page table of the
/// kernel changes for them.
const SPARE_CHUNKS: u32 = 8;

impl<M: Machine> Kernel<M> {
    #[inline]
    pub(crate) fn capabilities(&mut self) -> Capabilities<'_> {
        Capabilities { rows: self.capabilities.rows_mut(), chunks: self.chunks.rows_mut() }
    }

    #[inline]
    pub(crate) fn capability(&self, row: u32) -> &Capability {
        &self.capabilities.rows()[row as usize]
    }

    pub(crate) fn handle_of(&self, capability: u32) -> CapabilityHandle {
        CapabilityHandle { slot: capability, generation: self.capability(capability).generation() }
    }

    /// What a handle of the caller names, if it is of this kind, allows all this, and is still there.
    #[inline]
    pub(crate) fn target(
        &self,
        caller: Caller,
        handle: impl Into<CapabilityHandle>,
        kind: CapabilityKind,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let handle = handle.into();
        let name = (handle.slot, handle.generation);
        let rows = self.capabilities.rows();
        let target = match Capabilities::named(rows, caller.process, name, kind, rights) {
            Err(Error::NoRight) => {
                Capabilities::named_with_limit(rows, caller.process, name, rights, self.now)?
            }
            found => found?,
        };
        if self.is_there(target) { Ok(target.row) } else { Err(Error::BadHandle) }
    }

    /// The capability that a handle of the caller names, whatever it is for.
    pub(crate) fn held(&self, caller: Caller, handle: CapabilityHandle) -> Result<u32, Error> {
        Capabilities::held(self.capabilities.rows(), caller.process, (handle.slot, handle.generation))
    }

    /// Whether a capability has neither run out nor been used up.
    pub(crate) fn is_usable(&self, row: u32) -> bool {
        self.capability(row).limit().allows(self.now)
    }

    /// A call has been answered, or waits: it has used the capabilities that it named, once each.
    #[cold]
    pub(crate) fn spend(&mut self, caller: Caller, request: &Request) {
        let Some(number) = Number::from_word(request.number) else { return };
        let mut at = 0;
        for parameter in number.description().parameters {
            let handle = CapabilityHandle::from_word(request.arguments[at]);
            at += parameter.kind.words();
            if parameter.rights != CapabilityRights::NONE
                && parameter.kind != Kind::Capability
                && let Ok(row) = self.held(caller, handle)
            {
                self.capabilities().spend(row);
            }
        }
    }

    /// Whether what a capability names is still there to be used.
    #[inline]
    pub(crate) fn is_there(&self, target: Target) -> bool {
        self.is_same(target)
            && match target.kind {
                CapabilityKind::Thread => {
                    let process = self.threads.rows()[target.row as usize].process;
                    self.processes.rows()[process as usize].ended.is_none()
                }
                CapabilityKind::Group => {
                    let process = self.groups.rows()[target.row as usize].process;
                    self.processes.rows()[process as usize].ended.is_none()
                }
                CapabilityKind::Object => {
                    let object = &self.objects.rows()[target.row as usize];
                    !object.dying && !object.arriving
                }
                CapabilityKind::Reply => {
                    let process = self.threads.rows()[target.row as usize].process;
                    self.processes.rows()[process as usize].ended.is_none()
                }
                _ => true,
            }
    }

    /// Whether the row that a capability names still has what it named.
    #[inline]
    fn is_same(&self, target: Target) -> bool {
        let row = target.row as usize;
        match target.kind {
            CapabilityKind::None => false,
            CapabilityKind::Thread => {
                let thread = &self.threads.rows()[row];
                thread.generation == target.generation && thread.life != Life::Free
            }
            CapabilityKind::Group => {
                let group = &self.groups.rows()[row];
                group.generation == target.generation && group.process != NONE
            }
            CapabilityKind::Object => {
                let object = &self.objects.rows()[row];
                object.generation == target.generation && object.process != NONE
            }
            // A mapping and its capability go together, as do who listens and his; an endpoint goes with its last one;
            // the machine stays.
            CapabilityKind::Mapping
            | CapabilityKind::Line
            | CapabilityKind::Endpoint
            | CapabilityKind::Authority => true,
            CapabilityKind::Reply => self.waits_for_kept(target).is_some(),
            CapabilityKind::Process => {
                let process = &self.processes.rows()[row];
                process.generation == target.generation
                    && (process.space.is_some() || process.ended.is_some())
            }
        }
    }

    /// Makes a capability that is derived from another one.
    pub(crate) fn copy_capability(
        &mut self,
        process: u32,
        from: u32,
        rights: CapabilityRights,
        badge: u64,
    ) -> Result<u32, SpaceError> {
        self.have_free_row(process)?;
        Ok(self.put_copy(process, from, rights, badge).slot)
    }

    /// The same where there is room.
    #[inline]
    pub(crate) fn put_copy(
        &mut self,
        process: u32,
        from: u32,
        rights: CapabilityRights,
        badge: u64,
    ) -> CapabilityHandle {
        let target = self.capability(from).target();
        self.count_name(target, rights);
        let Self { capabilities, chunks, processes, .. } = self;
        let holdings = &mut processes.rows_mut()[process as usize].holdings;
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        let Some((slot, generation)) = view.mint(holdings, from, rights, badge) else {
            unreachable!("whoever puts a copy has looked for room (CAP-5)")
        };
        if target.kind == CapabilityKind::Authority {
            self.stand(slot);
        }
        CapabilityHandle { slot, generation }
    }

    /// An object has one name more.
    #[inline]
    fn count_name(&mut self, target: Target, rights: CapabilityRights) {
        match target.kind {
            CapabilityKind::Thread => self.thread(target.row).capabilities += 1,
            CapabilityKind::Object => self.object_row(target.row).capabilities += 1,
            CapabilityKind::Process => self.process(target.row).capabilities += 1,
            CapabilityKind::Endpoint => self.begin_to_name(target.row, rights),
            _ => {}
        }
    }

    /// Gives a free row that was taken its meaning: derived from another, or from none if that is `GROUND`.
    pub(crate) fn set_capability(
        &mut self,
        row: u32,
        parent: u32,
        target: Target,
        rights: CapabilityRights,
        badge: u64,
    ) {
        self.count_name(target, rights);
        if parent == GROUND || target.kind == self.capability(parent).target().kind {
            self.capabilities().derive(row, parent, target, rights, badge);
        } else {
            self.capabilities().derive_other(row, parent, target, rights, badge);
        }
        self.stand(row);
    }

    /// The first capability to a thread.
    pub(crate) fn name_thread(&mut self, thread: u32, capability: u32) {
        let row = self.thread(thread);
        row.capability = capability;
        let target = Target { kind: CapabilityKind::Thread, row: thread, generation: row.generation };
        self.set_capability(capability, GROUND, target, OF_THREAD, 0);
    }

    /// A free row that was taken goes back, unused.
    pub(crate) fn return_capability(&mut self, row: u32) {
        self.capabilities().derive(row, GROUND, Target::default(), CapabilityRights::NONE, 0);
        self.drop_capability(row);
    }

    /// A free row of a process; a chunk of them, at its expense, if it has none.
    pub(crate) fn take_capability(&mut self, process: u32) -> Result<u32, SpaceError> {
        self.have_free_row(process)?;
        let Self { capabilities, chunks, processes, .. } = self;
        let holdings = &mut processes.rows_mut()[process as usize].holdings;
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        view.take(holdings).ok_or_else(|| unreachable!("there is room"))
    }

    /// Sees to it that a process has a free row.
    #[inline]
    fn have_free_row(&mut self, process: u32) -> Result<(), SpaceError> {
        if self.processes.rows()[process as usize].holdings.have_room() {
            Ok(())
        } else {
            self.open_chunk(process)
        }
    }

    #[cold]
    fn open_chunk(&mut self, process: u32) -> Result<(), SpaceError> {
        self.process(process).budget.charge(1).map_err(|_| SpaceError::OverBudget)?;
        let chunk = match self.take_chunk() {
            Ok(chunk) => chunk,
            Err(error) => {
                self.process(process).budget.refund(1);
                return Err(error);
            }
        };
        let Self { capabilities, chunks, processes, .. } = self;
        let holdings = &mut processes.rows_mut()[process as usize].holdings;
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        view.admit(chunk, process, holdings);
        Ok(())
    }

    fn take_chunk(&mut self) -> Result<u32, SpaceError> {
        let Self { machine, frames, capabilities, chunks, free_chunk, spare_chunk, own, .. } = self;
        if *spare_chunk != NONE {
            let chunk = *spare_chunk;
            *spare_chunk = chunks.rows()[chunk as usize].next().unwrap_or(NONE);
            self.spare_chunks -= 1;
            own.refund(1);
            return Ok(chunk);
        }
        if *free_chunk != NONE {
            let chunk = *free_chunk;
            capabilities.lower(chunk as usize, frames.take(machine)?);
            *free_chunk = chunks.rows()[chunk as usize].next().unwrap_or(NONE);
            return Ok(chunk);
        }
        let chunk = capabilities.rows().len() / CHUNK as usize;
        grow_to(chunks, chunk + 1, machine, frames, own)?;
        grow_paid(capabilities, (chunk + 1) * CHUNK as usize, machine, frames)?;
        Ok(chunk as u32)
    }

    /// Takes a capability away; what was derived from it stays. The caller looks whether anything goes with it.
    pub(crate) fn drop_capability(&mut self, row: u32) {
        let target = self.capability(row).target();
        if self.is_same(target) {
            match target.kind {
                CapabilityKind::Thread => {
                    let thread = self.thread(target.row);
                    thread.capabilities -= 1;
                    if thread.capability == row {
                        thread.capability = NONE;
                    }
                    if thread.capabilities == 0 && thread.life == Life::Ended {
                        self.forget_thread(target.row);
                    }
                }
                CapabilityKind::Object => self.object_row(target.row).capabilities -= 1,
                CapabilityKind::Process => {
                    let process = self.process(target.row);
                    process.capabilities -= 1;
                    if process.capabilities == 0 && process.space.is_none() {
                        self.give_process_row(target.row);
                    }
                }
                CapabilityKind::Endpoint => {
                    let rights = self.capability(row).rights();
                    self.cease_to_name(target.row, rights);
                }
                CapabilityKind::Line => self.unbind_line(target.row),
                _ => {}
            }
        }
        assert!(self.capability(row).users().is_none(), "who waits by a capability hears first (IPC-3)");
        self.fall(row);
        let Some(holder) = self.capability(row).holder() else {
            unreachable!("who drops a capability has it (CAP-4)")
        };
        self.capabilities().cut(row);
        let Self { capabilities, chunks, processes, .. } = self;
        let holdings = &mut processes.rows_mut()[holder as usize].holdings;
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        if let Some(chunk) = view.give(row, holdings) {
            view.dismiss(chunk, holdings);
            self.give_chunk(holder, chunk);
        }
    }

    /// A chunk goes back, and its price to whoever paid for it. The kernel keeps a few, at its own expense.
    fn give_chunk(&mut self, process: u32, chunk: u32) {
        self.process(process).budget.refund(1);
        let Self { machine, frames, capabilities, chunks, free_chunk, spare_chunk, own, .. } = self;
        if self.spare_chunks < SPARE_CHUNKS && own.charge(1).is_ok() {
            chunks.rows_mut()[chunk as usize].set_next_unheld(*spare_chunk);
            *spare_chunk = chunk;
            self.spare_chunks += 1;
            return;
        }
        if let Some(frame) = capabilities.lift(chunk as usize) {
            frames
                .give(machine, frame)
                .unwrap_or_else(|error| unreachable!("a chunk is a frame of the kernel: {error:?}"));
        }
        chunks.rows_mut()[chunk as usize].set_next_unheld(*free_chunk);
        *free_chunk = chunk;
    }

    /// Takes a chunk of capabilities from a process that has ended; says whether that was a step.
    pub(crate) fn take_chunk_back(&mut self, cpu: &mut M::Cpu, process: u32) -> bool {
        let Some(chunk) = self.process(process).holdings.first() else { return false };
        let opened = self.chunks.rows()[chunk as usize].opened();
        for row in chunk * CHUNK..chunk * CHUNK + opened {
            if self.capability(row).holder().is_some() {
                let target = self.capability(row).target();
                // A thread of another process may wait by it: one whose faults are handled here.
                if self.wake_users(cpu, row) || self.tell_left_alone(cpu, row) {
                    return true;
                }
                self.drop_capability(row);
                if target.kind == CapabilityKind::Object && self.is_orphan(target.row) {
                    self.call_undertaker(target.row);
                }
            }
            if self.process(process).holdings.first() != Some(chunk) {
                return true;
            }
        }
        // The last one stays with its holder while that lives.
        let Self { capabilities, chunks, processes, .. } = self;
        let holdings = &mut processes.rows_mut()[process as usize].holdings;
        Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() }.dismiss(chunk, holdings);
        self.give_chunk(process, chunk);
        opened > FEW || self.process(process).holdings.first().is_some()
    }
}
