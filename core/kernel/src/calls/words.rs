//! Calls that wait at a word of memory, and that wake whoever does.

use coldframe_abi::{
    CapabilityKind, CapabilityRights, Deadline, Error, Instant, ObjectHandle, UserAddress, UserRange,
};
use coldframe_hal::paging::Entry;
use coldframe_hal::{Machine, Store};
use coldframe_memory::{SpaceError, UserSlice};

use super::{Caller, Outcome};
use crate::{Kernel, Line, Mapping};

/// How long a word is, in bytes.
const WORD: u64 = 8;

impl<M: Machine> Kernel<M> {
    pub(super) fn word_wait(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        address: UserAddress,
        expected: u64,
        deadline: Deadline,
    ) -> Outcome {
        let place = match place_of::<M>(address) {
            Ok(place) => place,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        match self.word_of_process(caller.process, address) {
            Err(SpaceError::Busy(_)) if self.process(caller.process).round.is_some() => {
                self.call_again(caller)
            }
            Err(_) => Err::<u64, _>(Error::BadAddress).into(),
            Ok(found) if found != expected => Err::<u64, _>(Error::Changed).into(),
            Ok(_) => {
                let line = Line::OfProcess(caller.process);
                self.wait_unless_late(cpu, now, caller, (line, place), None, deadline)
            }
        }
    }

    pub(super) fn word_wake(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        address: UserAddress,
        most: u64,
    ) -> Outcome {
        match place_of::<M>(address) {
            Ok(place) => self.wake_some(cpu, caller, (Line::OfProcess(caller.process), place), most),
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    pub(super) fn object_wait(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ObjectHandle,
        offset: u64,
        (expected, deadline): (u64, Deadline),
    ) -> Outcome {
        let object = match self.words_of(caller, handle, offset, CapabilityRights::READ) {
            Ok(object) => object,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        if self.word_of_object(object, offset) != Some(expected) {
            return Err::<u64, _>(Error::Changed).into();
        }
        let by = Some(handle.slot);
        self.wait_unless_late(cpu, now, caller, (Line::OfObject(object), offset), by, deadline)
    }

    pub(super) fn object_wake(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: ObjectHandle,
        offset: u64,
        most: u64,
    ) -> Outcome {
        match self.words_of(caller, handle, offset, CapabilityRights::WRITE) {
            Ok(object) => self.wake_some(cpu, caller, (Line::OfObject(object), offset), most),
            Err(error) => Err::<u64, _>(error).into(),
        }
    }

    fn wait_unless_late(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        at: (Line, u64),
        by: Option<u32>,
        deadline: Deadline,
    ) -> Outcome {
        if deadline.0 <= now.0 {
            return Err::<u64, _>(Error::TimedOut).into();
        }
        self.wait_at(cpu, now, caller.thread, at, by, deadline);
        Outcome::Settled
    }

    fn wake_some(&mut self, cpu: &mut M::Cpu, caller: Caller, at: (Line, u64), most: u64) -> Outcome {
        match self.wake_at(cpu, at, most) {
            Some(woken) => Ok(woken).into(),
            None => self.call_again(caller),
        }
    }

    /// The object that a handle of the caller names, if it has pages and a word at this offset.
    fn words_of(
        &mut self,
        caller: Caller,
        handle: ObjectHandle,
        offset: u64,
        rights: CapabilityRights,
    ) -> Result<u32, Error> {
        let object = self.target(caller, handle, CapabilityKind::Object, rights)?;
        let row = self.object_row(object);
        if !offset.is_multiple_of(WORD) || offset >= row.length {
            return Err(Error::BadArgument);
        }
        // To look at a word of a device may change what the device does.
        if row.space.is_none() { Err(Error::BadState) } else { Ok(object) }
    }

    /// The word at an address of a process, whether its page is there or promised by a mapping.
    fn word_of_process(&self, process: u32, address: UserAddress) -> Result<u64, SpaceError> {
        let nothing = SpaceError::NotMapped(address);
        let space = self.processes.rows()[process as usize].space.as_ref().ok_or(nothing)?;
        let Some((Entry::Promised(mapping), _)) = space.query(&self.machine, address) else {
            return space.word_at(&self.machine, address);
        };
        let Mapping { object, view, .. } = &self.mappings.rows()[mapping as usize];
        self.word_of_object(*object, view.offset_of(address.0)).ok_or(nothing)
    }

    fn word_of_object(&self, object: u32, offset: u64) -> Option<u64> {
        let space = self.objects.rows()[object as usize].space.as_ref()?;
        Some(space.word_of_object(&self.machine, offset))
    }
}

/// Where in the queue of its space a word has its place.
fn place_of<M: Machine>(address: UserAddress) -> Result<u64, Error> {
    let word = UserRange { start: address, length: WORD };
    let fits = address.0.is_multiple_of(WORD) && UserSlice::check::<M::Paging>(word).is_some();
    if fits { Ok(address.0) } else { Err(Error::BadAddress) }
}
