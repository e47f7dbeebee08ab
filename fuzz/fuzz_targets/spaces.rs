//! Operations on address spaces over CPUs that remember, beside maps of pages, on every page-table format.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(problem) = sim::fuzz::spaces(bytes) {
        panic!("{problem}");
    }
});
