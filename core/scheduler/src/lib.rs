//! Who runs next, where, and for how long.
//!
//! Here live run queues with group turns, contexts, slices and boosts, placement over CPUs, and the timer queue.
//! Nothing here knows what a thread waits for, reads a clock or touches a machine: methods take slices and the
//! time, and return what must be done. See MODEL.md for the numbered statements.
//! May import: `abi`, `hal`.
#![no_std]
#![forbid(unsafe_code)]

mod context;
mod hand_over;
mod interrupt;
mod level;
mod moves;
mod online;
mod placement;
mod queue;
mod row;
mod running;
mod settle;
mod slice;
mod state;
pub mod timer;
mod turn;

pub use context::Context;
pub use hand_over::{Hand, Passed};
pub use level::{LEVELS, Level};
pub use moves::{Kick, Wake};
pub use queue::CpuQueue;
pub use row::{Loose, Place, Row};
pub use running::Swap;
pub use settle::Settled;
pub use slice::{boost_limit, slice_of};
pub use state::State;
pub use turn::Turn;

/// The link that leads nowhere.
pub const NONE: u32 = u32::MAX;

/// How many queued threads of another CPU one search for work looks at.
pub const SEARCH_LIMIT: usize = 64;

/// The scheduler as a view over the kernel's tables, borrowed for one decision.
///
/// Thread `i` has row `i` and brings turn `i` with it; CPU `i` has `cpus[i]` and `LEVELS` entries of `heads`.
pub struct Scheduler<'a> {
    /// One row a thread.
    pub rows: &'a mut [Row],
    /// As many turns as rows.
    pub turns: &'a mut [Turn],
    /// The first turn of each level of each CPU.
    pub heads: &'a mut [u32],
    /// One queue a CPU.
    pub cpus: &'a mut [CpuQueue],
    /// What all CPUs share.
    pub state: &'a mut State,
}
