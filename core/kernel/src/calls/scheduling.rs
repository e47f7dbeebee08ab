//! Calls about who runs where and how urgently.

use coldframe_abi::{Class, CpuId, Error, GroupHandle, Instant, Priority, ThreadHandle};
use coldframe_hal::{Cpu, CpuSet, Machine, Store};
use coldframe_scheduler::{Context, Kick, Place};

use super::{Caller, Outcome};
use crate::Kernel;

impl<M: Machine> Kernel<M> {
    pub(super) fn yield_now(&mut self, cpu: &mut M::Cpu, caller: Caller) -> Outcome {
        self.answer(cpu, caller.thread, Ok(0));
        self.scheduler().yield_now(cpu.id());
        Outcome::Settled
    }

    fn change(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
        change: impl FnOnce(&mut Context, &mut CpuSet),
    ) -> Result<(), Error> {
        let thread = self.alive(caller, handle)?;
        let kick = self.scheduler().change(thread, cpu.id(), now, change);
        self.deliver(cpu, kick);
        Ok(())
    }

    pub(super) fn set_class(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        thread: ThreadHandle,
        class: Class,
    ) -> Result<(), Error> {
        self.change(cpu, now, caller, thread, |context, _| context.set_class(class))
    }

    pub(super) fn set_priority(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        thread: ThreadHandle,
        priority: Priority,
    ) -> Result<(), Error> {
        self.change(cpu, now, caller, thread, |context, _| context.set_priority(priority))
    }

    pub(super) fn set_affinity(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
        bank: u64,
        cpus: u64,
    ) -> Result<(), Error> {
        let thread = self.alive(caller, handle)?;
        let before = self.rows.rows()[thread as usize].affinity();
        let mask = before.with_bank(bank, cpus).ok_or(Error::BadArgument)?;
        if mask.and(&CpuSet::first(self.cpus)).is_empty() {
            return Err(Error::BadArgument);
        }
        self.change(cpu, now, caller, handle, |_, affinity| *affinity = mask)
    }

    pub(super) fn set_group(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        thread: ThreadHandle,
        group: GroupHandle,
    ) -> Result<(), Error> {
        let group = self.group(caller, group)?;
        self.change(cpu, now, caller, thread, |context, _| context.set_group(group))
    }

    pub(super) fn group_create(&mut self, caller: Caller) -> Result<u64, Error> {
        let slot = self.take_group_row(caller.process).map_err(|_| Error::NoMemory)?;
        let generation = self.groups.rows()[slot as usize].generation;
        Ok(GroupHandle { slot, generation }.to_word())
    }

    pub(super) fn cpu_time(
        &mut self,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
    ) -> Result<u64, Error> {
        let thread = self.alive(caller, handle)?;
        let row = &self.rows.rows()[thread as usize];
        let (place, cpu) = (row.place(), row.cpu());
        if place == Place::Running {
            self.scheduler().charge(cpu, now);
        }
        Ok(self.rows.rows()[thread as usize].run_time().0)
    }

    fn existing(&self, cpu: CpuId) -> Result<CpuId, Error> {
        if cpu.0 < self.cpus { Ok(cpu) } else { Err(Error::BadArgument) }
    }

    pub(super) fn cpu_offline(&mut self, cpu: &mut M::Cpu, target: CpuId) -> Result<(), Error> {
        let target = self.existing(target)?;
        let mut others = self.state.online();
        others.remove(target);
        if others.is_empty() || !self.state.online().contains(target) {
            return Err(Error::BadState);
        }
        let kicks = self.scheduler().set_offline(target, cpu.id());
        for other in kicks.iter() {
            self.deliver(cpu, Some(Kick(other)));
        }
        Ok(())
    }

    pub(super) fn cpu_online(&mut self, cpu: &mut M::Cpu, target: CpuId) -> Result<(), Error> {
        let target = self.existing(target)?;
        if self.state.online().contains(target) {
            return Err(Error::BadState);
        }
        let kick = self.scheduler().set_online(target, cpu.id());
        self.deliver(cpu, kick);
        Ok(())
    }
}
