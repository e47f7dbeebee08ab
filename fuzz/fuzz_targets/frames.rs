//! Frame operations on memory full of garbage, beside a set.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(problem) = sim::fuzz::frames(bytes) {
        panic!("{problem}");
    }
});
