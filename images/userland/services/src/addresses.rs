//! Where there is room: which addresses of a window a program has put something at, and where more fits.

use coldframe_abi::{Calls, Error, PageKind, PageRights, UserAddress, UserRange};

const PAGE: u64 = 4_096;

/// Why no addresses are found, or none go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// No gap is large enough, or there can be none for this length and alignment.
    NoGap,
    /// What is taken would lie in more separate pieces than can be remembered.
    TooManyPieces,
    /// Not all of it is taken.
    NotTaken,
}

/// A stretch of addresses, by its first and the one behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
}

/// The addresses of a window: those that are taken lie in at most `PIECES` pieces that do not touch, the lowest first.
#[derive(Clone, Debug)]
pub struct Addresses<const PIECES: usize> {
    window: Piece,
    pieces: [Piece; PIECES],
    count: usize,
}

impl<const PIECES: usize> Addresses<PIECES> {
    /// Of the whole pages of a window, none is taken.
    #[must_use]
    pub const fn new(window: UserRange) -> Self {
        let end = window.start.0.saturating_add(window.length) / PAGE * PAGE;
        let start = match window.start.0.checked_next_multiple_of(PAGE) {
            Some(start) if start < end => start,
            _ => end,
        };
        Self { window: Piece { start, end }, pieces: [Piece { start: 0, end: 0 }; PIECES], count: 0 }
    }

    fn taken(&self) -> &[Piece] {
        &self.pieces[..self.count]
    }

    /// Takes the first gap for so many bytes, in whole pages, that begins at a multiple of a power of two.
    ///
    /// # Errors
    /// Why nothing is taken.
    pub fn take(&mut self, length: u64, alignment: u64) -> Result<UserRange, NoRoom> {
        let length =
            length.checked_next_multiple_of(PAGE).filter(|length| *length > 0).ok_or(NoRoom::NoGap)?;
        if !alignment.is_power_of_two() {
            return Err(NoRoom::NoGap);
        }
        let alignment = alignment.max(PAGE);
        let mut from = self.window.start;
        for at in 0..=self.count {
            let gap_end = self.taken().get(at).map_or(self.window.end, |piece| piece.start);
            let start = from.checked_next_multiple_of(alignment).ok_or(NoRoom::NoGap)?;
            if start.checked_add(length).is_some_and(|end| end <= gap_end) {
                self.put(Piece { start, end: start + length })?;
                return Ok(UserRange { start: UserAddress(start), length });
            }
            from = self.taken().get(at).map_or(from, |piece| piece.end);
        }
        Err(NoRoom::NoGap)
    }

    /// Says that something is at these pages of the window, whether that was known or not.
    ///
    /// # Errors
    /// `TooManyPieces`, and nothing is remembered.
    pub fn mark(&mut self, range: UserRange) -> Result<(), NoRoom> {
        let whole = self.pages_of(range);
        if whole.start < whole.end { self.put(whole) } else { Ok(()) }
    }

    /// The pages of the window that a range touches.
    fn pages_of(&self, range: UserRange) -> Piece {
        let end = range.start.0.saturating_add(range.length);
        let end = end.checked_next_multiple_of(PAGE).unwrap_or(self.window.end);
        Piece { start: (range.start.0 / PAGE * PAGE).max(self.window.start), end: end.min(self.window.end) }
    }

    /// A piece joins those that it touches.
    fn put(&mut self, piece: Piece) -> Result<(), NoRoom> {
        let first = self.taken().partition_point(|other| other.end < piece.start);
        let behind = self.taken().partition_point(|other| other.start <= piece.end);
        let touched = &self.taken()[first..behind];
        let start = touched.first().map_or(piece.start, |other| other.start.min(piece.start));
        let end = touched.last().map_or(piece.end, |other| other.end.max(piece.end));
        self.replace((first, behind), [Some(Piece { start, end }), None])
    }

    /// Gives addresses back; others can be taken there from then on.
    ///
    /// # Errors
    /// Why nothing is given back.
    pub fn give_back(&mut self, range: UserRange) -> Result<(), NoRoom> {
        let Piece { start, end } = self.pages_of(range);
        let within = |piece: &Piece| piece.start <= start && end <= piece.end;
        let at = self.taken().iter().position(within).filter(|_| start < end).ok_or(NoRoom::NotTaken)?;
        let piece = self.pieces[at];
        let left = [Piece { end: start, ..piece }, Piece { start: end, ..piece }];
        self.replace((at, at + 1), left.map(|piece| Some(piece).filter(|piece| piece.start < piece.end)))
    }

    /// Puts up to two pieces in the place of some.
    fn replace(&mut self, (first, behind): (usize, usize), new: [Option<Piece>; 2]) -> Result<(), NoRoom> {
        let added = new.iter().flatten().count();
        let count = self.count - (behind - first) + added;
        if count > PIECES {
            return Err(NoRoom::TooManyPieces);
        }
        self.pieces.copy_within(behind..self.count, first + added);
        for (place, piece) in self.pieces[first..].iter_mut().zip(new.into_iter().flatten()) {
            *place = piece;
        }
        self.count = count;
        Ok(())
    }

    /// Reserves so many bytes, in whole pages, at the first gap, also if something is in the window that was not known of:
    /// that is remembered.
    ///
    /// # Errors
    /// `NoMemory` if there is no gap, or it cannot be remembered; else what the calls say.
    pub async fn reserve<S: Calls>(
        &mut self,
        sys: &S,
        (length, alignment): (u64, u64),
        rights: PageRights,
    ) -> Result<UserRange, Error> {
        loop {
            let range = self.take(length, alignment).map_err(|_| Error::NoMemory)?;
            let refused = match sys.memory_reserve(range, rights).await {
                Ok(()) => return Ok(range),
                Err(error) => error,
            };
            // What has just been taken lies in a gap: giving it back leaves as many pieces as before.
            self.give_back(range).map_err(|_| Error::NoMemory)?;
            if refused != Error::Occupied {
                return Err(refused);
            }
            self.look_at(sys, range).await?;
        }
    }

    /// Remembers what is in a range.
    async fn look_at<S: Calls>(&mut self, sys: &S, range: UserRange) -> Result<(), Error> {
        let mut found = false;
        for page in (0..range.length).step_by(PAGE as usize) {
            let start = UserAddress(range.start.0 + page);
            if sys.memory_query(start).await?.kind != PageKind::Empty {
                self.mark(UserRange { start, length: PAGE }).map_err(|_| Error::NoMemory)?;
                found = true;
            }
        }
        // Whoever was there has gone again: another thread of the program does what this one cannot know.
        if found { Ok(()) } else { Err(Error::Busy) }
    }
}
