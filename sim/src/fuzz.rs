//! What fuzz targets and the replay of their corpus have in common: bytes are decisions.

use crate::draw::KINDS;
use crate::frames::drawn;
use crate::oracle::Violation;
use crate::run::{Options, Outcome, Subject, run};
use crate::source::{Bytes, Source};

/// How many steps one input runs.
const STEPS: u64 = 3_000;

/// Runs the world that the bytes describe, of whichever kind, in the order that the bytes decide.
///
/// # Errors
/// What an oracle has to say.
pub fn syscalls(bytes: &[u8]) -> Result<(), Violation> {
    played(&mut Bytes::new(bytes)).violation.map_or(Ok(()), Err)
}

/// Runs the world that a source describes, of whichever kind.
pub fn played(source: &mut dyn Source) -> Outcome {
    let kind = &KINDS[source.choose(KINDS.len() as u32) as usize];
    run(Subject::Drawn(kind), source, Options { steps: Some(STEPS), ..Options::default() })
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

/// How many operations beside a peer that writes nonsense one input does at most.
const RING_OPS: u32 = 300;

/// Does what the bytes describe on a packet ring: between two honest sides, or beside one that writes nonsense.
///
/// # Errors
/// What goes wrong.
pub fn rings(bytes: &[u8]) -> Result<(), String> {
    let source = &mut Bytes::new(bytes);
    match source.choose(3) {
        0 => crate::rings::between_two(source),
        _ => crate::rings::beside_a_vandal(source, RING_OPS),
    }
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
