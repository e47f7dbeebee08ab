//! Calls about capabilities, as far as they name threads and groups; those to memory are for the windows to judge.

use coldframe_abi::{
    Authority, CapabilityHandle, CapabilityKind, CapabilityRights, CapabilityState, Error, Instant, Number,
    Reply,
};
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Answer, Expected, SCARCE, refused, reused};
use super::names::{Key, Name, Named};
use super::{Model, State};
use crate::oracle::Violation;

impl Model {
    /// What a name of the caller is for, if it has it and that is there.
    pub(super) fn name<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Option<(Key, Name)> {
        let key = (self.process_of(caller)?, word);
        let name = self.names.find(key)?;
        if name.fading.is_some() && !is_held(view, key) {
            // Another thread has taken it away since.
            self.names.remove(key);
            return None;
        }
        Some((key, name))
    }

    /// Whether what a name is for is there.
    pub(super) fn is_there(&self, what: Named) -> bool {
        match what {
            Named::Authority(_) | Named::Listener(_) => true,
            Named::Process(row, generation) => self.is_process_there(row, generation),
            Named::Thread(row, generation) => self
                .threads
                .get(row as usize)
                .is_some_and(|slot| slot.generation == generation && slot.holder.is_some()),
            Named::Group(row, generation) => self
                .groups
                .get(row as usize)
                .is_some_and(|slot| slot.generation == generation && slot.holder.is_some()),
        }
    }

    /// Takes in a name that the kernel has made up for the caller.
    pub(super) fn learn<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        parent: Option<Key>,
        now: Instant,
    ) -> Result<Option<Named>, Violation> {
        let Some(process) = self.process_of(caller) else { return Ok(None) };
        self.learn_for(view, process, word, parent, now)
    }

    /// Takes in a name that the kernel has made up for a process.
    pub(super) fn learn_for<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        process: usize,
        word: u64,
        parent: Option<Key>,
        now: Instant,
    ) -> Result<Option<Named>, Violation> {
        if !self.names.is_fresh(word) {
            return Err(reused(now, format!("{word:#x}")));
        }
        let row = &view.capabilities[CapabilityHandle::from_word(word).slot as usize];
        let target = row.target();
        let what = match target.kind {
            CapabilityKind::Thread => Named::Thread(target.row, target.generation),
            CapabilityKind::Group => Named::Group(target.row, target.generation),
            CapabilityKind::Process => Named::Process(target.row, target.generation),
            CapabilityKind::Line => Named::Listener(target.row),
            CapabilityKind::Authority => {
                let authority = Authority::ALL[target.row as usize];
                let before = self.names.standing(process, authority);
                if let Some(key) = before.filter(|key| !is_held(view, *key)) {
                    // Another thread has taken it away since.
                    self.names.remove(key);
                }
                Named::Authority(authority)
            }
            _ => return Ok(None),
        };
        let name = Name {
            what,
            rights: row.rights(),
            badge: row.badge(),
            parent,
            first: parent.is_none() && matches!(what, Named::Thread(..)),
            fading: None,
        };
        let works = |thread: u32| view.threads[thread as usize].work().is_some();
        self.names.add((process, word), name, works);
        Ok(Some(what))
    }

    pub(super) fn thread_self<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        let me = Named::Thread(caller, self.threads[caller as usize].generation);
        if let Some((_, word)) = self.names.first_of(me) {
            return Ok(Ok(word));
        }
        match given.result() {
            Ok(word) => {
                let named = self.learn(view, caller, word, None, now)?;
                Ok(if named == Some(me) { Ok(word) } else { Err(Error::BadHandle) })
            }
            Err(error) if self.is_short(view, caller, error) => Ok(Err(error)),
            Err(error) => Err(refused(now, "thread_self", error)),
        }
    }

    /// Whether the process of a thread has authority over a number.
    pub(super) fn may<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        authority: Authority,
        number: u64,
    ) -> bool {
        let key = self.process_of(caller).and_then(|process| self.names.standing(process, authority));
        let Some(name) = key.and_then(|(_, word)| self.name(view, caller, word)) else { return false };
        if !self.is_in_time(name.0) {
            return false;
        }
        let (low, high) = (name.1.badge & u64::from(u32::MAX), name.1.badge >> 32);
        low <= number && number < high
    }

    /// Whether a refusal for want of memory may be honest.
    pub(super) fn is_short<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        error: Error,
    ) -> bool {
        let left = self.process_of(caller).map_or(0, |process| view.processes[process].budget().left());
        match error {
            Error::NoMemory => self.is_refused || view.own.left() < SCARCE,
            Error::OverBudget => left == 0,
            _ => false,
        }
    }

    pub(super) fn capability_call<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        let named = self.name(view, caller, words[0]);
        Ok(match (number, named) {
            (Number::CapabilityNext, _) => Expected::Any,
            (Number::CapabilitySame, Some((_, one))) => match self.name(view, caller, words[1]) {
                Some((_, other)) => {
                    let same = one.what == other.what && self.is_there(one.what);
                    Expected::Answer(Ok(u64::from(same)))
                }
                None => Expected::Any,
            },
            (Number::CapabilityInspect, Some((key, name))) => {
                Expected::Answer(Ok(self.state_of(key, name).to_word()))
            }
            (Number::CapabilityCopy, Some((key, name))) => {
                let answer = self.copy(view, caller, (key, name), words, given, now)?;
                Expected::Answer(answer)
            }
            (Number::CapabilityDelete, Some((key, name))) => {
                self.delete(key, name);
                Expected::Answer(Ok(0))
            }
            (Number::CapabilityRevoke, Some((key, _))) => {
                self.names.fade(key, caller);
                self.set_state(caller, State::Works { call: number });
                Expected::Nothing
            }
            (Number::CapabilityCopy, None) => {
                if let Ok(word) = given.result()
                    && let Some(what) = self.learn(view, caller, word, None, now)?
                {
                    let detail = format!("a copy of what thread {caller} does not have names {what:?}");
                    return Err(Violation { oracle: crate::oracle::MODEL, detail, at: now });
                }
                Expected::Any
            }
            (Number::CapabilityRevoke | Number::CapabilityDelete, None) => {
                self.set_state(caller, State::Works { call: number });
                Expected::Nothing
            }
            _ => Expected::Any,
        })
    }

    fn state_of(&self, key: Key, name: Name) -> CapabilityState {
        let kind = match name.what {
            what if !self.is_there(what) || !self.is_in_time(key) => CapabilityKind::None,
            Named::Thread(..) => CapabilityKind::Thread,
            Named::Group(..) => CapabilityKind::Group,
            Named::Process(..) => CapabilityKind::Process,
            Named::Authority(_) => CapabilityKind::Authority,
            Named::Listener(_) => CapabilityKind::Line,
        };
        let authority = match name.what {
            Named::Authority(authority) if kind == CapabilityKind::Authority => authority,
            _ => Authority::default(),
        };
        CapabilityState { kind, rights: name.rights, authority }
    }

    fn copy<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        (key, name): (Key, Name),
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        let rights = CapabilityRights(words[1] as u8);
        let allowed = rights.and(CapabilityRights::COPY).within(name.rights);
        let Some(badge) = badge_of(name, words[2]).filter(|_| allowed) else {
            return Ok(Err(Error::NoRight));
        };
        if !self.is_there(name.what) || !self.is_in_time(key) {
            return Ok(Err(Error::BadHandle));
        }
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.is_short(view, caller, error) => return Ok(Err(error)),
            Err(error) => return Err(refused(now, "capability_copy", error)),
        };
        self.learn(view, caller, word, Some(key), now)?;
        let learned = self.names.find((key.0, word));
        let fits =
            learned.is_some_and(|copy| (copy.what, copy.rights, copy.badge) == (name.what, rights, badge));
        if fits {
            return Ok(Ok(word));
        }
        let detail = format!("a copy of {name:x?} with {rights:?} and {:#x} is {learned:x?}", words[2]);
        Err(Violation { oracle: crate::oracle::MODEL, detail, at: now })
    }

    fn delete(&mut self, key: Key, name: Name) {
        self.names.remove(key);
        if let Named::Thread(row, _) = name.what
            && self.is_there(name.what)
            && !self.names.is_named(name.what)
            && self.thread(row).is_some_and(|thread| matches!(thread.state, State::Ended { .. }))
        {
            // Nobody can ask for its result any more.
            self.threads[row as usize].holder = None;
        }
    }

    /// A thread has ended to which nobody has a name, or whose result has been taken.
    pub(super) fn thread_is_gone(&mut self, thread: u32) {
        let what = Named::Thread(thread, self.threads[thread as usize].generation);
        self.threads[thread as usize].holder = None;
        if let Some(key) = self.names.first_of(what) {
            self.names.remove(key);
        }
    }

    /// Forgets the names that somebody has taken away since he began to.
    pub(super) fn forget_faded<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        for key in self.names.faded() {
            if !is_held(view, key) {
                self.names.remove(key);
            }
        }
    }

    /// A thread has finished taking names away, or has been stopped.
    pub(super) fn has_revoked<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        done: bool,
    ) -> Option<String> {
        self.names.is_done(thread);
        for key in self.names.fading(thread) {
            if !is_held(view, key) {
                if let Some(name) = self.names.find(key) {
                    self.delete(key, name);
                }
            } else if done {
                return Some(format!("{key:x?} was derived from what thread {thread} has revoked"));
            } else {
                self.names.stays(key);
            }
        }
        None
    }
}

/// What is written on a copy of a name, if that may be.
pub(super) fn badge_of(name: Name, asked: u64) -> Option<u64> {
    match name.what {
        Named::Authority(_) if asked == 0 => Some(name.badge),
        Named::Authority(_) => {
            let (start, end) = (asked as u32, asked >> 32);
            let (low, high) = (name.badge as u32, name.badge >> 32);
            (u64::from(start) < end && low <= start && end <= high).then_some(asked)
        }
        _ => (name.badge == 0 || name.badge == asked).then_some(asked),
    }
}

pub(super) fn is_held<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    (process, word): Key,
) -> bool {
    let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
    let row = view.capabilities.get(slot as usize);
    row.is_some_and(|row| row.generation() == generation && row.holder() == Some(process as u32))
}
