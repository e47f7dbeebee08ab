//! Calls about who runs where and how urgently.

use coldframe_abi::{Authority, CapabilityRights, Class, Error, Instant, Number, Priority, Reply};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Answer, refused, reused};
use super::names::Named;
use super::{Model, Slot};
use crate::oracle::Violation;

impl Model {
    pub(super) fn group_create<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        let level = self.thread(caller).map_or(0, |thread| thread.settings.urgency());
        if !self.may(view, caller, Authority::Urgency, level) {
            return Ok(Err(Error::NotAllowed));
        }
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.is_short(view, caller, error) => return Ok(Err(error)),
            Err(error) => return Err(refused(now, "group_create", error)),
        };
        let process = self.process_of(caller);
        let Some(Named::Group(group, generation)) = self.learn(view, caller, word, None, now)? else {
            return Ok(Err(Error::BadHandle));
        };
        let index = group as usize;
        if self.groups.len() <= index {
            self.groups.resize(index + 1, Slot::default());
        }
        let slot = &mut self.groups[index];
        if slot.holder.is_some() || generation <= slot.generation {
            return Err(reused(now, format!("group {group}")));
        }
        *slot = Slot { generation, holder: process };
        Ok(Ok(word))
    }

    pub(super) fn set<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        // Which of two handles is wrong is not said; the kernel looks at the group first.
        let group =
            if number == Number::SetGroup { Some(self.group_named(view, caller, words[1])?) } else { None };
        let thread = self.alive(view, caller, words[0], CapabilityRights::MANAGE)?;
        let before = self.thread(thread).ok_or(Error::BadHandle)?.settings;
        let mut settings = before;
        match number {
            Number::SetClass => settings.class = Class::ALL[words[1] as usize],
            Number::SetPriority => settings.priority = Priority(words[1] as u8),
            Number::SetGroup => settings.group = group.unwrap_or(settings.group),
            _ => {
                let bank = usize::try_from(words[1]).map_err(|_| Error::BadArgument)?;
                *settings.affinity.get_mut(bank).ok_or(Error::BadArgument)? = words[2];
                let exists = |cpu: &usize| settings.affinity[cpu / 64] >> (cpu % 64) & 1 == 1;
                if !(0..self.online.len()).any(|cpu| exists(&cpu)) {
                    return Err(Error::BadArgument);
                }
                let more = settings.affinity[bank] & !before.affinity[bank];
                let mut numbers = (0..64).filter(|bit| more >> bit & 1 == 1).map(|bit| words[1] * 64 + bit);
                if numbers.any(|cpu| !self.may(view, caller, Authority::Affinity, cpu)) {
                    return Err(Error::NotAllowed);
                }
            }
        }
        let urgency = settings.urgency();
        if urgency > before.urgency() && !self.may(view, caller, Authority::Urgency, urgency) {
            return Err(Error::NotAllowed);
        }
        self.thread_mut(thread).ok_or(Error::BadHandle)?.settings = settings;
        self.waits_anew(thread);
        Ok(0)
    }

    pub(super) fn group_named<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Result<u32, Error> {
        let (key, name) = self.name(view, caller, word).ok_or(Error::BadHandle)?;
        let Named::Group(group, _) = name.what else { return Err(Error::BadHandle) };
        if !self.is_in_time(key) {
            return Err(Error::BadHandle);
        }
        if !CapabilityRights::FILL.within(name.rights) {
            return Err(Error::NoRight);
        }
        if self.is_there(name.what) { Ok(group) } else { Err(Error::BadHandle) }
    }

    pub(super) fn cpu<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        online: bool,
    ) -> Answer {
        let count = self.online.iter().filter(|online| **online).count();
        let cpu = usize::try_from(word).map_err(|_| Error::BadArgument)?;
        if cpu < self.online.len() && !self.may(view, caller, Authority::Cpus, word) {
            return Err(Error::NotAllowed);
        }
        let state = self.online.get_mut(cpu).ok_or(Error::BadArgument)?;
        if *state == online || (!online && count == 1) {
            return Err(Error::BadState);
        }
        *state = online;
        Ok(0)
    }
}
