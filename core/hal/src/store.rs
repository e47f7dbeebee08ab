//! Where the rows of a kernel table live.

use crate::Frame;

/// A row of a kernel table: plain data that starts out as its default.
pub trait Row: Clone + Default + 'static {}

impl<T: Clone + Default + 'static> Row for T {}

/// The storage of one table: a slice that grows and shrinks by the frame.
pub trait Store<T: Row> {
    /// All rows.
    fn rows(&self) -> &[T];

    /// All rows, to be changed.
    fn rows_mut(&mut self) -> &mut [T];

    /// How many frames it has taken in.
    fn frames(&self) -> usize;

    /// Takes a frame in and makes rows of it, all at their default, behind the ones that exist.
    ///
    /// Precondition: the frame is RAM that nobody else uses.
    /// Postcondition: the rows that existed are unchanged; there may be no new row yet, if the ground needed the
    /// frame to map the next one, and then the caller grows again.
    fn grow(&mut self, frame: Frame);

    /// Gives the frame back that was taken in last, with the rows that lived in it.
    ///
    /// Precondition: the rows of the last frame are not in use.
    /// Postcondition: `None` if no frame is left; otherwise nobody reaches the frame through the store.
    fn shrink(&mut self) -> Option<Frame>;

    /// Takes the frame of this number out. Its rows read as their default from now on; `None` if the ground keeps
    /// the frame to have something to read there.
    ///
    /// Precondition: rows fill a frame exactly, those of this one are at their default, and nobody writes to them
    /// before `lower`.
    /// Postcondition: if a frame is returned, nobody reaches it through the store.
    fn lift(&mut self, number: usize) -> Option<Frame>;

    /// Puts a frame where one was taken out, all its rows at their default.
    ///
    /// Precondition: the frame is RAM that nobody else uses, and that of this number was lifted.
    fn lower(&mut self, number: usize, frame: Frame);
}
