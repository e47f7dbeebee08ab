//! Somebody more urgent has the CPU at once, and it goes on with the next when that waits: what `settle` comes to where nothing
//! but that is to be decided, on this CPU or any other.

use coldframe_abi::{CpuId, Instant, Nanos};

use crate::running::PutBack;
use crate::{Level, NONE, Place, Scheduler};

impl Scheduler<'_> {
    /// Whether a waiting thread would run on a CPU at once, and its running thread behind it, which will have run for so long
    /// unaccounted.
    #[must_use]
    #[inline(always)]
    pub fn can_interrupt(&self, cpu: CpuId, thread: u32, spent: Nanos) -> bool {
        let queue = &self.cpus[usize::from(cpu.0)];
        let (row, running) = (&self.rows[thread as usize], &self.rows[queue.current as usize]);
        let has_time = self.turns[running.turn as usize].left > spent
            && self.rows[running.runs_on as usize].own.slice_left > spent;
        row.place == Place::Waiting
            && row.cpu == cpu
            && row.unbound
            && running.unbound
            && has_time
            && self.is_alone_with(cpu, queue.level)
            && queue.top().is_some_and(|top| top < self.level_of(thread))
    }

    /// The waiting thread runs, and the running one is queued.
    ///
    /// Precondition: `can_interrupt`, and the running one has been charged.
    #[inline(always)]
    pub fn interrupt(&mut self, cpu: CpuId, thread: u32) {
        let loose = self.take(thread);
        let kick = self.enqueue(loose, cpu, false, cpu);
        assert!(kick.is_none(), "nobody is kicked for what this CPU does itself");
        self.put_back(cpu, PutBack::Preempted);
        self.dispatch_here(cpu);
    }

    /// Who runs next on a CPU if its running thread, the only one of its level, waits.
    #[must_use]
    #[inline(always)]
    pub fn next_below(&self, cpu: CpuId) -> Option<u32> {
        let queue = &self.cpus[usize::from(cpu.0)];
        let turn = self.rows[queue.current as usize].turn;
        let record = &self.turns[turn as usize];
        if record.members != 1 || record.next != turn {
            return None;
        }
        let level = queue.below(queue.level)?;
        let thread = self.turns[self.head(cpu, level) as usize].first;
        (self.is_alone_with(cpu, level) && self.rows[thread as usize].unbound).then_some(thread)
    }

    /// The running thread waits, and the next one runs.
    ///
    /// Precondition: `next_below` says which, and the running one has been charged.
    #[inline(always)]
    pub fn wait_for_next(&mut self, cpu: CpuId, now: Instant) {
        let loose = self.stop(cpu, now);
        self.park(loose);
        self.dispatch_here(cpu);
    }

    /// Whether no other CPU has time for a thread of this level, or anybody of a higher class for an on-line one.
    fn is_alone_with(&self, cpu: CpuId, level: Level) -> bool {
        let class = level.class_index();
        self.cpus[usize::from(cpu.0)].online
            && !self.state.is_waiting_above(class)
            && !self.state.is_less_urgent_cpu(class)
    }

    /// Gives an empty CPU the first of its most urgent threads.
    #[inline]
    pub(crate) fn dispatch_here(&mut self, cpu: CpuId) {
        let Some(level) = self.cpus[usize::from(cpu.0)].top() else { return };
        let turn = self.head(cpu, level);
        let thread = self.turns[turn as usize].first;
        assert_ne!(thread, NONE, "a turn without a running thread has a queued one (SCH-1)");
        self.unlink(thread);
        self.rows[thread as usize].place = Place::Running;
        let queue = self.queue(cpu);
        queue.current = thread;
        queue.level = level;
    }
}
