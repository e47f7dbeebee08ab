//! On which CPU a thread waits for its turn, and where an idle CPU finds work.

use coldframe_abi::CpuId;
use coldframe_hal::CpuSet;

use crate::{Level, NONE, Row, SEARCH_LIMIT, Scheduler, State};

fn allowed_by(row: &Row, state: &State) -> CpuSet {
    let mask = row.affinity.and(&state.online);
    if mask.is_empty() { state.online } else { mask }
}

impl Scheduler<'_> {
    /// Where a thread may run now: a mask of which no CPU is on-line counts as none at all.
    #[inline(always)]
    pub(crate) fn allowed(&self, thread: u32) -> CpuSet {
        allowed_by(&self.rows[thread as usize], self.state)
    }

    /// Whether a thread may run on a CPU now.
    #[inline(always)]
    pub(crate) fn may_stay(&self, thread: u32, cpu: CpuId) -> bool {
        let at_home = self.rows[thread as usize].unbound && self.cpus[usize::from(cpu.0)].online;
        at_home || self.allowed(thread).contains(cpu)
    }

    /// The CPU for a thread: its last one if that is idle or does something less urgent, else an idle one, else one
    /// that runs a lower class (SCH-4), else its last one again.
    pub(crate) fn choose_cpu(&self, thread: u32, level: Level) -> CpuId {
        let row = &self.rows[thread as usize];
        let (last, unbound) = (row.cpu, row.unbound);
        let queue = &self.cpus[usize::from(last.0)];
        let at_home = unbound && queue.online;
        // The usual case without a look at sets of CPUs: nobody else has time either.
        if at_home
            && (queue.top().is_none_or(|top| top < level)
                || !self.state.is_less_urgent_cpu(level.class_index()))
        {
            return last;
        }
        let allowed = self.allowed(thread);
        if allowed.contains(last) && self.cpus[usize::from(last.0)].top().is_none_or(|top| top < level) {
            return last;
        }
        for urgency in 0..=level.class_index() {
            if let Some(cpu) = self.state.by_urgency[urgency].and(&allowed).lowest() {
                return cpu;
            }
        }
        if allowed.contains(last) { last } else { allowed.lowest().unwrap_or(last) }
    }

    /// Looks for a thread queued on another CPU, of a class above `above` (or any, if `None`), that may run on
    /// `cpu`; examines at most `SEARCH_LIMIT` threads.
    pub(crate) fn find_elsewhere(&self, cpu: CpuId, above: Option<Level>) -> Option<u32> {
        let lowest = above.map_or(0, |level| level.class_index() + 1);
        let mut looked_at = 0;
        for class in (lowest..4).rev() {
            let mut victims = self.state.waiting[class];
            victims.remove(cpu);
            for victim in victims.iter() {
                if let Some(thread) = self.find_on(victim, class, cpu, &mut looked_at) {
                    return Some(thread);
                }
            }
        }
        None
    }

    /// Looks for a thread queued on `here`, of at least the class `lowest`, that may run on `target`.
    pub(crate) fn find_here(&self, here: CpuId, target: CpuId, lowest: usize) -> Option<u32> {
        let mut looked_at = 0;
        (lowest..4).rev().find_map(|class| self.find_on(here, class, target, &mut looked_at))
    }

    fn find_on(&self, victim: CpuId, class: usize, cpu: CpuId, looked_at: &mut usize) -> Option<u32> {
        let queue = &self.cpus[usize::from(victim.0)];
        let mut level = Some(Level::from_index(class * 256 + 255)).filter(|l| self.head(victim, *l) != NONE);
        level = level.or_else(|| queue.below(Level::from_index(class * 256 + 255)));
        while let Some(here) = level.filter(|l| l.class_index() == class) {
            let head = self.head(victim, here);
            let mut turn = head;
            loop {
                let first = self.turns[turn as usize].first;
                let mut thread = first;
                while thread != NONE {
                    if self.allowed(thread).contains(cpu) {
                        return Some(thread);
                    }
                    *looked_at += 1;
                    if *looked_at >= SEARCH_LIMIT {
                        return None;
                    }
                    let next = self.rows[thread as usize].next;
                    thread = if next == first { NONE } else { next };
                }
                turn = self.turns[turn as usize].next;
                if turn == head {
                    break;
                }
            }
            level = queue.below(here);
        }
        None
    }
}
