//! The run queue of one CPU: which levels have turns, and the threads inside of a turn.

use coldframe_abi::{CpuId, Instant, Nanos};

use crate::state::COUNT_BITS;
use crate::{LEVELS, Level, NONE, Place, Scheduler};

const WORDS: usize = LEVELS / 64;

/// One CPU as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CpuQueue {
    /// Which words of `levels` have a bit set.
    summary: u16,
    /// Which levels have a turn.
    levels: [u64; WORDS],
    /// The most urgent of them, if there is any: not every machine finds the highest bit of a word in one instruction.
    top: Level,
    /// Who runs here.
    pub(crate) current: u32,
    /// At which level `current` runs.
    pub(crate) level: Level,
    /// Since when `current` has not been charged.
    pub(crate) since: Instant,
    /// What `current` has run and been charged for, and what it runs on, and its turn, have not.
    pub(crate) owed: Nanos,
    /// How much of what `current` has been charged nobody has put to an account.
    pub(crate) unaccounted: Nanos,
    /// How many threads of each class are queued, the running one not counted.
    pub(crate) queued: [u32; 4],
    /// Somebody asked this CPU to look and it has not come yet.
    pub(crate) kicked: bool,
    /// It takes part.
    pub(crate) online: bool,
    /// One more than the class of the most urgent thread here, zero if there is none.
    pub(crate) busy: u8,
}

impl Default for CpuQueue {
    fn default() -> Self {
        Self {
            summary: 0,
            levels: [0; WORDS],
            top: Level::default(),
            current: NONE,
            level: Level::default(),
            since: Instant(0),
            owed: Nanos::ZERO,
            unaccounted: Nanos::ZERO,
            queued: [0; 4],
            kicked: false,
            online: false,
            busy: 0,
        }
    }
}

impl CpuQueue {
    /// Who runs here, if anybody does.
    #[must_use]
    pub const fn current(&self) -> Option<u32> {
        if self.current == NONE { None } else { Some(self.current) }
    }

    /// The most urgent class of a thread that waits here for the CPU.
    #[must_use]
    pub fn waiting_class(&self) -> Option<usize> {
        self.queued.iter().rposition(|count| *count > 0)
    }

    /// At which level the running thread runs.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Since when the running thread has not been charged.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// For how long what the running thread runs on, and its turn, have not been charged.
    #[must_use]
    #[inline]
    pub fn uncharged(&self, now: Instant) -> Nanos {
        Nanos(now.since(self.since).0 + self.owed.0)
    }

    /// How many threads wait here for the CPU.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued.iter().sum()
    }

    /// Whether a kick is on its way.
    #[must_use]
    pub const fn is_kicked(&self) -> bool {
        self.kicked
    }

    /// The most urgent level with a turn, running or queued.
    #[inline]
    pub(crate) fn top(&self) -> Option<Level> {
        if self.summary == 0 { None } else { Some(self.top) }
    }

    fn find_top(&mut self) {
        if self.summary == 0 {
            self.top = Level::default();
            return;
        }
        let word = 15 - self.summary.leading_zeros() as usize;
        let bit = 63 - self.levels[word].leading_zeros() as usize;
        self.top = Level::from_index(word * 64 + bit);
    }

    /// The most urgent level with a turn below `level`.
    pub(crate) fn below(&self, level: Level) -> Option<Level> {
        let word = level.index() / 64;
        let rest = self.levels[word] & ((1 << (level.index() % 64)) - 1);
        if rest != 0 {
            return Some(Level::from_index(word * 64 + 63 - rest.leading_zeros() as usize));
        }
        let words = self.summary & ((1 << word) - 1);
        if words == 0 {
            return None;
        }
        let word = 15 - words.leading_zeros() as usize;
        Some(Level::from_index(word * 64 + 63 - self.levels[word].leading_zeros() as usize))
    }
}

impl Scheduler<'_> {
    #[inline]
    pub(crate) fn head(&self, cpu: CpuId, level: Level) -> u32 {
        self.heads[usize::from(cpu.0) * LEVELS + level.index()]
    }

    #[inline]
    pub(crate) fn set_head(&mut self, cpu: CpuId, level: Level, turn: u32) {
        self.heads[usize::from(cpu.0) * LEVELS + level.index()] = turn;
    }

    #[inline]
    pub(crate) fn queue(&mut self, cpu: CpuId) -> &mut CpuQueue {
        &mut self.cpus[usize::from(cpu.0)]
    }

    #[inline]
    pub(crate) fn mark_level(&mut self, cpu: CpuId, level: Level) {
        let queue = self.queue(cpu);
        queue.top = queue.top().map_or(level, |top| top.max(level));
        queue.levels[level.index() / 64] |= 1 << (level.index() % 64);
        queue.summary |= 1 << (level.index() / 64);
        self.note_urgency(cpu);
    }

    #[inline]
    pub(crate) fn clear_level(&mut self, cpu: CpuId, level: Level) {
        let queue = self.queue(cpu);
        let word = &mut queue.levels[level.index() / 64];
        *word &= !(1 << (level.index() % 64));
        if *word == 0 {
            queue.summary &= !(1 << (level.index() / 64));
        }
        if queue.top == level {
            queue.find_top();
        }
        self.note_urgency(cpu);
    }

    /// Keeps the sets of CPUs by the class of their most urgent thread.
    #[inline]
    fn note_urgency(&mut self, cpu: CpuId) {
        let queue = &mut self.cpus[usize::from(cpu.0)];
        let busy = queue.top().map_or(0, |top| top.class_index() as u8 + 1);
        let before = core::mem::replace(&mut queue.busy, busy);
        if before != busy {
            self.state.by_urgency[usize::from(before)].remove(cpu);
            self.state.by_urgency[usize::from(busy)].insert(cpu);
            if queue.online {
                self.state.urgency_counts -= 1 << (COUNT_BITS * u32::from(before));
                self.state.urgency_counts += 1 << (COUNT_BITS * u32::from(busy));
            }
        }
    }

    /// Links a member of a turn among its queued threads.
    #[inline]
    pub(crate) fn link(&mut self, thread: u32, turn: u32, front: bool) {
        let first = self.turns[turn as usize].first;
        if first == NONE {
            let row = &mut self.rows[thread as usize];
            (row.next, row.previous) = (thread, thread);
            self.turns[turn as usize].first = thread;
        } else {
            let last = self.rows[first as usize].previous;
            let row = &mut self.rows[thread as usize];
            (row.next, row.previous) = (first, last);
            self.rows[last as usize].next = thread;
            self.rows[first as usize].previous = thread;
            if front {
                self.turns[turn as usize].first = thread;
            }
        }
        self.rows[thread as usize].place = Place::Queued;
        let (cpu, class) = (self.turns[turn as usize].cpu(), self.turns[turn as usize].level().class_index());
        let queued = &mut self.queue(cpu).queued[class];
        *queued += 1;
        if *queued == 1 {
            self.state.waiting[class].insert(cpu);
            self.state.waiting_classes |= 1 << class;
        }
    }

    /// Takes a thread out from among the queued ones of its turn; it stays a member.
    #[inline]
    pub(crate) fn unlink(&mut self, thread: u32) {
        let row = &self.rows[thread as usize];
        let (turn, next, previous) = (row.turn, row.next, row.previous);
        if next == thread {
            self.turns[turn as usize].first = NONE;
        } else {
            self.rows[previous as usize].next = next;
            self.rows[next as usize].previous = previous;
            if self.turns[turn as usize].first == thread {
                self.turns[turn as usize].first = next;
            }
        }
        let (cpu, class) = (self.turns[turn as usize].cpu(), self.turns[turn as usize].level().class_index());
        let queued = &mut self.queue(cpu).queued[class];
        *queued -= 1;
        if *queued == 0 {
            self.state.waiting[class].remove(cpu);
            if self.state.waiting[class].is_empty() {
                self.state.waiting_classes &= !(1 << class);
            }
        }
    }
}
