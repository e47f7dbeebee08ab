//! Benches of the hosted core: wall times by criterion, instruction counts by gungraun, and what they measure.
#![forbid(unsafe_code)]

pub mod arena;
pub mod messages;
pub mod namer;
pub mod names;
pub mod pages;
mod started;
pub mod waits;
pub mod yielders;
