//! Address spaces against maps of pages, over CPUs that remember until they are told to forget.

use proptest::prelude::*;
use sim::source::{Bytes, Random};
use sim::spaces::drawn_format;

proptest! {
    #[test]
    fn spaces_are_maps_of_pages(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
        drawn_format(&mut Bytes::new(&bytes), 150).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn spaces_are_maps_of_pages_for_long() {
    for seed in 0..120 {
        if let Err(problem) = drawn_format(&mut Random::new(seed), 500) {
            panic!("seed {seed}: {problem}");
        }
    }
}
