//! What programs make of endpoints and shared memory: channels of packets, and services with typed requests.
//!
//! Here live the halves of a channel (a packet ring with a doorbell on each side) and how two programs come to share one,
//! services whose code does not know by which of the two ways a request has come, a driver of the clock that PCs have,
//! the search for
//! free addresses, and what a program finds on its stack when it starts.
//! No policy, no `unsafe`.
//! May import: `abi`, `sync`.
#![no_std]
#![forbid(unsafe_code)]

mod addresses;
mod channel;
mod connect;
mod date;
mod pc_clock;
mod service;
mod start_block;

pub use addresses::{Addresses, NoRoom};
pub use channel::{Channel, ChannelError, Next};
pub use connect::{Link, accept, connect, is_connect};
pub use date::Date;
pub use pc_clock::{ClockRegisters, read_pc_clock};
pub use service::{AskError, Saying, Service, Wire, ask, ask_by_packet, serve, serve_packets};
pub use start_block::{StartBlock, Started};
