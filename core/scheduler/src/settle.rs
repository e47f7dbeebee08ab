//! The decision when the kernel is left: who goes on here, who goes elsewhere, who must be told.

use coldframe_abi::{CpuId, Instant};
use coldframe_hal::CpuSet;

use crate::running::PutBack;
use crate::{Kick, NONE, Place, SEARCH_LIMIT, Scheduler, Wake};

/// What a CPU does when the kernel is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Who ran when the CPU came in and does not any more, still wanting to run.
    pub preempted: Option<u32>,
    /// Who runs now.
    pub current: Option<u32>,
    /// Somebody else was moved, to or from this CPU.
    pub moved: bool,
}

impl Scheduler<'_> {
    /// Decides who runs on a CPU when the kernel is left. The CPUs in the set have to be kicked: they are given
    /// what this one has no time for.
    #[inline]
    #[must_use]
    pub fn settle(&mut self, cpu: CpuId, now: Instant) -> (Settled, CpuSet) {
        self.charge_unaccounted(cpu, now);
        let mut settled = Settled { preempted: None, current: None, moved: false };
        let mut kicks = CpuSet::EMPTY;
        if self.cpus[usize::from(cpu.0)].current != NONE {
            let kick;
            (settled.preempted, kick) = self.review(cpu);
            if let Some(Kick(target)) = kick {
                kicks.insert(target);
            }
        }
        if self.cpus[usize::from(cpu.0)].current == NONE && self.cpus[usize::from(cpu.0)].online {
            self.dispatch(cpu, &mut kicks);
        }
        if let Some(class) = self.cpus[usize::from(cpu.0)].waiting_class()
            && self.state.is_less_urgent_cpu(class)
        {
            settled.moved = self.spread(cpu, class, &mut kicks);
        }
        settled.current = self.cpus[usize::from(cpu.0)].current();
        if settled.current == settled.preempted {
            settled.preempted = None;
        }
        (settled, kicks)
    }

    /// Looks whether the running thread may go on.
    #[inline]
    fn review(&mut self, cpu: CpuId) -> (Option<u32>, Option<Kick>) {
        let thread = self.cpus[usize::from(cpu.0)].current;
        let row = &self.rows[thread as usize];
        let (turn, context) = (row.turn, row.runs_on);
        if !self.may_stay(thread, cpu) {
            return (Some(thread), self.move_away(cpu));
        }
        let slice_over = self.rows[context as usize].own.slice_left.0 == 0;
        let turn_over = self.turns[turn as usize].left.0 == 0;
        if slice_over || turn_over {
            let (groups, threads) = self.rivals(cpu);
            let boosted = self.rows[context as usize].own.boost > 0;
            if (groups && turn_over) || (threads && slice_over) || (groups && slice_over) || boosted {
                self.put_back(cpu, PutBack::Exhausted);
                return (Some(thread), None);
            }
            // Nobody waits for it to end: what is over starts anew, and only that.
            let class = self.cpus[usize::from(cpu.0)].level.class();
            if slice_over {
                self.rows[context as usize].own.refill(class);
            }
            if turn_over {
                self.turns[turn as usize].left = crate::slice_of(class);
            }
        }
        let level = self.cpus[usize::from(cpu.0)].level;
        if let Some(better) = self.find_elsewhere_if_any(cpu, level) {
            self.pull(better, cpu);
        }
        if self.cpus[usize::from(cpu.0)].top().is_some_and(|top| top > level) {
            if self.choose_cpu(thread, self.level_of(thread)) != cpu {
                return (Some(thread), self.move_away(cpu));
            }
            self.put_back(cpu, PutBack::Preempted);
            return (Some(thread), None);
        }
        (None, None)
    }

    /// Whoever waits here goes to a CPU that idles or runs a lower class, if it may (SCH-3, SCH-4).
    fn spread(&mut self, cpu: CpuId, class: usize, kicks: &mut CpuSet) -> bool {
        let mut moved = false;
        for urgency in 0..=class {
            let mut targets = self.state.by_urgency[urgency].and(&self.state.online);
            targets.remove(cpu);
            for target in targets.iter() {
                let Some(thread) = self.find_here(cpu, target, urgency) else { continue };
                let loose = self.take(thread);
                moved = true;
                if let Some(Kick(target)) = self.enqueue(loose, target, false, cpu) {
                    kicks.insert(target);
                }
            }
        }
        moved
    }

    #[inline]
    fn find_elsewhere_if_any(&self, cpu: CpuId, above: crate::Level) -> Option<u32> {
        if self.state.is_waiting_above(above.class_index()) {
            self.find_elsewhere(cpu, Some(above))
        } else {
            None
        }
    }

    /// The running thread goes to another CPU that has time for it.
    fn move_away(&mut self, cpu: CpuId) -> Option<Kick> {
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        self.leave_turn(thread);
        self.rows[thread as usize].place = Place::Moving;
        let loose = self.loosen(thread);
        self.place(loose, Wake::Start, cpu)
    }

    /// Gives an empty CPU its most urgent thread, from here or from elsewhere.
    #[inline]
    fn dispatch(&mut self, cpu: CpuId, kicks: &mut CpuSet) {
        // A thread that was queued here while none of its own CPUs was on-line goes back once one is.
        for _ in 0..SEARCH_LIMIT {
            self.dispatch_top(cpu);
            let current = self.cpus[usize::from(cpu.0)].current;
            if current == NONE || self.may_stay(current, cpu) {
                return;
            }
            if let Some(Kick(target)) = self.move_away(cpu) {
                kicks.insert(target);
            }
        }
    }

    #[inline]
    fn dispatch_top(&mut self, cpu: CpuId) {
        let top = self.cpus[usize::from(cpu.0)].top();
        let elsewhere = match top {
            Some(level) => self.find_elsewhere_if_any(cpu, level),
            None => self.find_elsewhere(cpu, None),
        };
        if let Some(thread) = elsewhere {
            self.pull(thread, cpu);
        }
        self.dispatch_here(cpu);
    }

    fn pull(&mut self, thread: u32, cpu: CpuId) {
        let loose = self.take(thread);
        let kick = self.enqueue(loose, cpu, false, cpu);
        assert!(kick.is_none(), "nobody is kicked for what this CPU takes itself");
    }
}
