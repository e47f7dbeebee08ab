//! Waiting in line: who stands where, and what ends a wait besides being woken.

use coldframe_abi::{Deadline, Error, Instant};
use coldframe_hal::{Machine, Store};
use coldframe_ipc::{Queue, Rank, Waiters};
use coldframe_memory::Pages;
use coldframe_scheduler::{Row, Wake};

use crate::walls::Way;
use crate::{Kernel, Line, WaitsFor};

/// How many waits at words one entry of the kernel ends.
pub(crate) const WAKES_A_STEP: u64 = 32;

/// How urgent a thread is that comes to receive: by what it owns, for what it was lent goes back.
#[inline(always)]
pub(crate) const fn rank_to_receive(row: &Row) -> Rank {
    Rank::of_level(row.context().base().index())
}

impl<M: Machine> Kernel<M> {
    /// Who waits in a line.
    #[inline(always)]
    pub(crate) fn line(&mut self, line: Line) -> (Waiters<'_>, &mut Queue) {
        let Self { waiters, processes, objects, endpoints, .. } = self;
        let queue = match line {
            Line::OfProcess(process) => &mut processes.rows_mut()[process as usize].words,
            Line::OfObject(object) => &mut objects.rows_mut()[object as usize].words,
            Line::Senders(endpoint) | Line::Callers(endpoint) => {
                &mut endpoints.rows_mut()[endpoint as usize].senders
            }
            Line::Receivers(endpoint) => &mut endpoints.rows_mut()[endpoint as usize].receivers,
        };
        (Waiters { rows: waiters.rows_mut() }, queue)
    }

    /// How urgent a thread is that comes to a line: by what it runs on, but to receive.
    #[inline(always)]
    fn rank(&mut self, thread: u32, line: Line) -> Rank {
        let level = match line {
            Line::Receivers(_) => return rank_to_receive(&self.rows.rows()[thread as usize]),
            _ => self.scheduler_as_it_is().base_of(thread),
        };
        Rank::of_level(level.index())
    }

    /// Parks the running thread in a line, by a capability unless it is at a word of its own.
    pub(crate) fn wait_at(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        thread: u32,
        (line, place): (Line, u64),
        by: Option<u32>,
        deadline: Deadline,
    ) {
        self.take_place(thread, (line, place), by);
        self.wait(cpu, now, WaitsFor::InLine(line), deadline);
    }

    /// Parks the running thread until somebody has received what it sends, and replied to it if that is wanted.
    pub(crate) fn wait_to_send(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        thread: u32,
        (way, wants_reply): (Way, bool),
        deadline: Deadline,
    ) {
        let Way { endpoint, by, badge } = way;
        let line = if wants_reply { Line::Callers(endpoint) } else { Line::Senders(endpoint) };
        self.thread(thread).badge = badge;
        self.wait_at(cpu, now, thread, (line, 0), Some(by), deadline);
    }

    /// A thread that is about to wait takes its place in a line.
    #[inline(always)]
    pub(crate) fn take_place(&mut self, thread: u32, (line, place): (Line, u64), by: Option<u32>) {
        let rank = self.rank(thread, line);
        let (mut waiters, queue) = self.line(line);
        waiters.enter(queue, thread, place, rank);
        if let Some(capability) = by {
            let Self { waiters, capabilities, .. } = self;
            let users = capabilities.rows_mut()[capability as usize].users_mut();
            Waiters { rows: waiters.rows_mut() }.begin_use(users, thread, capability);
        }
    }

    /// A thread does not wait in its line any more.
    pub(crate) fn leave_line(&mut self, thread: u32) {
        let WaitsFor::InLine(line) = self.thread(thread).waits_for else {
            unreachable!("thread {thread} leaves a line in which it does not wait (IPC-2)")
        };
        let (mut waiters, queue) = self.line(line);
        waiters.leave(queue, thread);
        if let Some(capability) = waiters.rows[thread as usize].by() {
            self.end_use(thread, capability);
        }
    }

    /// A thread does not wait by a capability any more.
    #[inline(always)]
    pub(crate) fn end_use(&mut self, thread: u32, capability: u32) {
        let Self { waiters, capabilities, .. } = self;
        let users = capabilities.rows_mut()[capability as usize].users_mut();
        Waiters { rows: waiters.rows_mut() }.end_use(users, thread);
    }

    /// A thread that may wait in a line has become more urgent, or less: it stands behind those who are as urgent.
    pub(crate) fn queue_anew(&mut self, thread: u32) {
        let WaitsFor::InLine(line) = self.thread(thread).waits_for else { return };
        let rank = self.rank(thread, line);
        let (mut waiters, queue) = self.line(line);
        let Some(key) = waiters.rows[thread as usize].key() else { return };
        waiters.leave(queue, thread);
        waiters.enter(queue, thread, key.place(), rank);
    }

    /// Ends a thread's wait in a line.
    #[inline(never)]
    pub(crate) fn wake_from_line(&mut self, cpu: &mut M::Cpu, thread: u32, result: Result<u64, Error>) {
        self.leave_line(thread);
        self.wake(cpu, thread, result, Wake::Event);
    }

    /// Wakes so many of those who wait at a word; says how many, or nothing if it came only to such as have ended.
    pub(crate) fn wake_at(&mut self, cpu: &mut M::Cpu, (line, place): (Line, u64), most: u64) -> Option<u64> {
        let mut woken = 0;
        for _ in 0..WAKES_A_STEP {
            if woken == most {
                return Some(woken);
            }
            let (waiters, queue) = self.line(line);
            let Some(thread) = waiters.first_at(queue, place) else { return Some(woken) };
            // Whose process has ended hears nothing: the call is for another.
            woken += u64::from(!self.has_ended(thread));
            self.wake_from_line(cpu, thread, Ok(0));
        }
        (woken > 0).then_some(woken)
    }

    /// Whoever waits at a word whose page is about to go hears of it, a few a step; says whether this was the step.
    #[cold]
    pub(crate) fn wake_leaving(&mut self, cpu: &mut M::Cpu, thread: u32) -> bool {
        let Some(work) = self.thread(thread).work else { return false };
        self.wake_some_within(cpu, work.process, work.leaving())
    }

    /// The same for some pages of a space; says whether there may be more.
    pub(crate) fn wake_some_within(&mut self, cpu: &mut M::Cpu, process: u32, pages: Pages) -> bool {
        for _ in 0..WAKES_A_STEP {
            let (waiters, queue) = self.line(Line::OfProcess(process));
            let Some(thread) = waiters.first_within(queue, pages.start(), pages.end()) else { return false };
            self.wake_from_line(cpu, thread, Err(Error::NotMapped));
        }
        true
    }

    /// Whoever waits at a word of an object that goes hears of it, a few a step; says whether this was the step.
    #[cold]
    pub(crate) fn wake_those_at(&mut self, cpu: &mut M::Cpu, object: u32) -> bool {
        for _ in 0..WAKES_A_STEP {
            let (waiters, queue) = self.line(Line::OfObject(object));
            let Some(thread) = waiters.first_within(queue, 0, u64::MAX) else { return false };
            self.wake_from_line(cpu, thread, Err(Error::BadHandle));
        }
        true
    }

    /// Whoever waits by a capability that is about to go hears of it, a few a step; says whether there may be more.
    #[inline]
    pub(crate) fn wake_users(&mut self, cpu: &mut M::Cpu, capability: u32) -> bool {
        self.capability(capability).users().is_some() && self.wake_some_users(cpu, capability)
    }

    #[cold]
    fn wake_some_users(&mut self, cpu: &mut M::Cpu, capability: u32) -> bool {
        for _ in 0..WAKES_A_STEP {
            let Some(thread) = self.capability(capability).users() else { return false };
            self.wake_user(cpu, capability, thread);
        }
        true
    }

    /// A thread hears that the capability goes by which it waits: its own, or that of its host.
    pub(crate) fn wake_user(&mut self, cpu: &mut M::Cpu, capability: u32, thread: u32) {
        let own = self.capability(capability).holder() == Some(self.thread(thread).process);
        self.wake_from_line(cpu, thread, Err(if own { Error::BadHandle } else { Error::PeerGone }));
    }
}
