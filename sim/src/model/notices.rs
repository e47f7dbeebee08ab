//! Who hears that nothing of a memory object is mapped any more.

use coldframe_abi::{CapabilityKind, CapabilityRights, Error, Instant};
use coldframe_kernel::Inspection;
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::Model;
use super::calls::{Answer, Expected};
use crate::oracle::{MODEL, Violation, demand};

impl Model {
    pub(super) fn object_notify<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Expected {
        if self.asks_again(view, caller, before) {
            return Expected::Nothing;
        }
        Expected::Answer(self.takes_bell_of_object(view, caller, &before.request.arguments, now))
    }

    fn takes_bell_of_object<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        now: Instant,
    ) -> Answer {
        let named = (CapabilityKind::Object, CapabilityRights::INSPECT);
        let target = self.row_named(view, caller, words[0], named)?.target();
        let object = &view.objects[target.row as usize];
        let is_there = object.generation() == target.generation
            && object.process().is_some()
            && !object.is_dying()
            && !object.is_arriving();
        if !is_there {
            return Err(Error::BadHandle);
        }
        let place = self.may_signal(view, caller, words[1], words[2])?;
        let me = self.process_of(caller).ok_or(Error::BadHandle)?;
        let at = (target.row, target.generation);
        let others = self.object_bells.get(&at).filter(|((holder, _), _)| *holder != me);
        if others.is_some_and(|(name, _)| self.lent_at(view, *name, CapabilityRights::SIGNAL).is_some()) {
            return Err(Error::Busy);
        }
        // No call but those that take long makes a mapping or takes one away, and of those a step has an entry of its own.
        if object.first_mapping().is_some() {
            self.object_bells.insert(at, ((me, words[1]), words[2]));
        } else {
            self.object_bells.remove(&at);
            if let Some(place) = self.heard_at(view, me, place, CapabilityRights::SIGNAL) {
                self.raise(view, &place, words[2], now);
            }
        }
        Ok(0)
    }

    /// Objects of which nothing is mapped any more: whoever wanted to hear of it does, and does not hear it of others.
    pub(super) fn ring_for_objects<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        if self.object_bells.is_empty() {
            return Ok(());
        }
        let mut told = Vec::new();
        for ((row, generation), bell) in &self.object_bells {
            let object = &view.objects[*row as usize];
            let is_shown = object.generation() == *generation && object.first_mapping().is_some();
            if object.generation() != *generation || object.bell().name.holder().is_none() {
                told.push(((*row, *generation), *bell));
                demand(!is_shown, MODEL, now, || {
                    format!("somebody hears that nothing of object {row} is mapped, and something is")
                })?;
                continue;
            }
            let reaper_comes = view.rows[0].place() != Place::Waiting;
            demand(is_shown || (object.is_unshown() && reaper_comes), MODEL, now, || {
                format!("nothing of object {row} is mapped, and nobody will say so")
            })?;
        }
        for (object, (name, bits)) in told {
            self.object_bells.remove(&object);
            if let Some(place) = self.lent_at(view, name, CapabilityRights::SIGNAL) {
                self.raise(view, &place, bits, now);
            }
        }
        Ok(())
    }
}
