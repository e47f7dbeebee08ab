//! Bytes are decisions: which world, which programs, which order.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(violation) = sim::fuzz::syscalls(bytes) {
        panic!("{violation}");
    }
});
