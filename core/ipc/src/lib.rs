//! Who waits for a message, a signal or a word, and who of them is first.
//!
//! Here live wait queues: most urgent first, first come first served among equals, bounded steps whatever their length,
//! nothing allocated. Nothing here knows a thread's state, reads memory or wakes anybody: methods take slices and say
//! who is next. See MODEL.md for the numbered statements.
//! May import: nothing.
#![no_std]
#![forbid(unsafe_code)]

mod key;
mod queue;
mod tree;
mod users;
mod waiter;

pub use key::{Key, LONGEST_PATH, Rank};
pub use queue::Queue;
pub use waiter::Waiter;

/// The link that leads nowhere.
pub const NONE: u32 = u32::MAX;

/// Wait queues as a view over the kernel's table, borrowed for one decision: thread `i` has row `i`.
pub struct Waiters<'a> {
    /// One row a thread.
    pub rows: &'a mut [Waiter],
}
