//! What a program needs to run on the kernel: start code, the call instruction, threads, an executor, locks.
//!
//! Here live the only `unsafe` lines of user programs. No policy, no scenario. Start code and calls exist on bare targets
//! only; the locks are explored on the host as well, by loom.
//! May import: `abi`, `sync`, the scenarios' trait of a ground, the services' driver of a clock (and `loom` under `cfg(model = "loom")`).
#![cfg_attr(target_os = "none", no_std)]

pub mod locks;
#[cfg(target_os = "none")]
mod metal;
#[cfg(target_os = "none")]
pub use metal::*;
