//! Kernel tables under glass: rows in ordinary memory, that remember which frames they stand for.

use coldframe_hal::{FRAME_BYTES, Frame, Row, Store};

/// A table that owns its rows, and can be cloned.
#[derive(Clone, Debug)]
pub struct OwnedStore<T> {
    rows: Vec<T>,
    frames: Vec<Frame>,
}

impl<T> Default for OwnedStore<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), frames: Vec::new() }
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
        self.frames.len()
    }

    fn grow(&mut self, frame: Frame) {
        self.frames.push(frame);
        self.fit();
    }

    fn shrink(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.fit();
        Some(frame)
    }
}
