//! The simulator: runs of a machine under glass, each a pure function of a list of decisions.
//!
//! Here live worlds, sources of decisions, the programs that fill a world, the oracles that judge it, exploration,
//! replay and pictures. Nothing of the kernel is modelled here: what runs is what boots.
//! May import: all of `core/`, `hal-host`, the scenarios.
#![forbid(unsafe_code)]

pub mod draw;
pub mod explore;
pub mod file;
pub mod timeline;

pub mod frames;
pub mod fuzz;
pub mod histories;
pub mod judge;
pub mod kit;
mod model;
pub use model::{Answer, Answers};
pub mod ops;
pub mod oracle;
pub mod reference;
pub mod rings;
pub mod run;
pub mod source;
pub mod spaces;
pub mod stage;
mod typed;
pub mod window;
pub mod world;
