//! Packets between two programs that share memory, without the kernel.
//!
//! Two rings of numbers lead over slots for packets. The number of a slot in a ring says that the slot changes hands: a slot
//! belongs to one side at a time, or is on its way. A ring has room for all slots, so that it is never full; who has no
//! free slot left waits until the other side gives one back. Each word of control has one writer, and what a side must be
//! able to rely on it keeps to itself: whatever the other side writes, it comes to an error and no further (SYN-6, SYN-7).

mod packet;
mod shape;
mod side;
mod slots;
mod words;

pub use packet::{Extent, Packet};
pub use shape::{Shape, Side};
pub use side::{Doorbell, Received, Rest, Ring, RingError, Slot};
pub use words::{Atomics, SharedWords, at_once};
