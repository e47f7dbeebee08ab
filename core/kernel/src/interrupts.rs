//! Interrupt lines: when a device asks, all who listen to its line are told by signals, and the line lets nothing in
//! until each has answered. Who never does, or where nobody says that it was his, is dismissed.

use coldframe_abi::{CapabilityRights, Class, Counter, CpuId, Instant, Nanos};
use coldframe_hal::{Clock, Cpu, Machine, Store};
use coldframe_scheduler::{NONE, Wake};

use crate::alarms::LINE_TIMER;
use crate::{Bell, Kernel};

/// How many can listen to a line.
pub const LISTENERS: usize = 8;

/// How long whoever has been told may take to answer.
pub const PATIENCE: Nanos = Nanos::from_millis(100);

/// After so many interrupts in a row that were nobody's, the line is closed for good: its device will not be silenced.
const UNCLAIMED: u8 = 16;

/// How it stands with somebody who listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing is expected of it.
    #[default]
    Idle,
    /// A device has asked, and it has to be told.
    Untold,
    /// It has been told, and has to answer.
    Told,
    /// It is told of nothing any more, and whoever watches over its process has to hear of that.
    Dismissed,
    /// It is told of nothing any more.
    Out,
}

impl Standing {
    /// Whether the line waits for it.
    #[must_use]
    pub const fn holds_up(self) -> bool {
        matches!(self, Self::Untold | Self::Told)
    }

    /// Whether it is told when a device asks.
    #[must_use]
    pub const fn listens(self) -> bool {
        !matches!(self, Self::Dismissed | Self::Out)
    }
}

/// One of those who listen to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The one capability to it; `NONE` if there is no such listener.
    capability: u32,
    bell: Bell,
    standing: Standing,
}

impl Default for Listener {
    fn default() -> Self {
        Self { capability: NONE, bell: Bell::default(), standing: Standing::Idle }
    }
}

impl Listener {
    /// The one capability to it, if there is such a listener.
    #[must_use]
    pub const fn capability(&self) -> Option<u32> {
        if self.capability == NONE { None } else { Some(self.capability) }
    }

    /// How it stands with it.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    const fn listens(&self) -> bool {
        self.capability != NONE && self.standing.listens()
    }
}

/// An interrupt line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterruptLine {
    listeners: [Listener; LISTENERS],
    /// Since when those who have been told are waited for, if they are.
    since: Option<Instant>,
    /// Somebody has said that it was his.
    is_claimed: bool,
    /// How many in a row nobody has claimed.
    unclaimed: u8,
    /// Where whoever has answered last has run.
    cpu: CpuId,
    /// When somebody has to look, and the neighbours among those lines.
    look_at: Option<Instant>,
    next: u32,
    previous: u32,
}

impl Default for InterruptLine {
    fn default() -> Self {
        Self {
            listeners: [Listener::default(); LISTENERS],
            since: None,
            is_claimed: false,
            unclaimed: 0,
            cpu: CpuId(0),
            look_at: None,
            next: NONE,
            previous: NONE,
        }
    }
}

impl InterruptLine {
    /// Those who listen, and places for others.
    #[must_use]
    pub const fn listeners(&self) -> &[Listener; LISTENERS] {
        &self.listeners
    }

    /// Whether those who have been told are waited for.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.since.is_some()
    }

    /// Whether interrupts are let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_asking() && self.listeners.iter().any(Listener::listens)
    }

    /// Whether somebody has been dismissed of which nobody has heard.
    fn has_reports(&self) -> bool {
        self.listeners.iter().any(|listener| listener.standing == Standing::Dismissed)
    }

    /// When somebody has to look, and which line is next in that list.
    #[must_use]
    pub const fn watched(&self) -> Option<(Instant, Option<u32>)> {
        match self.look_at {
            Some(at) => Some((at, if self.next == NONE { None } else { Some(self.next) })),
            None => None,
        }
    }
}

/// By which row a capability names a listener.
const fn listener_row(line: u32, index: usize) -> u32 {
    line * LISTENERS as u32 + index as u32
}

/// The line and the listener that a capability names.
pub(crate) const fn listener_of(row: u32) -> (u32, usize) {
    (row / LISTENERS as u32, row as usize % LISTENERS)
}

impl<M: Machine> Kernel<M> {
    /// The first of the lines at which somebody has to look some time.
    #[must_use]
    pub const fn first_watched(&self) -> Option<u32> {
        if self.first_watched == NONE { None } else { Some(self.first_watched) }
    }

    pub(crate) fn line_row(&mut self, line: u32) -> &mut InterruptLine {
        &mut self.lines.rows_mut()[line as usize]
    }

    /// A place for one more who listens to a line, as a capability names it.
    pub(crate) fn free_listener(&mut self, line: u32) -> Option<u32> {
        let index = self.line_row(line).listeners.iter().position(|listener| listener.capability == NONE)?;
        Some(listener_row(line, index))
    }

    /// Somebody listens from now on: the line lets interrupts in, as soon as all is there that they need.
    pub(crate) fn begin_to_listen(&mut self, listener: u32, capability: u32, bell: Bell, cpu: CpuId) {
        let (line, index) = listener_of(listener);
        let row = self.line_row(line);
        row.listeners[index] = Listener { capability, bell, standing: Standing::Idle };
        row.cpu = cpu;
        self.let_in_or_keep_out(line);
    }

    /// The capability of somebody who listens goes.
    pub(crate) fn unbind_line(&mut self, listener: u32) {
        let (line, index) = listener_of(listener);
        let row = self.line_row(line);
        row.listeners[index] = Listener::default();
        if row.is_asking() {
            self.end_of_asking(line);
        } else {
            if !row.has_reports() {
                self.unwatch(line);
            }
            self.let_in_or_keep_out(line);
        }
    }

    /// The device of a line asks, and the line is closed.
    // Apart from the entry, which other traps take far more often.
    #[inline(never)]
    pub(crate) fn line_asks(&mut self, cpu: &mut M::Cpu, now: Instant, line: u32) {
        // One that was on its way when the last one ceased to listen is nobody's.
        if line >= self.machine.lines() || !self.line_row(line).is_open() {
            return;
        }
        let row = self.line_row(line);
        (row.since, row.is_claimed) = (Some(now), false);
        for listener in row.listeners.iter_mut().filter(|listener| listener.listens()) {
            listener.standing = Standing::Untold;
        }
        self.watch(line, now.after(PATIENCE));
        self.tell_listeners(cpu, line);
        self.set_line_timer(cpu);
    }

    /// Tells those who have to be told.
    fn tell_listeners(&mut self, cpu: &mut M::Cpu, line: u32) {
        for index in 0..LISTENERS {
            let Listener { bell: Bell { name, bits }, standing, .. } = self.line_row(line).listeners[index];
            if standing != Standing::Untold {
                continue;
            }
            let standing = match self.lent_endpoint(name, CapabilityRights::SIGNAL) {
                Some(endpoint) if self.raise_by(cpu, endpoint, bits, Wake::Interrupt) => Standing::Told,
                // Only such as have ended were in the way: the others are told in another step.
                Some(_) => {
                    self.watch(line, Instant(0));
                    break;
                }
                // It has given the name away by which it would hear: there is nothing to report.
                None => Standing::Out,
            };
            self.line_row(line).listeners[index].standing = standing;
        }
        self.end_of_asking(line);
    }

    /// Somebody has answered; says whether it was expected.
    pub(crate) fn line_is_answered(&mut self, cpu: &mut M::Cpu, listener: u32, is_his: bool) -> bool {
        let (line, index) = listener_of(listener);
        let row = self.line_row(line);
        if row.listeners[index].standing != Standing::Told {
            return false;
        }
        row.listeners[index].standing = Standing::Idle;
        row.is_claimed |= is_his;
        row.cpu = cpu.id();
        let unclaimed = if row.is_claimed { 0 } else { row.unclaimed + 1 };
        if !row.listeners.iter().any(|listener| listener.standing.holds_up()) {
            row.unclaimed = unclaimed % UNCLAIMED;
            if unclaimed == UNCLAIMED {
                self.dismiss(line, |_| true);
            }
            self.end_of_asking(line);
        }
        self.set_line_timer(cpu);
        true
    }

    /// Those of whom this is true are told of nothing any more.
    fn dismiss(&mut self, line: u32, which: impl Fn(&Listener) -> bool) {
        for index in 0..LISTENERS {
            let listener = self.line_row(line).listeners[index];
            if !listener.listens() || !which(&listener) {
                continue;
            }
            self.line_row(line).listeners[index].standing = Standing::Dismissed;
            if let Some(holder) = self.capability(listener.capability).holder() {
                self.process(holder).counts.add(Counter::Dismissals, 1);
            }
        }
    }

    /// If all have answered, the line opens again for those who still listen.
    fn end_of_asking(&mut self, line: u32) {
        let row = self.line_row(line);
        if !row.is_asking() || row.listeners.iter().any(|listener| listener.standing.holds_up()) {
            return;
        }
        row.since = None;
        if row.has_reports() {
            self.watch(line, Instant(0));
        } else {
            self.unwatch(line);
        }
        self.let_in_or_keep_out(line);
    }

    fn let_in_or_keep_out(&mut self, line: u32) {
        if !self.line_row(line).is_open() {
            if !self.line_row(line).is_asking() {
                self.machine.close_line(line);
            }
            return;
        }
        let here = self.line_row(line).cpu;
        let online = self.state.online();
        let cpu = if online.contains(here) { here } else { online.lowest().unwrap_or(here) };
        self.machine.open_line(line, cpu);
    }

    /// Looks at the line that has waited longest; false if there may be more to do.
    pub(crate) fn watch_lines(&mut self, cpu: &mut M::Cpu) -> bool {
        let now = cpu.now();
        let line = self.first_watched;
        let is_due = line != NONE && self.line_row(line).look_at.is_some_and(|at| at <= now);
        if is_due {
            self.look_at_line(cpu, now, line);
        }
        self.set_line_timer(cpu);
        !is_due
    }

    fn look_at_line(&mut self, cpu: &mut M::Cpu, now: Instant, line: u32) {
        if let Some(since) = self.line_row(line).since {
            self.watch(line, since.after(PATIENCE));
            if since.after(PATIENCE) <= now {
                self.dismiss(line, |listener| listener.standing.holds_up());
                self.end_of_asking(line);
            } else {
                self.tell_listeners(cpu, line);
            }
        }
        for index in 0..LISTENERS {
            let Listener { capability, standing, .. } = self.line_row(line).listeners[index];
            if standing != Standing::Dismissed {
                continue;
            }
            if let Some(holder) = self.capability(capability).holder()
                && !self.report(cpu, holder)
            {
                self.watch(line, Instant(0));
                return;
            }
            self.line_row(line).listeners[index].standing = Standing::Out;
        }
        if !self.line_row(line).is_asking() {
            self.unwatch(line);
        }
    }

    /// Whoever wanted to hear of the end of a process hears that something is wrong with it; false if that has to be
    /// tried again.
    fn report(&mut self, cpu: &mut M::Cpu, process: u32) -> bool {
        let Bell { name, bits } = self.process(process).bell;
        let endpoint = self.lent_endpoint(name, CapabilityRights::SIGNAL);
        endpoint.is_none_or(|endpoint| self.raise(cpu, endpoint, bits))
    }

    /// Somebody has to look at a line then: it goes behind those that are looked at before.
    fn watch(&mut self, line: u32, at: Instant) {
        self.unwatch(line);
        self.line_row(line).look_at = Some(at);
        // All are waited for equally long: a line is behind all others, but for one that has to be looked at anew.
        let (mut previous, mut next) = (self.last_watched, NONE);
        while previous != NONE && self.line_row(previous).look_at > Some(at) {
            (previous, next) = (self.line_row(previous).previous, previous);
        }
        let row = self.line_row(line);
        (row.previous, row.next) = (previous, next);
        match previous {
            NONE => self.first_watched = line,
            previous => self.line_row(previous).next = line,
        }
        match next {
            NONE => self.last_watched = line,
            next => self.line_row(next).previous = line,
        }
    }

    /// Nobody has to look at a line any more.
    fn unwatch(&mut self, line: u32) {
        let row = self.line_row(line);
        if row.look_at.take().is_none() {
            return;
        }
        let (next, previous) = (row.next, row.previous);
        match previous {
            NONE => self.first_watched = next,
            previous => self.line_row(previous).next = next,
        }
        match next {
            NONE => self.last_watched = previous,
            next => self.line_row(next).previous = previous,
        }
        if self.first_watched == NONE {
            self.timers().cancel(LINE_TIMER);
        }
    }

    /// Sets the timer to when the first line has to be looked at.
    fn set_line_timer(&mut self, cpu: &M::Cpu) {
        let first = self.first_watched;
        let at = if first == NONE { None } else { self.line_row(first).look_at };
        if self.timers.rows()[LINE_TIMER as usize].deadline() == at {
            return;
        }
        self.timers().cancel(LINE_TIMER);
        if let Some(at) = at {
            self.timers().arm(LINE_TIMER, cpu.id(), Class::High, at, cpu.now());
        }
    }
}
