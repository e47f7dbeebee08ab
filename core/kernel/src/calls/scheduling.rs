//! Calls about who runs where and how urgently.

use coldframe_abi::{
    Authority, CapabilityKind, CapabilityRights, Class, CpuId, Error, GroupHandle, Instant, Priority,
    ProcessHandle, ThreadHandle,
};
use coldframe_capability::{GROUND, Target};
use coldframe_hal::{Cpu, CpuSet, Machine, Store};
use coldframe_scheduler::{Context, Kick, Level, Place};

use super::{Caller, Outcome};
use crate::Kernel;
use crate::capabilities::OF_GROUP;
use crate::hint::Rest;
use crate::work::told;

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
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        let kick = self.scheduler().change(thread, cpu.id(), now, change);
        self.queue_anew(thread);
        self.deliver(cpu, kick);
        Ok(())
    }

    fn context_of(&mut self, caller: Caller, handle: ThreadHandle) -> Result<&Context, Error> {
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        Ok(self.rows.rows()[thread as usize].context())
    }

    /// Whether the caller may bring a thread to a level: to any below the one it has, and above as far as the
    /// authority of the caller reaches.
    fn may_become(&mut self, caller: Caller, thread: ThreadHandle, level: Level) -> Result<(), Error> {
        let context = self.context_of(caller, thread)?;
        if level <= Level::new(context.class(), context.priority()) {
            return Ok(());
        }
        self.may(caller.process, Authority::Urgency, level.index() as u32)
    }

    pub(super) fn set_class(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        caller: Caller,
        thread: ThreadHandle,
        class: Class,
    ) -> Result<(), Error> {
        let priority = self.context_of(caller, thread)?.priority();
        self.may_become(caller, thread, Level::new(class, priority))?;
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
        let class = self.context_of(caller, thread)?.class();
        self.may_become(caller, thread, Level::new(class, priority))?;
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
        let thread = self.alive(caller, handle, CapabilityRights::MANAGE)?;
        let before = self.rows.rows()[thread as usize].affinity();
        let mask = before.with_bank(bank, cpus).ok_or(Error::BadArgument)?;
        if mask.and(&CpuSet::first(self.cpus)).is_empty() {
            return Err(Error::BadArgument);
        }
        let more = mask.without(&before);
        if let (Some(first), Some(last)) = (more.lowest(), more.iter().last()) {
            let reach = (u32::from(first.0), u32::from(last.0));
            self.authority_over(caller.process, Authority::Affinity, reach)?;
        }
        self.thread(thread).rests = Rest::UNKNOWN;
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
        let group = self.target(caller, group, CapabilityKind::Group, CapabilityRights::FILL)?;
        self.change(cpu, now, caller, thread, |context, _| context.set_group(group))
    }

    /// Each group of a level has the same share of it: another one takes authority over that level.
    pub(super) fn group_create(&mut self, caller: Caller) -> Result<u64, Error> {
        let context = self.rows.rows()[caller.thread as usize].context();
        let level = Level::new(context.class(), context.priority());
        self.may(caller.process, Authority::Urgency, level.index() as u32)?;
        let capability = self.take_capability(caller.process).map_err(told)?;
        let Ok(row) = self.take_group_row(caller.process) else {
            self.return_capability(capability);
            return Err(Error::NoMemory);
        };
        let generation = self.groups.rows()[row as usize].generation;
        let target = Target { kind: CapabilityKind::Group, row, generation };
        self.set_capability(capability, GROUND, target, OF_GROUP, 0);
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn cpu_time(
        &mut self,
        now: Instant,
        caller: Caller,
        handle: ThreadHandle,
    ) -> Result<u64, Error> {
        let thread = self.alive(caller, handle, CapabilityRights::INSPECT)?;
        let row = &self.rows.rows()[thread as usize];
        let (place, cpu) = (row.place(), row.cpu());
        if place == Place::Running {
            self.forget_decisions();
            self.charge(cpu, now);
        }
        Ok(self.rows.rows()[thread as usize].run_time().0)
    }

    pub(super) fn process_time(
        &mut self,
        now: Instant,
        caller: Caller,
        handle: ProcessHandle,
    ) -> Result<u64, Error> {
        let process = self.target(caller, handle, CapabilityKind::Process, CapabilityRights::INSPECT)?;
        self.forget_decisions();
        for cpu in self.process(process).active_on.iter() {
            self.charge(cpu, now);
        }
        Ok(self.process(process).run_time.0)
    }

    fn existing(&self, cpu: CpuId) -> Result<CpuId, Error> {
        if cpu.0 < self.cpus { Ok(cpu) } else { Err(Error::BadArgument) }
    }

    pub(super) fn cpu_offline(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        target: CpuId,
    ) -> Result<(), Error> {
        let target = self.existing(target)?;
        self.may(caller.process, Authority::Cpus, u32::from(target.0))?;
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

    pub(super) fn cpu_online(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        target: CpuId,
    ) -> Result<(), Error> {
        let target = self.existing(target)?;
        self.may(caller.process, Authority::Cpus, u32::from(target.0))?;
        if self.state.online().contains(target) {
            return Err(Error::BadState);
        }
        let kick = self.scheduler().set_online(target, cpu.id());
        self.deliver(cpu, kick);
        Ok(())
    }
}
