//! A packet ring, beside a side that writes anything anywhere, or between two honest ones in any order.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(problem) = sim::fuzz::rings(bytes) {
        panic!("{problem}");
    }
});
