//! Chunks: so many rows belong to one holder, and go back together.

use crate::link::Link;
use crate::{CHUNK, Capabilities, Capability, NONE};

/// Who has a chunk, and what of it is free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Whose it is; `NONE` if its rows belong to nobody.
    holder: u32,
    /// How many of its rows are not free.
    used: u32,
    /// The first free one; the last in that list is the first that has not been opened, if there is one.
    free: u32,
    /// How many have been taken since it has this holder: those behind them are as they were, and free as well.
    opened: u32,
    /// The highest generation that any of its rows has had: a stale handle never fits a new holder's (CAP-4).
    generation: u32,
    /// The neighbours among the chunks of the holder; `next` also links those of nobody.
    next: u32,
    previous: u32,
    /// The neighbours among those of them that have a free row.
    next_with_room: u32,
    previous_with_room: u32,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            holder: NONE,
            used: 0,
            free: NONE,
            opened: 0,
            generation: 0,
            next: NONE,
            previous: NONE,
            next_with_room: NONE,
            previous_with_room: NONE,
        }
    }
}

impl Chunk {
    /// Whose it is, if it is anybody's.
    #[must_use]
    pub const fn holder(&self) -> Option<u32> {
        if self.holder == NONE { None } else { Some(self.holder) }
    }

    /// How many of its rows are in use.
    #[must_use]
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// How many of its rows, from the first on, somebody may have had since it has this holder.
    #[must_use]
    pub const fn opened(&self) -> u32 {
        self.opened
    }

    /// The next one, of the same holder or of nobody.
    #[must_use]
    pub const fn next(&self) -> Option<u32> {
        if self.next == NONE { None } else { Some(self.next) }
    }

    /// Links a chunk of nobody to the next one.
    pub const fn set_next_unheld(&mut self, next: u32) {
        self.next = next;
    }
}

/// Where a holder's chunks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holdings {
    first: u32,
    with_room: u32,
    chunks: u32,
}

impl Default for Holdings {
    fn default() -> Self {
        Self { first: NONE, with_room: NONE, chunks: 0 }
    }
}

/// A row that was free.
pub(crate) struct Taken {
    pub(crate) row: u32,
    pub(crate) holder: u32,
    pub(crate) generation: u32,
}

impl Holdings {
    /// Whether there is a free row.
    #[must_use]
    #[inline]
    pub const fn have_room(&self) -> bool {
        self.with_room != NONE
    }

    /// The first chunk, if there is one.
    #[must_use]
    pub const fn first(&self) -> Option<u32> {
        if self.first == NONE { None } else { Some(self.first) }
    }

    /// How many chunks there are.
    #[must_use]
    pub const fn chunks(&self) -> u32 {
        self.chunks
    }
}

impl Capabilities<'_> {
    /// Makes a chunk of nobody the holder's.
    pub fn admit(&mut self, chunk: u32, holder: u32, holdings: &mut Holdings) {
        let record = &mut self.chunks[chunk as usize];
        assert_eq!(record.holder, NONE, "a chunk has one holder (CAP-5)");
        let generation = record.generation;
        let free = chunk * CHUNK;
        *record = Chunk { holder, generation, free, next: holdings.first, ..Chunk::default() };
        if holdings.first != NONE {
            self.chunks[holdings.first as usize].previous = chunk;
        }
        holdings.first = chunk;
        holdings.chunks += 1;
        self.has_room(chunk, holdings);
    }

    fn has_room(&mut self, chunk: u32, holdings: &mut Holdings) {
        let next = core::mem::replace(&mut holdings.with_room, chunk);
        let record = &mut self.chunks[chunk as usize];
        (record.next_with_room, record.previous_with_room) = (next, NONE);
        if next != NONE {
            self.chunks[next as usize].previous_with_room = chunk;
        }
    }

    #[cold]
    fn has_no_room(&mut self, chunk: u32, holdings: &mut Holdings) {
        let Chunk { next_with_room: next, previous_with_room: previous, .. } = self.chunks[chunk as usize];
        match previous {
            NONE => holdings.with_room = next,
            previous => self.chunks[previous as usize].next_with_room = next,
        }
        if next != NONE {
            self.chunks[next as usize].previous_with_room = previous;
        }
    }

    /// Takes a free row of a holder; `None` if it needs another chunk.
    #[inline]
    pub fn take(&mut self, holdings: &mut Holdings) -> Option<u32> {
        let Taken { row, holder, generation } = self.take_free(holdings)?;
        self.rows[row as usize] = Capability { generation, holder, ..Capability::default() };
        Some(row)
    }

    /// The same, and leaves it to the caller to write the row.
    #[inline(always)]
    pub(crate) fn take_free(&mut self, holdings: &mut Holdings) -> Option<Taken> {
        let chunk = holdings.with_room;
        if chunk == NONE {
            return None;
        }
        let record = &mut self.chunks[chunk as usize];
        let (row, holder) = (record.free, record.holder);
        record.used += 1;
        let generation = if row == chunk * CHUNK + record.opened {
            record.opened += 1;
            record.free = if record.opened < CHUNK { row + 1 } else { NONE };
            record.generation
        } else {
            let taken = &self.rows[row as usize];
            record.free = taken.next.row();
            taken.generation
        };
        if record.free == NONE {
            self.has_no_room(chunk, holdings);
        }
        Some(Taken { row, holder, generation: generation + 1 })
    }

    /// Gives a row back that is not in the forest. Says which chunk goes back with it: one that is empty, unless it
    /// is the holder's last.
    #[inline]
    pub fn give(&mut self, row: u32, holdings: &mut Holdings) -> Option<u32> {
        let chunk = row / CHUNK;
        let given = &mut self.rows[row as usize];
        let generation = given.generation;
        *given = Capability { generation, ..Capability::default() };
        if generation == u32::MAX {
            // Its next handle would be one that somebody may still have.
            return None;
        }
        let record = &mut self.chunks[chunk as usize];
        let free = core::mem::replace(&mut record.free, row);
        record.used -= 1;
        let empty = record.used == 0;
        self.rows[row as usize].next = if free == NONE { Link::up(NONE) } else { Link::to(free) };
        if free == NONE {
            self.has_room(chunk, holdings);
        }
        (empty && holdings.chunks > 1).then_some(chunk)
    }

    /// Gives back those that were derived last from `parent`, as long as they lie in one chunk that stays, nothing was
    /// derived from them, nobody waits by them and each `may_go`, at most so many; says how many.
    #[inline(always)]
    pub fn give_last(
        &mut self,
        parent: u32,
        holdings: &mut Holdings,
        most: u32,
        mut may_go: impl FnMut(u32, &Capability) -> bool,
    ) -> u32 {
        let mut last = self.rows[parent as usize].last;
        let chunk = last / CHUNK;
        let record = &mut self.chunks[chunk as usize];
        let most = most.min(record.used - u32::from(holdings.chunks > 1));
        let (was_full, mut free) = (record.free == NONE, record.free);
        let mut given = 0;
        while given < most && last / CHUNK == chunk {
            let row = &mut self.rows[last as usize];
            let is_plain = row.first == NONE && row.users == NONE && row.generation < u32::MAX;
            if !is_plain || !may_go(last, row) {
                break;
            }
            let (generation, previous) = (row.generation, row.previous);
            let next = if free == NONE { Link::up(NONE) } else { Link::to(free) };
            *row = Capability { generation, next, ..Capability::default() };
            free = last;
            last = previous.row();
            given += 1;
        }
        if given == 0 {
            return 0;
        }
        (record.used, record.free) = (record.used - given, free);
        self.rows[parent as usize].last = last;
        if last == NONE {
            self.rows[parent as usize].first = NONE;
        } else {
            self.rows[last as usize].next = Link::up(parent);
        }
        if was_full {
            self.has_room(chunk, holdings);
        }
        given
    }

    /// Takes an empty chunk away from its holder.
    pub fn dismiss(&mut self, chunk: u32, holdings: &mut Holdings) {
        let record = &self.chunks[chunk as usize];
        let opened = (chunk * CHUNK) as usize..(chunk * CHUNK + record.opened) as usize;
        let mut highest = 0;
        for row in &mut self.rows[opened] {
            highest = highest.max(row.generation);
            // As if nobody had had it: of what a row holds that is given back, this is all that it was not made with.
            (row.generation, row.next) = (0, Link::up(NONE));
        }
        if record.free != NONE {
            self.has_no_room(chunk, holdings);
        }
        let Chunk { next, previous, generation, .. } = self.chunks[chunk as usize];
        match previous {
            NONE => holdings.first = next,
            previous => self.chunks[previous as usize].next = next,
        }
        if next != NONE {
            self.chunks[next as usize].previous = previous;
        }
        holdings.chunks -= 1;
        self.chunks[chunk as usize] = Chunk { generation: generation.max(highest), ..Chunk::default() };
    }
}
