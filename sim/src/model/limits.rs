//! How long and how often capabilities can be used, by the names that processes have for them.

use coldframe_abi::{
    CapabilityHandle, CapabilityKind, CapabilityRights, Error, Instant, Kind, Number, Reply, Request,
};
use coldframe_capability::{Capability, Limit};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Answer, Expected};
use super::names::Key;
use super::{Model, State};
use crate::oracle::{MODEL, Violation, demand};

/// How many limits are known before those of names that have gone are forgotten.
const MOST: usize = 256;

/// The capability that a process calls so.
fn row_of<'a, F: HardwareFormat>(
    view: &Inspection<'a, HostMachine<F>>,
    (process, word): Key,
) -> Option<&'a Capability> {
    let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
    let row = view.capabilities.get(slot as usize)?;
    (row.generation() == generation && row.holder() == Some(process as u32)).then_some(row)
}

impl Model {
    pub(super) fn limit_of(&self, key: Key) -> Limit {
        self.limits.get(&key).copied().unwrap_or(Limit::NONE)
    }

    /// Whether a name has neither run out nor been used up.
    pub(super) fn is_in_time(&self, key: Key) -> bool {
        self.limits.is_empty() || self.limit_of(key).allows(self.now)
    }

    pub(super) fn capability_limit<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let key = (self.process_of(caller).ok_or(Error::BadHandle)?, words[0]);
        let row = row_of(view, key).ok_or(Error::BadHandle)?;
        let fits = match row.target().kind {
            CapabilityKind::Thread
            | CapabilityKind::Group
            | CapabilityKind::Object
            | CapabilityKind::Process
            | CapabilityKind::Endpoint => true,
            CapabilityKind::Authority => words[1] == 0,
            _ => false,
        };
        if !fits || words[1] > u64::from(u32::MAX) {
            return Err(Error::BadArgument);
        }
        if row.first_derived().is_some() {
            return Err(Error::Busy);
        }
        if self.limits.len() >= MOST {
            // No name is given out again: those that nobody has are of no use.
            self.limits.retain(|key, _| row_of(view, *key).is_some());
        }
        let asked = if words[1] == 0 { u32::MAX } else { words[1] as u32 };
        let Limit { until, uses } = self.limit_of(key);
        self.limits.insert(key, Limit { until: until.min(Instant(words[2])), uses: uses.min(asked) });
        Ok(0)
    }

    /// A copy runs out when what it was made of does; what is counted it takes along.
    pub(super) fn limit_copy(&mut self, from: Key, to: Key, takes_uses: bool) {
        if from == to {
            return;
        }
        let Some(limit) = self.limits.get_mut(&from) else { return };
        let mut copy = Limit { until: limit.until, ..Limit::NONE };
        if takes_uses && limit.uses != Limit::NONE.uses {
            copy.uses = std::mem::take(&mut limit.uses);
        }
        self.limits.insert(to, copy);
    }

    /// A call has been made: what it has named has been used once, unless it was refused or is made once more.
    pub(super) fn has_used<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        (process, caller): (usize, u32),
        request: &Request,
        expected: &Expected,
        now: Instant,
    ) -> Result<(), Violation> {
        if self.limits.is_empty() {
            return Ok(());
        }
        let again = self.asks_again.iter().any(|(thread, _)| *thread == caller);
        let works = matches!(self.thread(caller).map(|thread| thread.state), Some(State::Works { .. }));
        let is_used = match expected {
            Expected::Answer(answer) => Some(answer.is_ok()),
            Expected::Nothing if again => Some(false),
            Expected::Nothing if !works => Some(true),
            // Whether what takes long was begun only the page tables know.
            _ => None,
        };
        self.unsure.retain(|(_, thread, _)| *thread != caller);
        if works {
            self.unsure.push((process, caller, *request));
        }
        self.uses_fit(view, (process, caller), request, is_used, now)
    }

    /// Calls that take long, or are made once more, may use what they name in any entry until they are over.
    pub(super) fn late_uses_fit<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        for (process, caller, request) in std::mem::take(&mut self.unsure) {
            self.uses_fit(view, (process, caller), &request, None, now)?;
            if matches!(self.thread(caller).map(|thread| thread.state), Some(State::Works { .. })) {
                self.unsure.push((process, caller, request));
            }
        }
        Ok(())
    }

    /// How often what a call has named can still be used, if it is known whether this was a use, or not.
    pub(super) fn uses_fit<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        (process, caller): (usize, u32),
        request: &Request,
        is_used: Option<bool>,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(number) = Number::from_word(request.number) else { return Ok(()) };
        let words = &request.arguments;
        let mut at = 0;
        for parameter in number.description().parameters {
            let key = (process, words[at]);
            at += parameter.kind.words();
            let counts = parameter.rights != CapabilityRights::NONE && parameter.kind != Kind::Capability;
            let Some(limit) = self.limits.get_mut(&key).filter(|limit| counts && limit.uses != u32::MAX)
            else {
                continue;
            };
            let Some(row) = row_of(view, key) else { continue };
            let (before, found) = (limit.uses, row.limit().uses);
            let spent = before.saturating_sub(1);
            let fits = match is_used {
                Some(true) => found == spent,
                Some(false) => found == before,
                None => found == before || found == spent,
            };
            limit.uses = found;
            demand(fits, MODEL, now, || {
                format!(
                    "{number:?} of thread {caller}, a use: {is_used:?}, leaves {found} of {key:x?}, which had {before}"
                )
            })?;
        }
        Ok(())
    }

    /// The word that a call of the caller has been answered with, if it has.
    pub(super) fn copied_to(&self, from: Key, process: usize, given: Reply) -> Option<(Key, Key)> {
        let word = given.result().ok()?;
        (!self.limits.is_empty()).then_some((from, (process, word)))
    }

    /// Compares all that is known of limits with what the kernel goes by.
    pub(super) fn limits_fit<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        for (key, limit) in &self.limits {
            let Some(row) = row_of(view, *key) else { continue };
            demand(row.limit() == *limit, MODEL, now, || {
                format!("{key:x?} has {:?} and should have {limit:?}", row.limit())
            })?;
        }
        for (slot, row) in (0..).zip(view.capabilities).filter(|(_, row)| row.limit() != Limit::NONE) {
            let Some(holder) = row.holder() else { continue };
            let word = CapabilityHandle { slot, generation: row.generation() }.to_word();
            let limit = self.limit_of((holder as usize, word));
            demand(row.limit() == limit, MODEL, now, || {
                format!("{word:x?} of process {holder} has {:?} and should have {limit:?}", row.limit())
            })?;
        }
        Ok(())
    }
}
