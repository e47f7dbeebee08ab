//! What fuzz targets and the replay of their corpus have in common: bytes are decisions.

use crate::draw::kind;
use crate::frames::drawn;
use crate::oracle::Violation;
use crate::run::{Options, Subject, run};
use crate::source::Bytes;

/// How many steps one input runs.
const STEPS: u64 = 3_000;

/// Runs the world that the bytes describe, hostile programs in it, in the order that the bytes decide.
///
/// # Errors
/// What an oracle has to say.
pub fn syscalls(bytes: &[u8]) -> Result<(), Violation> {
    let kind = kind("hostile").unwrap_or_else(|| unreachable!("the world is in the list"));
    let options = Options { steps: Some(STEPS), ..Options::default() };
    run(Subject::Drawn(kind), &mut Bytes::new(bytes), options).violation.map_or(Ok(()), Err)
}

/// How many operations one input does at most.
const FRAME_OPS: u32 = 300;

/// Does the frame operations that the bytes describe, beside a set.
///
/// # Errors
/// What goes wrong.
pub fn frames(bytes: &[u8]) -> Result<(), String> {
    drawn(&mut Bytes::new(bytes), FRAME_OPS)
}

/// How many operations on spaces one input does at most.
const SPACE_OPS: u32 = 200;

/// Does the operations on address spaces that the bytes describe, beside maps of pages.
///
/// # Errors
/// What goes wrong.
pub fn spaces(bytes: &[u8]) -> Result<(), String> {
    crate::spaces::drawn_format(&mut Bytes::new(bytes), SPACE_OPS)
}
