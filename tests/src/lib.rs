//! What crosses crates: laws, models, snapshots, conformance, boots, planted defects.
//!
//! The tests are under `tests/tests`, the defects under `tests/defects`, their runner is `cargo defects`.
#![forbid(unsafe_code)]
