//! Frames, address spaces, and the door to user memory.
//!
//! Here live the frame allocator, the walker that builds and reads page tables, and copies from and to user ranges.
//! No thread, no policy, no hardware: all memory is reached by the word through `hal`. See MODEL.md for the
//! numbered statements.
//! May import: `abi`, `hal`.
#![no_std]
#![forbid(unsafe_code)]

mod budget;
mod flush;
mod frames;
mod map;
mod means;
mod space;
mod user;

pub use budget::{Budget, OverBudget};
pub use flush::Flush;
pub use frames::{Content, FrameError, Frames, Held, Limits};
pub use map::{MAX_RUNS, MapFull, MemoryMap};
pub use means::{Means, POISON};
pub use space::{
    AddressSpace, Filling, Pages, Repair, STEP, SpaceError, Taken, Target, Teardown, Unlinked, View, Whose,
    unmake,
};
pub use user::UserSlice;
