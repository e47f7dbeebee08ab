//! Turns: the presence of a group at one level of one CPU.
//!
//! A thread carries one spare turn record. When it joins a turn that exists, its spare waits in the turn's list;
//! when it leaves, it takes one along again. So a turn for whatever group can always be made and nothing is
//! allocated. Turns are found through a linear hash table whose buckets lie in the turn records themselves: one
//! more row is one more bucket.

use coldframe_abi::{CpuId, Nanos};

use crate::{LEVELS, Level, NONE, Scheduler};

/// One group at one level of one CPU.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    key: u64,
    /// The neighbours in the level's ring; `next` also links the spares.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// The first of its queued threads.
    pub(crate) first: u32,
    /// How many threads are queued or running here.
    pub(crate) members: u32,
    spares: u32,
    /// What the group may still run before the next group gets its turn.
    pub(crate) left: Nanos,
    chain: u32,
    /// The first turn of hash bucket number (index of this record).
    bucket: u32,
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            key: 0,
            next: NONE,
            previous: NONE,
            first: NONE,
            members: 0,
            spares: NONE,
            left: Nanos::ZERO,
            chain: NONE,
            bucket: NONE,
        }
    }
}

impl Turn {
    /// The group that it is the turn of.
    #[must_use]
    pub const fn group(&self) -> u32 {
        self.key as u32
    }

    /// How many threads are queued or running in it.
    #[must_use]
    pub const fn members(&self) -> u32 {
        self.members
    }

    /// What the group may still run.
    #[must_use]
    pub const fn left(&self) -> Nanos {
        self.left
    }

    /// The next turn in the ring of its level.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// The first of its queued threads.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The CPU that it is at.
    #[inline]
    #[must_use]
    pub const fn cpu(&self) -> CpuId {
        CpuId((self.key >> 48) as u16)
    }

    /// The level that it is at.
    #[inline]
    #[must_use]
    pub const fn level(&self) -> Level {
        Level::from_index((self.key >> 32) as usize & (LEVELS - 1))
    }
}

#[inline]
fn key(cpu: CpuId, level: Level, group: u32) -> u64 {
    u64::from(cpu.0) << 48 | (level.index() as u64) << 32 | u64::from(group)
}

impl Scheduler<'_> {
    #[inline]
    fn bucket_of(&self, key: u64) -> usize {
        let hash = (key ^ self.state.hash_seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mask = (self.state.buckets as usize).next_power_of_two() - 1;
        let bucket = hash as usize & mask;
        if bucket < self.state.buckets as usize { bucket } else { bucket & mask >> 1 }
    }

    /// Makes row and turn `thread` known: it brings one bucket, and the turns that belong there move over.
    ///
    /// Rows are admitted once each, in order.
    pub(crate) fn admit_turn(&mut self, thread: u32) {
        assert_eq!(self.state.buckets, thread, "rows are admitted in order");
        self.state.buckets += 1;
        if thread == 0 {
            return;
        }
        let split = thread as usize & !(1 << thread.ilog2());
        let mut rest = core::mem::replace(&mut self.turns[split].bucket, NONE);
        while rest != NONE {
            let turn = rest;
            rest = self.turns[turn as usize].chain;
            self.chain_in(turn);
        }
    }

    #[inline]
    fn chain_in(&mut self, turn: u32) {
        let bucket = self.bucket_of(self.turns[turn as usize].key);
        self.turns[turn as usize].chain = core::mem::replace(&mut self.turns[bucket].bucket, turn);
    }

    #[inline]
    fn chain_out(&mut self, turn: u32) {
        let bucket = self.bucket_of(self.turns[turn as usize].key);
        let after = self.turns[turn as usize].chain;
        let mut at = self.turns[bucket].bucket;
        if at == turn {
            self.turns[bucket].bucket = after;
            return;
        }
        while self.turns[at as usize].chain != turn {
            at = self.turns[at as usize].chain;
        }
        self.turns[at as usize].chain = after;
    }

    #[inline]
    pub(crate) fn find_turn(&self, cpu: CpuId, level: Level, group: u32) -> Option<u32> {
        let key = key(cpu, level, group);
        // Most levels have the turn of one group or of none.
        let head = self.head(cpu, level);
        if head == NONE {
            return None;
        }
        let first = &self.turns[head as usize];
        if first.key == key {
            return Some(head);
        }
        if first.next == head {
            return None;
        }
        let mut at = self.turns[self.bucket_of(key)].bucket;
        while at != NONE {
            let turn = &self.turns[at as usize];
            if turn.key == key {
                return Some(at);
            }
            at = turn.chain;
        }
        None
    }

    /// Makes a thread a member of the turn of its group at a level of a CPU; says whether the turn is new, and
    /// then it is the last of its level.
    #[inline]
    pub(crate) fn join_turn(&mut self, thread: u32, cpu: CpuId, level: Level) -> (u32, bool) {
        let row = &self.rows[thread as usize];
        assert_eq!(row.turn, NONE, "a thread is a member of one turn (SCH-1)");
        let (context, spare) = (row.runs_on, row.spare);
        let context = &self.rows[context as usize].own;
        // A group that comes anew gets what its first thread has left of a slice, not a whole one: otherwise whoever
        // leaves and comes again would never have to give way.
        let (group, left) = (context.group, context.slice_left);
        let (turn, fresh) = match self.find_turn(cpu, level, group) {
            Some(turn) => {
                self.turns[spare as usize].next = self.turns[turn as usize].spares;
                self.turns[turn as usize].spares = spare;
                (turn, false)
            }
            None => {
                let record = &mut self.turns[spare as usize];
                record.key = key(cpu, level, group);
                record.left = left;
                record.first = NONE;
                record.spares = NONE;
                self.chain_in(spare);
                self.ring_in_turn(spare, cpu, level);
                (spare, true)
            }
        };
        self.turns[turn as usize].members += 1;
        let row = &mut self.rows[thread as usize];
        row.spare = NONE;
        row.turn = turn;
        (turn, fresh)
    }

    /// Ends the membership of a thread that is not queued: it takes a record along.
    #[inline]
    pub(crate) fn leave_turn(&mut self, thread: u32) {
        let turn = core::mem::replace(&mut self.rows[thread as usize].turn, NONE);
        self.turns[turn as usize].members -= 1;
        let spare = if self.turns[turn as usize].members == 0 {
            self.ring_out_turn(turn);
            self.chain_out(turn);
            turn
        } else {
            let spare = self.turns[turn as usize].spares;
            self.turns[turn as usize].spares = self.turns[spare as usize].next;
            spare
        };
        self.rows[thread as usize].spare = spare;
    }

    fn ring_in_turn(&mut self, turn: u32, cpu: CpuId, level: Level) {
        let head = self.head(cpu, level);
        if head == NONE {
            self.turns[turn as usize].next = turn;
            self.turns[turn as usize].previous = turn;
            self.set_head(cpu, level, turn);
            self.mark_level(cpu, level);
            return;
        }
        let last = self.turns[head as usize].previous;
        self.turns[turn as usize].next = head;
        self.turns[turn as usize].previous = last;
        self.turns[last as usize].next = turn;
        self.turns[head as usize].previous = turn;
    }

    fn ring_out_turn(&mut self, turn: u32) {
        let record = &self.turns[turn as usize];
        let (cpu, level, next, previous) = (record.cpu(), record.level(), record.next, record.previous);
        if next == turn {
            self.set_head(cpu, level, NONE);
            self.clear_level(cpu, level);
            return;
        }
        self.turns[previous as usize].next = next;
        self.turns[next as usize].previous = previous;
        if self.head(cpu, level) == turn {
            self.set_head(cpu, level, next);
        }
    }

    /// Makes a turn the next one of its level.
    pub(crate) fn turn_first(&mut self, turn: u32) {
        self.turn_last(turn);
        let (cpu, level) = (self.turns[turn as usize].cpu(), self.turns[turn as usize].level());
        self.set_head(cpu, level, turn);
    }

    /// Makes a turn the last one of its level.
    #[inline]
    pub(crate) fn turn_last(&mut self, turn: u32) {
        let record = &self.turns[turn as usize];
        let (cpu, level, next, previous) = (record.cpu(), record.level(), record.next, record.previous);
        let head = self.head(cpu, level);
        if head == turn {
            self.set_head(cpu, level, next);
        } else if next != head {
            self.turns[previous as usize].next = next;
            self.turns[next as usize].previous = previous;
            let last = self.turns[head as usize].previous;
            self.turns[last as usize].next = turn;
            self.turns[turn as usize].previous = last;
            self.turns[turn as usize].next = head;
            self.turns[head as usize].previous = turn;
        }
    }
}
