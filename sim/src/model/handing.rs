//! Capabilities that go along with messages: which may, who has them afterwards, and by what names.

use coldframe_abi::{
    CapabilityHandle, CapabilityKind, CapabilityRights, Carries, Error, Instant, MOST_CARRIED, Message,
};
use coldframe_capability::Capability;
use coldframe_hal::Trap;
use coldframe_kernel::{Inspection, Kernel, WaitsFor};
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::messages::carries;
use super::names::{Key, Named};
use super::words::{Line, Waiting};
use super::{Model, State};

/// A capability as it was before the entry, and whether it is given up.
struct Carried {
    key: Key,
    row: Capability,
    moves: bool,
}

impl Model {
    /// Notes what the messages name that this entry may hand over: afterwards it may be somebody else's.
    pub(crate) fn before_entry<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        trap: Trap,
        was: u32,
        registers: &HostRegisters,
    ) {
        self.sources.clear();
        self.loaded_pages.clear();
        self.note_unloading(view);
        let number = coldframe_abi::Number::from_word(registers.request.number);
        self.note_alarms(view);
        if !self.interrupt_lines.is_empty() {
            self.note_listeners(view);
        }
        self.note_contexts(view, was, number.filter(|_| trap == Trap::Syscall));
        let sends = trap == Trap::Syscall && number.is_some_and(carries);
        let own = sends.then_some((was, registers.message));
        let waiting = self.lines.iter().filter_map(|waiting| Some((waiting.thread, waiting.letter?.message)));
        let again = self.asks_again.iter().map(|(thread, registers)| (*thread, registers.message));
        let messages: Vec<_> =
            waiting.chain(own).chain(again).filter(|(_, message)| message.carries != Carries::NONE).collect();
        self.users.clear();
        if !messages.is_empty() {
            let by = |thread: u32| Some((thread, view.waiters[thread as usize].by()?));
            self.users.extend(self.lines.iter().filter_map(|waiting| by(waiting.thread)));
        }
        if number == Some(coldframe_abi::Number::ReplyTo) {
            self.note_source(view, was, registers.request.arguments[0]);
        }
        for at in 0..self.asks_again.len() {
            let (thread, HostRegisters { request, .. }) = self.asks_again[at];
            self.note_source(view, thread, request.arguments[0]);
        }
        for (thread, message) in messages {
            self.note_pages(kernel, view, thread, &message);
            let by = registers.request.arguments[0];
            let named = &message.words[..message.carries.count().min(MOST_CARRIED)];
            for word in named.iter().chain((thread == was).then_some(&by)) {
                self.note_source(view, thread, *word);
            }
        }
    }

    /// Notes what a thread calls so, before it may have gone along.
    fn note_source<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        word: u64,
    ) {
        let Some(process) = self.process_of(thread) else { return };
        let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
        let row = view.capabilities.get(slot as usize);
        let held = |row: &&Capability| row.generation() == generation && row.holder() == Some(process as u32);
        if let Some(row) = row.filter(held) {
            self.sources.push(((process, word), row.clone()));
        }
    }

    /// Whether a process can send all that a message names.
    pub(super) fn can_carry<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        message: &Message,
        lends: bool,
    ) -> Result<(), Error> {
        let process = self.process_of(caller).ok_or(Error::BadHandle)?;
        if message.carries == Carries::NONE {
            return Ok(());
        }
        self.carried(view, process, message)?;
        self.ranges_fit(message, lends)
    }

    fn carried<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        process: usize,
        message: &Message,
    ) -> Result<Vec<Carried>, Error> {
        let count = message.carries.count();
        if count > MOST_CARRIED {
            return Err(Error::BadArgument);
        }
        let mut all: Vec<Carried> = Vec::new();
        for (index, word) in message.words[..count].iter().enumerate() {
            let key = (process, *word);
            let source = self.sources.iter().find(|(known, _)| *known == key);
            let row = source.map(|(_, row)| row.clone()).ok_or(Error::BadHandle)?;
            let moves = message.carries.moves(index);
            let kind = row.target().kind;
            let stays =
                matches!(kind, CapabilityKind::Mapping | CapabilityKind::Line | CapabilityKind::Group);
            if stays || !(moves || CapabilityRights::COPY.within(row.rights())) {
                return Err(Error::NoRight);
            }
            if !self.is_usable(view, &row) || !self.is_in_time(key) {
                return Err(Error::BadHandle);
            }
            if !moves && self.limit_of(key).uses != u32::MAX {
                return Err(Error::NoRight);
            }
            let CapabilityHandle { slot, .. } = CapabilityHandle::from_word(*word);
            // Who waits by it now: some may have been woken in this very entry.
            // A call that is made once more comes behind the timers: those whose time has come have gone by then.
            let is_gone = |waiting: &Waiting| {
                let waits_for = view.threads[waiting.thread as usize].waits_for();
                self.makes_again && waiting.until <= self.now && waits_for == WaitsFor::Nothing
            };
            let waits = |thread: &u32| {
                self.lines.iter().any(|waiting| waiting.thread == *thread && !is_gone(waiting))
            };
            if moves && self.users.iter().any(|(thread, by)| *by == slot && waits(thread)) {
                return Err(Error::Busy);
            }
            if all.iter().any(|other| other.key == key && (moves || other.moves)) {
                return Err(Error::BadArgument);
            }
            all.push(Carried { key, row, moves });
        }
        Ok(all)
    }

    fn is_usable<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        capability: &Capability,
    ) -> bool {
        let target = capability.target();
        match target.kind {
            CapabilityKind::None | CapabilityKind::Mapping | CapabilityKind::Line => false,
            CapabilityKind::Thread => self.is_there(Named::Thread(target.row, target.generation)),
            CapabilityKind::Group => self.is_there(Named::Group(target.row, target.generation)),
            CapabilityKind::Process => self.is_there(Named::Process(target.row, target.generation)),
            CapabilityKind::Object => {
                let object = &view.objects[target.row as usize];
                object.generation() == target.generation
                    && object.process().is_some()
                    && !object.is_dying()
                    && !object.is_arriving()
            }
            CapabilityKind::Authority | CapabilityKind::Endpoint => true,
            CapabilityKind::Reply => self.is_awaited(view, target.row, target.generation),
        }
    }

    /// What a thread has in its registers after this entry.
    pub(super) fn found<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
    ) -> HostRegisters {
        match &self.loaded {
            Some((loaded, registers)) if *loaded == thread => *registers,
            _ => *view.threads[thread as usize].registers(),
        }
    }

    /// What goes from one thread to another, if it can. `heard` is why the sender has heard that it does not.
    fn may_hand_on<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        (from, to): (u32, u32),
        message: &Message,
        heard: Option<Error>,
    ) -> Result<Vec<Carried>, Error> {
        let sender = self.process_of(from).ok_or(Error::BadHandle)?;
        let carried = self.carried(view, sender, message)?;
        let accepts = self.thread(to).map_or(0, |thread| thread.accepts);
        let short = self.is_short(view, to, Error::OverBudget) || self.is_short(view, to, Error::NoMemory);
        if carried.len() > accepts || (short && heard == Some(Error::Refused)) {
            return Err(Error::Refused);
        }
        Ok(carried)
    }

    /// What a message names goes from one thread to another; says what the other finds.
    pub(super) fn hands_on<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        (from, to): (u32, u32),
        mut message: Message,
        heard: Option<Error>,
        now: Instant,
    ) -> Result<Message, Error> {
        if message.carries == Carries::NONE {
            return Ok(message);
        }
        let carried = self.may_hand_on(view, (from, to), &message, heard)?;
        if message.carries.has_pages() {
            self.pages_go(view, (from, to), &mut message, heard)?;
        }
        let (Some(sender), Some(receiver)) = (self.process_of(from), self.process_of(to)) else {
            return Err(Error::BadHandle);
        };
        let found = self.found(view, to).message;
        for (index, Carried { key, row, moves }) in carried.iter().enumerate() {
            let word = found.words[index];
            message.words[index] = word;
            let CapabilityHandle { slot, generation } = CapabilityHandle::from_word(word);
            let arrived = view.capabilities.get(slot as usize).filter(|new| {
                new.generation() == generation
                    && new.holder() == Some(receiver as u32)
                    && (new.target(), new.rights(), new.badge()) == (row.target(), row.rights(), row.badge())
            });
            let CapabilityHandle { slot: old, generation } = CapabilityHandle::from_word(key.1);
            let left = &view.capabilities[old as usize];
            let kept = left.generation() == generation && left.holder() == Some(sender as u32);
            // What is copied may be taken away in the same entry: by somebody's work, or with a second message.
            let carries = |waiting: &Waiting| {
                waiting.letter.is_some_and(|letter| letter.message.carries != Carries::NONE)
            };
            let is_lost = !moves && !kept && !self.somebody_works() && !self.lines.iter().any(carries);
            if arrived.is_none() || (*moves && kept) || is_lost {
                self.complaint = Some(format!(
                    "thread {from} sends {key:x?} to thread {to}, moved: {moves}, kept: {kept}; it arrives as {word:#x}: {arrived:?}"
                ));
                return Ok(message);
            }
            let parent = self.names.find(*key).map(|_| *key);
            if let Err(violation) = self.learn_for(view, receiver, word, parent, now) {
                self.complaint = Some(violation.detail);
            }
            self.limit_copy(*key, (receiver, word), *moves);
            if *moves {
                self.names.remove(*key);
                // A second message in the same entry cannot carry it any more.
                self.sources.retain(|(known, _)| known != key);
            }
        }
        message.carries = message.carries.copied();
        Ok(message)
    }

    /// A call has met one whose message cannot be received, and is made once more.
    pub(super) fn refuses<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        line: Line,
    ) {
        // More than one, if it has been made again in the same entry.
        while let Some(Waiting { thread, letter: Some(letter), .. }) = self.first_in(line, 0) {
            let heard = self.found(view, thread).reply.result().err();
            let refused = self.may_hand_on(view, (thread, caller), &letter.message, heard).err();
            // Such as have ended may have been in the way, or its time have come before.
            let gone = view.threads[thread as usize].waits_for() == WaitsFor::Nothing;
            match refused.filter(|refused| gone && heard == Some(*refused)) {
                Some(error) => self.stops_waiting(thread, Some(Err(error))),
                None => return,
            }
        }
    }

    /// A call is made once more, when what was in its way has gone.
    pub(super) fn set_again(&mut self, caller: u32, call: coldframe_abi::Number, before: &HostRegisters) {
        self.set_state(caller, State::Works { call });
        self.asks_again.push((caller, *before));
    }
}
