//! The HAL under glass: a machine of plain values.
//!
//! Here live simulated RAM, a page walker of its own, TLBs that go stale, CPUs, clocks, kicks and a console; and the
//! threads mode, in which each CPU is a host thread around the real lock. No decision about order: that is `sim`.
//! May import: all of `core/`.
#![forbid(unsafe_code)]

mod cpu;
mod devices;
mod machine;
mod mmu;
mod ports;
mod ram;
mod registers;
mod store;
pub mod threads;

pub use cpu::HostCpu;
pub use devices::{
    ALARM_LINE, ASKS, ASKS_AT, DEVICE_FRAMES, FIRMWARE_FRAMES, FIRMWARE_WORD, FIRST_MESSAGE_LINE, SENDS,
    SENDS_TO,
};
pub use machine::{Board, HostMachine, Stamped};
pub use mmu::{AccessFault, HardwareFormat, Holding, Survey};
pub use ports::{CLOCK_AT_START, CLOCK_PORT, CONSOLE_PORTS};
pub use ram::Ram;
pub use registers::HostRegisters;
pub use store::OwnedStore;
