//! Kernel tables under glass: rows in ordinary memory, that remember which frames they stand for.

use coldframe_hal::{FRAME_BYTES, Frame, Row, Store};

/// A table that owns its rows, and can be cloned.
#[derive(Clone, Debug)]
pub struct OwnedStore<T> {
    rows: Vec<T>,
    /// Those that have been lifted out are missing.
    frames: Vec<Option<Frame>>,
    missing: usize,
}

impl<T> Default for OwnedStore<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), frames: Vec::new(), missing: 0 }
    }
}

impl<T: Row> OwnedStore<T> {
    /// As many rows as the frames have room for.
    fn fit(&mut self) {
        let bytes = self.frames.len() * FRAME_BYTES as usize;
        self.rows.resize_with(bytes / size_of::<T>(), T::default);
    }
}

impl<T: Row> Store<T> for OwnedStore<T> {
    fn rows(&self) -> &[T] {
        &self.rows
    }

    fn rows_mut(&mut self) -> &mut [T] {
        &mut self.rows
    }

    fn frames(&self) -> usize {
        self.frames.len() - self.missing
    }

    fn grow(&mut self, frame: Frame) {
        self.frames.push(Some(frame));
        self.fit();
    }

    fn shrink(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.missing -= usize::from(frame.is_none());
        self.fit();
        frame
    }

    fn lift(&mut self, number: usize) -> Option<Frame> {
        let rows = FRAME_BYTES as usize / size_of::<T>();
        self.rows[number * rows..(number + 1) * rows].fill_with(T::default);
        let frame = self.frames[number].take();
        self.missing += usize::from(frame.is_some());
        frame
    }

    fn lower(&mut self, number: usize, frame: Frame) {
        assert!(self.frames[number].replace(frame).is_none(), "a frame is lowered where one was lifted");
        self.missing -= 1;
    }
}
