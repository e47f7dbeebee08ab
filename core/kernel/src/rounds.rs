//! Rounds: what one step has taken from hardware stays where it is until every CPU has forgotten it.
//!
//! The thread waits, the CPU goes on with other work. Whoever learns that the last CPU has answered ends the round,
//! whatever has become of the thread. A space has one round at a time; who would change it meanwhile waits too.

use coldframe_abi::{Deadline, Instant};
use coldframe_hal::{Cpu, FLUSH_SLOTS, FlushSlot, Frame, Machine, Stale, Translation};
use coldframe_memory::{Flush, Pages, Unlinked};
use coldframe_scheduler::{NONE, Wake};

use crate::{Kernel, WaitsFor};

/// How many threads are woken in one entry of the kernel.
const WAKES_PER_ENTRY: usize = 32;

/// What is done once no CPU remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum After {
    /// Nothing: only rights have been taken away.
    Nothing,
    /// The frames of unmapped pages go back.
    Unmap(Pages),
    /// Only the tables go back that have become empty: none of the pages had been touched.
    Prune(Pages),
    /// Moved pages arrive.
    Move {
        /// Where they were.
        pages: Pages,
        /// Where the first one arrives.
        to: u64,
    },
    /// A page gets its own frame.
    Copy {
        /// The page.
        page: u64,
        /// The frame.
        frame: Frame,
    },
    /// Page tables go back.
    Reclaim(Unlinked),
}

/// A flush that a space waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Round {
    slot: FlushSlot,
    /// The thread that goes on afterwards.
    pub(crate) owner: u32,
    after: After,
}

impl Round {
    /// The thread that goes on afterwards.
    #[must_use]
    pub const fn owner(&self) -> u32 {
        self.owner
    }

    /// What is done once no CPU remembers.
    #[must_use]
    pub const fn after(&self) -> &After {
        &self.after
    }
}

/// Which process each flush belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlushTable {
    free: u64,
    process: [u32; FLUSH_SLOTS],
}

impl Default for FlushTable {
    fn default() -> Self {
        Self { free: u64::MAX, process: [NONE; FLUSH_SLOTS] }
    }
}

impl FlushTable {
    pub(crate) const fn has_room(&self) -> bool {
        self.free != 0
    }

    /// Whether no flush is under way.
    pub(crate) const fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }

    fn take(&mut self, process: u32) -> FlushSlot {
        assert!(self.has_room(), "a round begins only if there is a slot for it");
        let slot = self.free.trailing_zeros();
        self.free &= self.free - 1;
        self.process[slot as usize] = process;
        FlushSlot(slot as u8)
    }

    fn give(&mut self, slot: FlushSlot) -> u32 {
        self.free |= 1 << slot.0;
        core::mem::replace(&mut self.process[usize::from(slot.0)], NONE)
    }
}

impl<M: Machine> Kernel<M> {
    /// Whether this space can be changed now: no round is open, and another could be.
    pub(crate) fn may_change(&mut self, process: u32) -> bool {
        let room = self.flushes.has_room();
        let row = self.process(process);
        row.round.is_none() && room
    }

    /// Sees to it that every CPU forgets, and then does what is to be done; says whether that has happened already.
    ///
    /// Precondition: `may_change`.
    pub(crate) fn flush_then(
        &mut self,
        cpu: &mut M::Cpu,
        process: u32,
        owner: u32,
        mut flush: Flush,
        mut after: After,
    ) -> bool {
        loop {
            if let Some(what) = flush.into_duty() {
                let row = self.process(process);
                let stale = Stale { tag: row.tag, what };
                let mut others = row.active_on;
                // Who has the space only under its tag forgets it when it is activated again.
                row.warm_on = row.warm_on.and(&row.active_on);
                if others.contains(cpu.id()) {
                    cpu.forget(stale);
                    others.remove(cpu.id());
                }
                if !others.is_empty() {
                    let slot = self.flushes.take(process);
                    self.process(process).round = Some(Round { slot, owner, after });
                    self.machine.ask(slot, stale, &others);
                    return false;
                }
            }
            let (unlinked, next) = self.settle_round(process, after);
            if unlinked.is_empty() {
                let _ = next.into_duty();
                return true;
            }
            (flush, after) = (next, After::Reclaim(unlinked));
        }
    }

    fn settle_round(&mut self, process: u32, after: After) -> (Unlinked, Flush) {
        let nothing = (Unlinked::default(), Flush::NONE);
        let Some((space, mut means)) = self.space_of(process) else { return nothing };
        match after {
            After::Nothing => nothing,
            After::Unmap(pages) => space.settle_unmap(&mut means, pages),
            After::Prune(pages) => space.prune(&mut means, pages),
            After::Move { pages, to } => space.settle_move(&mut means, pages, to),
            After::Copy { page, frame } => {
                space.settle_copy(&mut means, page, frame);
                nothing
            }
            After::Reclaim(unlinked) => {
                unlinked.reclaim(&mut means);
                nothing
            }
        }
    }

    /// Ends the rounds that all CPUs have answered.
    #[inline]
    pub(crate) fn end_rounds(&mut self, cpu: &mut M::Cpu) {
        let mut answered = self.machine.answered();
        while answered != 0 {
            let slot = FlushSlot(answered.trailing_zeros() as u8);
            answered &= answered - 1;
            let process = self.flushes.give(slot);
            self.end_round(cpu, process);
        }
    }

    fn end_round(&mut self, cpu: &mut M::Cpu, process: u32) {
        let Some(round) = self.process(process).round.take() else {
            unreachable!("a flush that was asked for has a round (MEM-14)")
        };
        if !self.flush_then(cpu, process, round.owner, Flush::NONE, round.after) {
            return;
        }
        let owner = self.thread(round.owner);
        // Whoever asked may have ended since, and another thread have its row: that one stands in line.
        if owner.waits_for == WaitsFor::Round(process) && !owner.is_in_line {
            self.finish_work(cpu, round.owner);
            self.wake_up(cpu, round.owner, Wake::Event);
        }
        self.call_waiters(process);
        let lender = core::mem::replace(&mut self.process(process).lender, NONE);
        for process in [process, lender] {
            if process != NONE && self.process(process).ended.is_some() {
                self.call_reaper(cpu, process);
            }
        }
    }

    /// Parks the running thread until the round of its space has ended. It then tries again what it was about to do.
    pub(crate) fn wait_for_round(&mut self, cpu: &mut M::Cpu, now: Instant, process: u32) {
        if self.process(process).round.is_none() {
            // All slots are taken: it tries again as soon as it runs again.
            return;
        }
        let Some(thread) = self.current(cpu) else { return };
        self.process(process).waiters += 1;
        let last = core::mem::replace(&mut self.process(process).last_waiter, thread);
        let row = self.thread(thread);
        (row.next_waiter, row.previous_waiter, row.is_in_line) = (NONE, last, true);
        if last == NONE {
            self.process(process).first_waiter = thread;
        } else {
            self.thread(last).next_waiter = thread;
        }
        self.wait(cpu, now, WaitsFor::Round(process), Deadline::NEVER);
    }

    /// A thread does not wait for a round any more: it is woken, or ends.
    pub(crate) fn leave_round(&mut self, process: u32, thread: u32) {
        let row = self.thread(thread);
        if !core::mem::replace(&mut row.is_in_line, false) {
            return;
        }
        let next = core::mem::replace(&mut row.next_waiter, NONE);
        let previous = core::mem::replace(&mut row.previous_waiter, NONE);
        match previous {
            NONE => self.process(process).first_waiter = next,
            previous => self.thread(previous).next_waiter = next,
        }
        match next {
            NONE => self.process(process).last_waiter = previous,
            next => self.thread(next).previous_waiter = previous,
        }
        let row = self.process(process);
        row.waiters -= 1;
        // At worst one is woken that has come since, and waits again.
        row.to_wake = row.to_wake.min(row.waiters);
    }

    /// Everybody who waits now is to be woken: a few an entry, by whichever CPU comes in.
    pub(crate) fn call_waiters(&mut self, process: u32) {
        let first = self.waking_first;
        let row = self.process(process);
        row.to_wake = row.waiters;
        if row.to_wake > 0 && !row.is_waking {
            row.is_waking = true;
            row.next_waking = first;
            self.waking_first = process;
        }
    }

    /// Wakes a few of those who waited for a round; says whether there are more.
    #[inline]
    pub(crate) fn wake_waiters(&mut self, cpu: &mut M::Cpu) -> bool {
        for _ in 0..WAKES_PER_ENTRY {
            let process = self.waking_first;
            if process == NONE {
                return false;
            }
            let row = self.process(process);
            let thread = row.first_waiter;
            if row.to_wake == 0 || thread == NONE {
                row.is_waking = false;
                self.waking_first = row.next_waking;
                continue;
            }
            row.to_wake -= 1;
            self.leave_round(process, thread);
            self.wake_up(cpu, thread, Wake::Event);
        }
        self.waking_first != NONE
    }
}
