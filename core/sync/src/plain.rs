//! What a machine under glass is made of, which is cloned, and made outside of a model: the same board with native
//! atomics, whatever the rest of this crate is built for.

#[cfg(not(model = "loom"))]
pub use crate::flush_board::FlushBoard;

#[cfg(model = "loom")]
mod mode {
    pub(super) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[cfg(model = "loom")]
#[path = "flush_board.rs"]
mod flush_board;

#[cfg(model = "loom")]
pub use flush_board::FlushBoard;
