//! What the interrupt controllers of devices are told, and when: nothing in here touches hardware.

mod io_apic;
mod plic;

pub use io_apic::{IoApic, MOST_LINES, Table};
pub use plic::{Plic, Registers};
