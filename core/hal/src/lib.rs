//! The one door to a machine.
//!
//! Here live the traits that a ground implements, the types that cross them, and the page-table formats.
//! No policy, no state of the kernel, no instruction of a CPU.
//! May import: `abi`.
#![no_std]
#![forbid(unsafe_code)]

mod address;
mod cpu_set;
mod machine;
pub mod paging;
mod port;
mod registers;
mod stale;
mod store;
mod trace;

pub use address::{FRAME_BYTES, FRAME_WORDS, Frame, FrameRun, PhysicalAddress};
pub use cpu_set::{CpuSet, MAX_CPUS, Members};
pub use machine::{
    Clock, Console, Cpu, Devices, Entropy, Flushes, Kicks, Machine, PhysicalMemory, Power, Translation,
};
pub use port::{PortSpan, PortWidth};
pub use registers::UserRegisters;
pub use stale::{FLUSH_SLOTS, FlushSlot, Forget, Stale, Tag};
pub use store::{Row, Store};
pub use trace::{Access, Event, TraceSink, Trap};
