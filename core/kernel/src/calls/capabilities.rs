//! Calls about capabilities, whatever they are for.

use coldframe_abi::{
    Authority, CapabilityHandle, CapabilityKind, CapabilityRights, CapabilityState, Deadline, Error, Instant,
    Reach,
};
use coldframe_capability::{CHUNK, Limit};
use coldframe_hal::{Machine, Store};
use coldframe_memory::Pages;
use coldframe_scheduler::NONE;

use super::{Caller, Outcome};
use crate::work::told;
use crate::{Kernel, Task, Work};

impl<M: Machine> Kernel<M> {
    pub(super) fn capability_copy(
        &mut self,
        caller: Caller,
        handle: CapabilityHandle,
        rights: CapabilityRights,
        badge: u64,
    ) -> Result<u64, Error> {
        self.derive_for(caller, caller.process, handle, rights, badge)
    }

    /// Derives a capability from one of the caller's, for the caller or for another.
    pub(super) fn derive_for(
        &mut self,
        caller: Caller,
        process: u32,
        handle: CapabilityHandle,
        rights: CapabilityRights,
        badge: u64,
    ) -> Result<u64, Error> {
        let (from, badge) = self.derivable(caller, handle, rights, badge)?;
        let copy = self.copy_capability(process, from, rights, badge).map_err(told)?;
        if self.capability(from).is_limited() {
            self.capabilities().take_uses(from, copy);
        }
        Ok(self.handle_of(copy).to_word())
    }

    /// The capability that a handle of the caller names, and the badge of what is derived from it, if that may be.
    #[inline]
    pub(crate) fn derivable(
        &self,
        caller: Caller,
        handle: CapabilityHandle,
        rights: CapabilityRights,
        badge: u64,
    ) -> Result<(u32, u64), Error> {
        let from = self.held(caller, handle)?;
        let row = self.capability(from);
        let (target, badged) = (row.target(), row.badge());
        if !rights.and(CapabilityRights::COPY).within(row.rights()) {
            return Err(Error::NoRight);
        }
        let badge = match target.kind {
            CapabilityKind::Authority => narrowed(badge, badged)?,
            // Who got a badge cannot take it off.
            _ if badged != 0 && badge != badged => return Err(Error::NoRight),
            _ => badge,
        };
        if !self.is_there(target) || (row.is_limited() && !self.is_usable(from)) {
            return Err(Error::BadHandle);
        }
        Ok((from, badge))
    }

    /// What is used once, or for a while, is handed out so: nobody makes more of it.
    pub(super) fn capability_limit(
        &mut self,
        caller: Caller,
        handle: CapabilityHandle,
        uses: u64,
        until: Deadline,
    ) -> Result<(), Error> {
        let row = self.held(caller, handle)?;
        let capability = self.capability(row);
        let kind = capability.target().kind;
        let is_counted = uses != 0;
        let fits = match kind {
            CapabilityKind::Thread
            | CapabilityKind::Group
            | CapabilityKind::Object
            | CapabilityKind::Process
            | CapabilityKind::Endpoint => true,
            // What an authority is used for is not always a call of its holder.
            CapabilityKind::Authority => !is_counted,
            _ => false,
        };
        let uses = if is_counted { uses } else { u64::from(Limit::NONE.uses) };
        let uses = u32::try_from(uses).ok().filter(|_| fits).ok_or(Error::BadArgument)?;
        // What was derived from it before could be used without.
        if capability.first_derived().is_some() {
            return Err(Error::Busy);
        }
        self.counted += u64::from(is_counted);
        self.capabilities().limit(row, Limit { until: Instant(until.0), uses });
        Ok(())
    }

    pub(super) fn capability_delete(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        handle: CapabilityHandle,
    ) -> Outcome {
        let row = match self.held(caller, handle) {
            Ok(row) => row,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let target = self.capability(row).target();
        if target.kind == CapabilityKind::Mapping {
            return self.mapping_unmap(caller, handle);
        }
        if self.wake_users(cpu, row) || self.tell_left_alone(cpu, row) {
            return self.call_again(caller);
        }
        let is_there = self.is_there(target);
        self.drop_capability(row);
        if target.kind == CapabilityKind::Object
            && is_there
            && let Some(task) = self.last_name_is_gone(caller.process, target.row)
        {
            self.thread(caller.thread).work = Some(Work::new(task, caller.process, Pages::NONE));
            return Outcome::Settled;
        }
        Ok(0).into()
    }

    pub(super) fn capability_revoke(&mut self, caller: Caller, handle: CapabilityHandle) -> Outcome {
        let capability = match self.held(caller, handle) {
            Ok(row) => row,
            Err(error) => return Err::<u64, _>(error).into(),
        };
        let generation = self.capability(capability).generation();
        let task = Task::Revoke { capability, generation, mapping: NONE };
        self.thread(caller.thread).work = Some(Work::new(task, caller.process, Pages::NONE));
        Outcome::Settled
    }

    pub(super) fn capability_inspect(&self, caller: Caller, handle: CapabilityHandle) -> Result<u64, Error> {
        let row = self.held(caller, handle)?;
        let is_usable = self.is_usable(row);
        let row = self.capability(row);
        let target = row.target();
        let kind = if is_usable && self.is_there(target) { target.kind } else { CapabilityKind::None };
        let authority = match kind {
            CapabilityKind::Authority => Authority::ALL[target.row as usize],
            _ => Authority::default(),
        };
        Ok(CapabilityState { kind, rights: row.rights(), authority }.to_word())
    }

    pub(super) fn capability_same(
        &self,
        caller: Caller,
        one: CapabilityHandle,
        other: CapabilityHandle,
    ) -> Result<u64, Error> {
        let one = self.capability(self.held(caller, one)?).target();
        let other = self.capability(self.held(caller, other)?).target();
        Ok(u64::from(one == other && self.is_there(one)))
    }

    /// The next capability of the caller behind one of its rows; the chunks in the order in which they came last.
    pub(super) fn capability_next(&self, caller: Caller, handle: CapabilityHandle) -> Result<u64, Error> {
        let first = || self.processes.rows()[caller.process as usize].holdings.first();
        let (mut chunk, mut row) = if handle == CapabilityHandle::from_word(0) {
            (first(), 0)
        } else {
            let row = self.held(caller, handle)?;
            (Some(row / CHUNK), row + 1)
        };
        while let Some(at) = chunk {
            let rows = row.max(at * CHUNK)..(at + 1) * CHUNK;
            if let Some(found) = rows.into_iter().find(|row| self.capability(*row).holder().is_some()) {
                return Ok(self.handle_of(found).to_word());
            }
            (chunk, row) = (self.chunks.rows()[at as usize].next(), 0);
        }
        Ok(0)
    }
}

/// Over what a copy of an authority reaches: over all, if nothing is said, and never further than what it is copied from.
fn narrowed(asked: u64, of: u64) -> Result<u64, Error> {
    if asked == 0 {
        return Ok(of);
    }
    if Reach::from_word(asked).within(Reach::from_word(of)) { Ok(asked) } else { Err(Error::NoRight) }
}
