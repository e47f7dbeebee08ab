//! Where two CPUs meet.
//!
//! Here live the kernel lock, the "look at me" word of a kick, the flush handshake, words that are read without a lock, the
//! packet ring of two programs, and all of core's `unsafe`. No kernel object, no policy, no hardware; `core::sync::atomic`
//! and `UnsafeCell` appear in no other crate of `core/`.
//! May import: nothing (and `loom` under `cfg(model = "loom")`).
#![no_std]

#[cfg(not(model = "loom"))]
#[path = "native.rs"]
mod mode;

#[cfg(model = "loom")]
#[path = "loom.rs"]
mod mode;

mod flush_board;
mod kick_word;
pub mod plain;
pub mod ring;
mod seq_words;

pub use flush_board::{FlushBell, FlushBoard};
pub use kick_word::KickWord;
pub use mode::{IS_MODEL, Lock, LockGuard};
pub use relax::{Pause, Relax};
pub use seq_words::SeqWords;

mod relax;
