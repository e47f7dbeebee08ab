//! What a program needs to run on the kernel: start code, the call instruction, threads, an executor.
//!
//! Here live the only `unsafe` lines of user programs. No policy, no scenario. Exists on bare targets only.
//! May import: `abi`, the scenarios' trait of a ground.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
mod metal;
#[cfg(target_os = "none")]
pub use metal::*;
