//! Images: built, checked, booted.
//!
//! Here live the search for a compiler, the build and its archive, the checks of the result, and QEMU on the serial
//! line. Nothing of the kernel: what boots is what `hal-bare` and `core/` say.
//! May import: nothing of the workspace; it runs cargo on it.
#![forbid(unsafe_code)]

pub mod boot;
pub mod build;
pub mod check;
pub mod compiler;
pub mod debugger;
pub mod doctor;
pub mod instruction;
pub mod measure;
pub mod steps;
pub mod symbols;
pub mod target;
pub mod touch;
