//! Calls about processes: who has made whom, what each may call, and how it ended.

use coldframe_abi::{
    CapabilityHandle, CapabilityKind, CapabilityRights, Deadline, Error, Instant, Nanos, Number, Reply,
};
use coldframe_kernel::{Inspection, WaitsFor};
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Expected, refused, reused};
use super::capabilities::badge_of;
use super::counts::Counts;
use super::names::{Key, Named};
use super::{Model, Slot, State, Thread};
use crate::oracle::{MODEL, Violation};

/// What is known of a process beside its threads.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) generation: u32,
    pub(super) parent: Option<usize>,
    pub(super) ended: Option<End>,
    /// How long its threads have run, but for those that run.
    pub(super) run_time: Nanos,
    /// A bit for each call that it may make.
    pub(super) calls: [u64; 2],
    pub(super) watcher: Option<u32>,
    /// By whose name which signals are raised when nothing is left of it.
    pub(super) bell: Option<(Key, u64)>,
    /// By whose name the faults of new threads are sent.
    pub(super) handler: Option<Key>,
    /// By whose name all that it sends is sent, if it has a host.
    pub(super) host: Option<Key>,
    /// The group whose threads its endpoints hear, by row and generation, if it does not hear everybody.
    pub(super) circle: Option<(u32, u32)>,
    pub(super) counts: Counts,
}

/// A process that nobody has restricted may make all.
pub(super) const ALL_CALLS: [u64; 2] = [u64::MAX; 2];

impl Process {
    /// One that has not ended, and that may make these calls.
    pub(super) fn new(generation: u32, parent: Option<usize>, calls: [u64; 2]) -> Self {
        Self {
            generation,
            parent,
            ended: None,
            run_time: Nanos::ZERO,
            calls,
            watcher: None,
            bell: None,
            handler: None,
            host: None,
            circle: None,
            counts: Counts::default(),
        }
    }
}

/// How a process ends, and what is said about why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) status: u64,
    pub(super) reason: u64,
}

impl End {
    /// Of one that ends with the one that made it.
    const KILLED: Self = Self::with(137);

    pub(super) const fn with(status: u64) -> Self {
        Self { status, reason: 0 }
    }

    /// Of one that had a fault about an address.
    pub(super) const fn faulted(address: u64) -> Self {
        Self { status: 139, reason: address }
    }
}

impl Model {
    /// Whether a process may make a call.
    pub(super) fn may_call(&self, caller: u32, number: Number) -> bool {
        let process = self.process_of(caller).and_then(|process| self.processes.get(&process));
        process.is_none_or(|process| process.calls[number as usize / 64] >> (number as u64 % 64) & 1 == 1)
    }

    /// Processes whose maker has ended end too, one after the other, and so do those whose faults nobody handles.
    pub(super) fn end_doomed<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        if self.doomed.is_empty() {
            return;
        }
        let doomed = std::mem::take(&mut self.doomed);
        // Of two reasons the one counts that came first.
        let (named, others): (Vec<_>, Vec<_>) = doomed.into_iter().partition(|(process, end)| {
            view.processes[*process].ended().is_some_and(|ended| u64::from(ended.0) == end.status)
        });
        for (process, end) in named.into_iter().chain(others) {
            let generation = self.processes.get(&process).map(|process| process.generation);
            let row = &view.processes[process];
            // Its row may have gone to another since, and then it has ended as well.
            if row.ended().is_some() || Some(row.generation()) != generation {
                self.end_process_with(process, end);
            } else {
                self.doomed.push((process, end));
            }
        }
    }

    pub(super) fn end_process_with(&mut self, process: usize, end: End) {
        let known = self.processes.entry(process).or_insert_with(|| Process::new(0, None, ALL_CALLS));
        if known.ended.is_some() {
            return;
        }
        known.ended = Some(end);
        self.statuses.insert((process, known.generation), end.status);
        let children =
            self.processes.iter().filter(|(_, other)| other.parent == Some(process) && other.ended.is_none());
        self.doomed.extend(children.map(|(child, _)| (*child, End::KILLED)));
        self.end_process(process);
    }

    /// The process that a name of the caller is for.
    pub(super) fn process_named<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        rights: CapabilityRights,
    ) -> Result<usize, Error> {
        let (key, name) = self.name(view, caller, word).ok_or(Error::BadHandle)?;
        let Named::Process(process, _) = name.what else { return Err(Error::BadHandle) };
        if !self.is_in_time(key) {
            return Err(Error::BadHandle);
        }
        if !rights.within(name.rights) {
            return Err(Error::NoRight);
        }
        if self.is_there(name.what) { Ok(process as usize) } else { Err(Error::BadHandle) }
    }

    pub(super) fn process_to_fill<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
    ) -> Result<usize, Error> {
        let process = self.process_named(view, caller, word, CapabilityRights::FILL)?;
        let known = &self.processes[&process];
        if known.parent != self.process_of(caller) {
            return Err(Error::NoRight);
        }
        if known.ended.is_none() { Ok(process) } else { Err(Error::BadState) }
    }

    /// Whether a process may be short of frames, its own or the machine's.
    fn child_is_short<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        child: usize,
        error: Error,
    ) -> bool {
        self.is_short(view, caller, error)
            || (error == Error::OverBudget && view.processes[child].budget().left() == 0)
    }

    pub(super) fn process_call<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        Ok(match number {
            Number::ProcessCreate => self.process_create(view, caller, words[0], given, now)?,
            Number::ProcessThread => self.process_thread(view, caller, words, given, now)?,
            Number::ProcessGive => self.process_give(view, caller, words, given, now)?,
            Number::ProcessMap => match self.process_to_fill(view, caller, words[0]) {
                Ok(_) => {
                    self.set_state(caller, State::Works { call: number });
                    Expected::Nothing
                }
                Err(error) => Expected::Answer(Err(error)),
            },
            Number::ProcessRestrict => {
                Expected::Answer(self.process_to_fill(view, caller, words[0]).and_then(|process| {
                    let known = self.processes.get_mut(&process).ok_or(Error::BadHandle)?;
                    *known.calls.get_mut(words[1] as usize).ok_or(Error::BadArgument)? &= words[2];
                    Ok(0)
                }))
            }
            Number::ProcessKill => {
                let process = self.process_named(view, caller, words[0], CapabilityRights::MANAGE);
                Expected::Answer(process.map(|process| {
                    self.end_process_with(process, End::with(words[1]));
                    0
                }))
            }
            Number::ProcessCount => {
                let process = self.process_named(view, caller, words[0], CapabilityRights::INSPECT);
                Expected::Answer(process.map(|process| self.processes[&process].counts[words[1] as usize]))
            }
            Number::ProcessTime => {
                let process = self.process_named(view, caller, words[0], CapabilityRights::INSPECT);
                Expected::Answer(process.map(|process| self.run_time_of(process, now)))
            }
            Number::ProcessReason => {
                let process = self.process_named(view, caller, words[0], CapabilityRights::INSPECT);
                let ended = process.map(|process| self.processes[&process].ended);
                Expected::Answer(ended.and_then(|ended| ended.map(|end| end.reason).ok_or(Error::BadState)))
            }
            Number::ProcessWait => self.process_wait(view, caller, words, given, now),
            _ => match self.process_named(view, caller, words[0], CapabilityRights::INSPECT) {
                Ok(_) => Expected::Any,
                Err(error) => Expected::Answer(Err(error)),
            },
        })
    }

    fn process_create<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        frames: u64,
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        let Some(maker) = self.process_of(caller) else { return Ok(Expected::Nothing) };
        let word = match given.result() {
            Ok(word) => word,
            // Two frames are not enough for a root and a name, nor more than the caller has for anything.
            Err(Error::OverBudget)
                if frames < 2 || frames.saturating_add(1) >= view.processes[maker].budget().left() =>
            {
                return Ok(Expected::Any);
            }
            Err(error) if self.is_short(view, caller, error) => return Ok(Expected::Any),
            Err(error) => return Err(refused(now, "process_create", error)),
        };
        let Some(Named::Process(row, generation)) = self.learn(view, caller, word, None, now)? else {
            return Ok(Expected::Answer(Err(Error::BadHandle)));
        };
        let process = row as usize;
        if self.processes.get(&process).is_some_and(|known| known.generation >= generation) {
            return Err(reused(now, format!("process {process}")));
        }
        let calls = self.processes.get(&maker).map_or(ALL_CALLS, |maker| maker.calls);
        let host = self.processes.get(&maker).and_then(|maker| maker.host);
        let known = Process { host, ..Process::new(generation, Some(maker), calls) };
        self.processes.insert(process, known);
        *self.alive_in(process) = 0;
        // Only the pages that its maker shows it are there.
        self.unreadable.push(process);
        Ok(Expected::Answer(Ok(word)))
    }

    fn process_thread<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        let process = match self.process_to_fill(view, caller, words[0]) {
            Ok(process) => process,
            Err(error) => return Ok(Expected::Answer(Err(error))),
        };
        if words[1] >= self.user_end || words[2] > self.user_end {
            return Ok(Expected::Answer(Err(Error::BadAddress)));
        }
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.child_is_short(view, caller, process, error) => return Ok(Expected::Any),
            Err(error) => return Err(refused(now, "process_thread", error)),
        };
        let wrong = |detail| Err(Violation { oracle: MODEL, detail, at: now });
        let handle = CapabilityHandle::from_word(word);
        let target = view.capabilities[handle.slot as usize].target();
        let own = view.threads.get(target.row as usize).and_then(|thread| thread.capability());
        let Some(own) = own.filter(|_| target.kind == CapabilityKind::Thread) else {
            return wrong(format!("{word:#x} is no new thread"));
        };
        let own_word =
            CapabilityHandle { slot: own, generation: view.capabilities[own as usize].generation() };
        let root = self.learn_for(view, process, own_word.to_word(), None, now)?;
        let parent = Some((process, own_word.to_word()));
        let name = self.learn(view, caller, word, parent, now)?;
        let (Some(Named::Thread(thread, generation)), true) = (name, root == name) else {
            return wrong(format!("a new thread is called {root:?} and {name:?}"));
        };
        let Some(maker) = self.thread(caller).copied() else { return Ok(Expected::Nothing) };
        let handler = self.processes.get(&process).and_then(|process| process.handler);
        let slot = self.slot(thread);
        if slot.holder.is_some() || generation <= slot.generation {
            return Err(reused(now, format!("thread {thread}")));
        }
        *slot = Slot { generation, holder: Some(Thread { handler, ..Thread::new(process, maker.settings) }) };
        *self.alive_in(process) += 1;
        self.settings_fit(view, thread, now)?;
        Ok(Expected::Answer(Ok(word)))
    }

    fn process_give<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        let process = match self.process_to_fill(view, caller, words[0]) {
            Ok(process) => process,
            Err(error) => return Ok(Expected::Answer(Err(error))),
        };
        let named = self.name(view, caller, words[1]);
        let rights = CapabilityRights(words[2] as u8);
        if let Some((key, name)) = named {
            let allowed = rights.and(CapabilityRights::COPY).within(name.rights);
            if !allowed || badge_of(name, words[3]).is_none() {
                return Ok(Expected::Answer(Err(Error::NoRight)));
            }
            if !self.is_there(name.what) || !self.is_in_time(key) {
                return Ok(Expected::Answer(Err(Error::BadHandle)));
            }
        }
        let word = match (given.result(), named) {
            (Ok(word), _) => word,
            (Err(error), Some(_)) if !self.child_is_short(view, caller, process, error) => {
                return Err(refused(now, "process_give", error));
            }
            _ => return Ok(Expected::Any),
        };
        let parent: Option<Key> = named.map(|(key, _)| key);
        let learned = self.learn_for(view, process, word, parent, now)?;
        if let Some(giver) = self.process_of(caller) {
            self.limit_copy((giver, words[1]), (process, word), true);
        }
        let copy = self.names.find((process, word));
        let fits = match (named, copy) {
            (Some((_, name)), Some(copy)) => {
                let badge = badge_of(name, words[3]).unwrap_or_default();
                (copy.what, copy.rights, copy.badge) == (name.what, rights, badge)
            }
            (None, None) => true,
            _ => false,
        };
        if fits {
            return Ok(Expected::Answer(Ok(word)));
        }
        let detail = format!("what was given as {:#x} arrives as {learned:?}", words[1]);
        Err(Violation { oracle: MODEL, detail, at: now })
    }

    fn process_wait<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Expected {
        let process = match self.process_named(view, caller, words[0], CapabilityRights::INSPECT) {
            Ok(process) => process,
            Err(error) => return Expected::Answer(Err(error)),
        };
        let waits = view.threads[caller as usize].waits_for() == WaitsFor::EndOfProcess(process as u32);
        let known = &self.processes[&process];
        let gone = view.processes[process].space().is_none();
        if let (Some(End { status, .. }), true, false) = (known.ended, gone, waits) {
            // If the last of it has gone in this very entry, both have happened.
            return if given.result() == Ok(status) { Expected::Answer(Ok(status)) } else { Expected::Any };
        }
        let watches = |thread: &Thread| matches!(thread.state, State::Watches { process: other, .. } if other == process);
        if let Some(watcher) = known.watcher.filter(|watcher| self.thread(*watcher).is_some_and(watches)) {
            let still = view.threads[watcher as usize].waits_for() == WaitsFor::EndOfProcess(process as u32);
            // If its wait ends in this very entry, that comes after the call.
            if still || (!waits && given.result() == Err(Error::Busy)) {
                return Expected::Answer(Err(Error::Busy));
            }
        }
        if words[1] <= now.0 {
            return Expected::Answer(Err(Error::TimedOut));
        }
        if let Some(process) = self.processes.get_mut(&process) {
            process.watcher = Some(caller);
        }
        let until = Instant(words[1]);
        let generation = self.processes.get(&process).map_or(0, |process| process.generation);
        self.set_state(caller, State::Watches { process, generation, until });
        Expected::Nothing
    }

    /// What a thread finds that waited for the end of a process.
    pub(super) fn has_watched<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        (process, generation): (usize, u32),
        until: Instant,
        found: Result<u64, Error>,
        now: Instant,
    ) -> bool {
        match found {
            Ok(status) => {
                // The row may be another process's by now.
                let row = &view.processes[process];
                let gone = row.space().is_none() || row.generation() != generation;
                gone && self.statuses.get(&(process, generation)) == Some(&status)
            }
            Err(Error::TimedOut) => until.0 != Deadline::NEVER.0 && until <= now,
            Err(_) => false,
        }
    }

    /// Whether a name is for the process that has the row.
    pub(super) fn is_process_there(&self, process: u32, generation: u32) -> bool {
        self.processes.get(&(process as usize)).is_some_and(|known| known.generation == generation)
    }
}
