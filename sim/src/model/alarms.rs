//! Alarms: signals that are raised at a moment, not before, and by whoever's name still stands then.

use coldframe_abi::{CapabilityRights, Instant, Message, Reply};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::calls::Answer;
use super::messages::Place;
use super::names::Key;
use super::words::Line;
use super::{Model, State};

/// What is raised at a moment, and by which name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    at: Instant,
    name: Key,
    bits: u64,
    /// Where it would have been raised before this entry.
    before: Option<(u32, u32)>,
}

impl Model {
    pub(super) fn sets_alarm<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let place = self.may_signal(view, caller, words[0], words[1])?;
        self.alarms.remove(&caller);
        if let Some(process) = self.process_of(caller).filter(|_| words[2] != u64::MAX) {
            let (at, name, bits) = (Instant(words[2]), (process, words[0]), words[1]);
            let place = self.heard_at(view, process, place, CapabilityRights::SIGNAL);
            let before = place.map(|place| (place.row, place.generation));
            self.alarms.insert(caller, Alarm { at, name, bits, before });
        }
        Ok(0)
    }

    /// Notes where alarms would be raised before the entry that follows.
    pub(super) fn note_alarms<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        let mut alarms = std::mem::take(&mut self.alarms);
        for alarm in alarms.values_mut() {
            let place = self.lent_at(view, alarm.name, CapabilityRights::SIGNAL);
            alarm.before = place.map(|place| (place.row, place.generation));
        }
        self.alarms = alarms;
    }

    /// Alarms that have rung in this entry: of several each may have been the first.
    pub(super) fn ring_alarms<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) {
        let alarms = std::mem::take(&mut self.alarms);
        let (mut rung, mut left) = (Vec::new(), alarms);
        left.retain(|thread, alarm| {
            // One that met only such as have ended is set anew, for at once.
            let set = view.timers[*thread as usize * 2 + 1].deadline();
            let is_set = set.is_some_and(|at| at == alarm.at || at.max(alarm.at) <= now);
            let known = self.thread(*thread);
            let lives = known.is_some_and(|known| !matches!(known.state, State::Ended { .. }));
            // One whose process has ended ends with the entry that would let it run, and its alarm with it.
            let goes = known.is_some_and(|known| view.processes[known.process].ended().is_some());
            if lives && !is_set && !(goes && alarm.at > now) {
                rung.push((*thread, *alarm));
            }
            lives && is_set
        });
        self.alarms = left;
        if let Some((thread, alarm)) = rung.iter().find(|(_, alarm)| alarm.at > now) {
            self.complaint = Some(format!("the alarm of thread {thread} at {} ns rings before", alarm.at.0));
        }
        while !rung.is_empty() {
            let next = rung.iter().position(|(_, alarm)| self.is_heard(view, alarm)).unwrap_or(0);
            let (_, alarm) = rung.remove(next);
            let after = self.lent_at(view, alarm.name, CapabilityRights::SIGNAL);
            let at = after.as_ref().map(|place| (place.row, place.generation)).or(alarm.before);
            let Some((row, generation)) = at else { continue };
            // A name that has gone in this very entry may have gone before, or after.
            let shows = view.endpoints[row as usize].signals() & alarm.bits == alarm.bits;
            if after.is_some() || (alarm.before.is_some() && (shows || self.is_heard(view, &alarm))) {
                self.raise(view, &Place { row, generation, badge: 0 }, alarm.bits, now);
            }
        }
    }

    /// Whether the first of those who wait for what an alarm raises has found just that.
    fn is_heard<F: HardwareFormat>(&self, view: &Inspection<'_, HostMachine<F>>, alarm: &Alarm) -> bool {
        let Some((row, generation)) = alarm.before else { return false };
        self.first_in(Line::Receivers(row, generation), 0).is_some_and(|receiver| {
            let found = self.found(view, receiver.thread);
            found.reply == Reply::ok(alarm.bits) && found.message == Message::SIGNALLED
        })
    }
}
