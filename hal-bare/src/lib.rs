//! The HAL in open ground: x86_64 and RISC-V.
//!
//! Here live the way from firmware to the kernel, the loop around it, and everything that touches hardware. The
//! readers of boot data (`boot`), what interrupt controllers are told (`lines`) and what makes words of noise (`entropy`)
//! are pure and compile on any host; the rest exists on bare targets only.
//! May import: all of `core/`.
#![cfg_attr(target_os = "none", no_std)]

pub mod boot;
pub mod entropy;
pub mod lines;

#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod cpu_loop;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod rate;
#[cfg(target_os = "none")]
mod start;
#[cfg(target_os = "none")]
mod window;

#[cfg(all(target_os = "none", target_arch = "riscv64"))]
#[path = "riscv64/mod.rs"]
mod arch;

#[cfg(all(target_os = "none", target_arch = "x86_64"))]
#[path = "x86_64/mod.rs"]
mod arch;
