//! What drivers need: the registers of devices, and interrupt lines. Who listens to which, who has been told and has to
//! answer, and who is told of nothing any more.

use std::collections::BTreeMap;

use coldframe_abi::{Authority, CapabilityRights, Counter, Error, Instant, Reply};
use coldframe_kernel::{Inspection, Kernel};
use hal_host::{DEVICE_FRAMES, FIRST_MESSAGE_LINE, HardwareFormat, HostMachine};

use super::Model;
use super::calls::{Answer, Expected, refused};
use super::capabilities::is_held;
use super::messages::Place;
use super::names::{Key, Named};
use crate::oracle::{MODEL, Violation, demand};

/// How many can listen to a line, how long each may take to answer, and how many interrupts in a row can be nobody's.
const MOST: usize = 8;
const PATIENCE: u64 = 100_000_000;
const NOBODYS: u32 = 16;

/// How it stands with somebody who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Idle,
    Untold,
    Told,
    Dismissed,
    Out,
}

impl Standing {
    const fn of(standing: coldframe_kernel::Standing) -> Self {
        match standing {
            coldframe_kernel::Standing::Idle => Self::Idle,
            coldframe_kernel::Standing::Untold => Self::Untold,
            coldframe_kernel::Standing::Told => Self::Told,
            coldframe_kernel::Standing::Dismissed => Self::Dismissed,
            coldframe_kernel::Standing::Out => Self::Out,
        }
    }

    const fn listens(self) -> bool {
        matches!(self, Self::Idle | Self::Untold | Self::Told)
    }

    const fn holds_up(self) -> bool {
        matches!(self, Self::Untold | Self::Told)
    }
}

/// Somebody who listens, by the name that he has for that.
#[derive(Clone, Copy, Debug)]
struct Listener {
    key: Key,
    /// By which name for an endpoint it is told, and where that would be before this entry.
    name: Key,
    before: Option<(u32, u32)>,
    bits: u64,
    standing: Standing,
}

/// A line to which somebody listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    listeners: [Option<Listener>; MOST],
    since: Option<Instant>,
    is_claimed: bool,
    unclaimed: u32,
}

impl Line {
    fn all(&mut self) -> impl Iterator<Item = &mut Listener> {
        self.listeners.iter_mut().flatten()
    }

    fn is_open(&self) -> bool {
        self.since.is_none() && self.listeners.iter().flatten().any(|listener| listener.standing.listens())
    }

    /// Nobody is waited for any more, if all have answered.
    fn may_end(&mut self) {
        if !self.all().any(|listener| listener.standing.holds_up()) {
            self.since = None;
        }
    }
}

/// The lines to which somebody listens, by number.
pub(super) type Lines = BTreeMap<u32, Line>;

impl Model {
    /// The registers of devices, by their address; what comes of the object is for the oracles to say.
    pub(super) fn object_physical<F: HardwareFormat>(
        &mut self,
        (kernel, view): (&Kernel<HostMachine<F>>, &Inspection<'_, HostMachine<F>>),
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        const PAGE: u64 = 4_096;
        let first = kernel.machine().registers().0;
        let end = words[0]
            .checked_add(words[1])
            .filter(|_| words[0].is_multiple_of(PAGE) && words[1].is_multiple_of(PAGE));
        let inside =
            end.filter(|end| words[1] > 0 && words[0] / PAGE >= first && end / PAGE <= first + DEVICE_FRAMES);
        let Some(end) = inside else { return Ok(Expected::Answer(Err(Error::BadArgument))) };
        let mut may = |page: u64| self.may(view, caller, Authority::Devices, page);
        if !may(words[0] / PAGE) || !may(end / PAGE - 1) {
            return Ok(Expected::Answer(Err(Error::NotAllowed)));
        }
        match given.result() {
            Ok(_) => Ok(Expected::Any),
            Err(error) if self.is_short(view, caller, error) => Ok(Expected::Any),
            Err(error) => Err(refused(now, "object_physical", error)),
        }
    }

    pub(super) fn binds_line<F: HardwareFormat>(
        &mut self,
        (kernel, view): (&Kernel<HostMachine<F>>, &Inspection<'_, HostMachine<F>>),
        caller: u32,
        words: &[u64; 6],
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        use coldframe_hal::Devices;
        let place = match self.may_signal(view, caller, words[1], words[2]) {
            Ok(place) => place,
            Err(error) => return Ok(Err(error)),
        };
        if words[0] >= u64::from(kernel.machine().lines()) {
            return Ok(Err(Error::BadArgument));
        }
        if !self.may(view, caller, Authority::Lines, words[0]) {
            return Ok(Err(Error::NotAllowed));
        }
        let number = words[0] as u32;
        let line = self.interrupt_lines.entry(number).or_default();
        let Some(free) = line.listeners.iter().position(Option::is_none) else { return Ok(Err(Error::Busy)) };
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.is_short(view, caller, error) => return Ok(Err(error)),
            Err(error) => return Err(refused(now, "line_bind", error)),
        };
        // Whoever takes the authority away takes this with it.
        let authority =
            self.process_of(caller).and_then(|process| self.names.standing(process, Authority::Lines));
        let named = self.learn(view, caller, word, authority, now)?;
        demand(named == Some(Named::Listener(number * MOST as u32 + free as u32)), MODEL, now, || {
            format!("thread {caller} listens to line {number} as number {free}, and that is {named:?}")
        })?;
        let Some(process) = self.process_of(caller) else { return Ok(Ok(word)) };
        let place = self.heard_at(view, process, place, CapabilityRights::SIGNAL);
        let listener = Listener {
            key: (process, word),
            name: (process, words[1]),
            before: place.map(|place| (place.row, place.generation)),
            bits: words[2],
            standing: Standing::Idle,
        };
        if let Some(line) = self.interrupt_lines.get_mut(&number) {
            line.listeners[free] = Some(listener);
        }
        Ok(Ok(word))
    }

    pub(super) fn line_done(&mut self, caller: u32, words: &[u64; 6]) -> Answer {
        let key = (self.process_of(caller).ok_or(Error::BadHandle)?, words[0]);
        let mut lines = std::mem::take(&mut self.interrupt_lines);
        let answer = self.answers_line(&mut lines, key, words[1]);
        self.interrupt_lines = lines;
        answer
    }

    /// Lines behind the first few have no wire, on this ground.
    pub(super) fn line_message(&self, caller: u32, words: &[u64; 6]) -> Answer {
        const MESSAGES: u64 = 0xfee0_0000;
        const FIRST: u64 = 0x40;
        let key = (self.process_of(caller).ok_or(Error::BadHandle)?, words[0]);
        let is_his = |listener: &Option<Listener>| listener.is_some_and(|listener| listener.key == key);
        let mut lines = self.interrupt_lines.iter();
        let line = lines.find(|(_, line)| line.listeners.iter().any(is_his));
        let (number, _) = line.ok_or(Error::BadHandle)?;
        let behind = number.checked_sub(FIRST_MESSAGE_LINE).ok_or(Error::BadState)?;
        Ok(MESSAGES << 16 | (FIRST + u64::from(behind)))
    }

    fn answers_line(&mut self, lines: &mut Lines, key: Key, mine: u64) -> Answer {
        let is_his = |listener: &Option<Listener>| listener.is_some_and(|listener| listener.key == key);
        let line = lines.values_mut().find(|line| line.listeners.iter().any(is_his));
        let line = line.ok_or(Error::BadHandle)?;
        if mine > 1 {
            return Err(Error::BadArgument);
        }
        let listener = line.all().find(|listener| listener.key == key).ok_or(Error::BadHandle)?;
        if listener.standing != Standing::Told {
            return Err(Error::BadState);
        }
        listener.standing = Standing::Idle;
        line.is_claimed |= mine == 1;
        if line.all().any(|listener| listener.standing.holds_up()) {
            return Ok(0);
        }
        line.unclaimed = if line.is_claimed { 0 } else { line.unclaimed + 1 };
        if line.unclaimed == NOBODYS {
            line.unclaimed = 0;
            for listener in line.all().filter(|listener| listener.standing.listens()) {
                listener.standing = Standing::Dismissed;
                self.counts_dismissal(listener.key.0);
            }
        }
        line.may_end();
        Ok(0)
    }

    fn counts_dismissal(&mut self, process: usize) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.counts[Counter::Dismissals as usize] += 1;
        }
    }

    /// Notes where those who listen would be told before the entry that follows.
    pub(super) fn note_listeners<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        let mut lines = std::mem::take(&mut self.interrupt_lines);
        for listener in lines.values_mut().flat_map(Line::all) {
            let place = self.lent_at(view, listener.name, CapabilityRights::SIGNAL);
            listener.before = place.map(|place| (place.row, place.generation));
        }
        self.interrupt_lines = lines;
    }

    /// The device of a line asks.
    pub(super) fn line_asks<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: u32,
        now: Instant,
    ) {
        let mut lines = std::mem::take(&mut self.interrupt_lines);
        if let Some(line) = lines.get_mut(&number).filter(|line| line.is_open()) {
            (line.since, line.is_claimed) = (Some(now), false);
            for listener in line.all().filter(|listener| listener.standing.listens()) {
                listener.standing = Standing::Untold;
            }
            self.tells(view, number, line, now);
        }
        self.interrupt_lines = lines;
    }

    /// Those who have to be told are, up to the first one before whom only such as have ended were in the way.
    fn tells<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: u32,
        line: &mut Line,
        now: Instant,
    ) {
        let found = view.lines[number as usize].listeners();
        for (listener, found) in line.listeners.iter_mut().zip(found) {
            let Some(listener) = listener.as_mut().filter(|listener| listener.standing == Standing::Untold)
            else {
                continue;
            };
            match listener.before {
                None => listener.standing = Standing::Out,
                Some(_) if found.standing() == coldframe_kernel::Standing::Untold => break,
                Some((row, generation)) => {
                    listener.standing = Standing::Told;
                    self.raise(view, &Place { row, generation, badge: 0 }, listener.bits, now);
                }
            }
        }
        line.may_end();
    }

    /// What has become of lines by the clock in this entry: who is told late, who was too slow, and of whom that is
    /// reported.
    pub(super) fn watch_lines<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) {
        let mut lines = std::mem::take(&mut self.interrupt_lines);
        for (number, line) in &mut lines {
            self.watch_line(view, *number, line, now);
        }
        self.interrupt_lines = lines;
    }

    fn watch_line<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: u32,
        line: &mut Line,
        now: Instant,
    ) {
        let found = view.lines[number as usize].listeners().map(|listener| Standing::of(listener.standing()));
        if line.since.is_some_and(|since| since.0 + PATIENCE <= now.0) {
            for (listener, found) in line.listeners.iter_mut().zip(found) {
                let Some(listener) = listener.as_mut().filter(|listener| listener.standing.holds_up()) else {
                    continue;
                };
                if !found.listens() {
                    listener.standing = Standing::Dismissed;
                    self.counts_dismissal(listener.key.0);
                }
            }
            line.may_end();
        }
        if line.all().any(|listener| listener.standing == Standing::Untold) {
            self.tells(view, number, line, now);
        }
        for (listener, found) in line.listeners.iter_mut().zip(found) {
            let Some(listener) = listener else { continue };
            if listener.standing == Standing::Dismissed && found == Standing::Out {
                listener.standing = Standing::Out;
                let bell = self.processes.get(&listener.key.0).and_then(|process| process.bell);
                if let Some((name, bits)) = bell
                    && let Some(place) = self.lent_at(view, name, CapabilityRights::SIGNAL)
                {
                    self.raise(view, &place, bits, now);
                }
            }
        }
    }

    /// Compares who listens and has to answer with what the kernel goes by, and forgets who listens no more.
    pub(super) fn lines_fit<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        for (number, line) in &mut self.interrupt_lines {
            for listener in &mut line.listeners {
                *listener = listener.filter(|listener| is_held(view, listener.key));
            }
            line.may_end();
            let row = &view.lines[*number as usize];
            for (listener, found) in line.listeners.iter().zip(row.listeners()) {
                let standing = listener.map(|listener| listener.standing);
                let there = found.capability().map(|_| Standing::of(found.standing()));
                demand(standing == there, MODEL, now, || {
                    format!("{listener:x?} listens to line {number}, and the kernel has {found:x?}")
                })?;
            }
            demand(line.since.is_some() == row.is_asking(), MODEL, now, || {
                format!("those who listen to line {number} are waited for since {:?}: {row:x?}", line.since)
            })?;
        }
        Ok(())
    }

    /// Once all that is due has been delivered, nobody is waited for who has had his time, or has to be told.
    pub(super) fn lines_are_quiet(&self, now: Instant) -> Result<(), Violation> {
        for (number, line) in &self.interrupt_lines {
            let late = line.since.is_some_and(|since| since.0 + PATIENCE <= now.0);
            let open = line
                .listeners
                .iter()
                .flatten()
                .any(|listener| matches!(listener.standing, Standing::Untold | Standing::Dismissed));
            demand(!late && !open, MODEL, now, || format!("nobody looks at line {number}: {line:x?}"))?;
        }
        Ok(())
    }
}
