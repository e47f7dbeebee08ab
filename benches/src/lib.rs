//! Benches of the hosted core: wall times by criterion, instruction counts by gungraun.
#![forbid(unsafe_code)]
