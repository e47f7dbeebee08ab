//! The kernel as a state machine: one way in, and a fast one for a few calls; plain data between two calls.
//!
//! Here live the objects (threads, processes, groups, endpoints), the syscalls, and what happens at a trap; this is the only
//! crate that knows all the others. No queue of its own, no page-table bits, no hardware, no lock.
//! May import: `abi`, `hal`, `memory`, `capability`, `scheduler`, `ipc`.
#![no_std]
#![forbid(unsafe_code)]

mod alarms;
mod authorities;
mod boot;
mod calls;
mod capabilities;
mod cargo;
mod counts;
mod endpoint;
mod enter;
mod fast;
mod fast_messages;
mod fast_names;
mod fast_pages;
mod fast_tables;
mod fast_waits;
mod faults;
mod handing;
mod handlers;
mod hint;
mod inspect;
mod interrupts;
mod kernel;
mod messages;
mod objects;
mod passing;
mod per_cpu;
mod process;
mod reaper;
mod replies;
mod rounds;
mod sets;
mod signals;
mod tables;
mod thread;
mod translation;
mod unloading;
mod upcalls;
mod wait;
mod walls;
mod words;
mod work;

pub use boot::{BootError, Segment};
pub use cargo::{Cargo, Part, Place};
pub use counts::Counts;
pub use endpoint::Endpoint;
pub use enter::Resume;
pub use fast::{FastCall, FastReply};
pub use handlers::Fault;
pub use inspect::Inspection;
pub use interrupts::{InterruptLine, LISTENERS, Listener, PATIENCE, Standing};
pub use kernel::{Kernel, Registers};
pub use objects::{Mapping, Object};
pub use process::{Group, Process, ProcessId};
pub use rounds::{After, Round};
pub use signals::{Bell, LentName};
pub use thread::{Life, Line, Thread, WaitsFor};
pub use unloading::Unloading;
pub use upcalls::{Interrupted, Upcall};
pub use walls::Circle;
pub use work::{Task, Work};
