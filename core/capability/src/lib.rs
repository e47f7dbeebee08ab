//! Who may do what: capabilities, whose they are, and from which they were derived.
//!
//! Here live the rows of capability tables, the chunks that they come in, and the forest of derivations. Nothing
//! here knows what a capability names, who pays for a chunk or what has to be done when one goes: methods take
//! slices and return it. See MODEL.md for the numbered statements.
//! May import: `abi`.
#![no_std]
#![forbid(unsafe_code)]

mod capability;
mod chunk;
mod forest;
mod link;

pub use capability::{Capability, Limit, Target};
pub use chunk::{Chunk, Holdings};

/// The link that leads nowhere.
pub const NONE: u32 = u32::MAX;

/// The row from which all capabilities are derived that were derived from no other. Nobody holds it.
pub const GROUND: u32 = 0;

/// How many capabilities a chunk has: as many as fit in a frame.
pub const CHUNK: u32 = 64;

/// The capabilities of all processes as a view over the kernel's tables, borrowed for one decision.
///
/// Chunk `i` has the rows from `CHUNK * i` on.
pub struct Capabilities<'a> {
    /// All rows.
    pub rows: &'a mut [Capability],
    /// One chunk for each `CHUNK` rows.
    pub chunks: &'a mut [Chunk],
}
