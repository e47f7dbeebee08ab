//! The packet ring: between two honest sides in any order, and beside one that writes anything anywhere.

use coldframe_sync::ring::Shape;
use proptest::prelude::*;
use sim::rings::{beside_a_vandal, between_two};
use sim::source::{Bytes, Random};

/// SYN-6: what is sent comes, once and in order, and nobody sleeps while something has come.
#[test]
fn what_is_sent_comes_in_order() {
    for seed in 0..2_000 {
        if let Err(problem) = between_two(&mut Random::new(seed)) {
            panic!("seed {seed}: {problem}");
        }
    }
}

/// SYN-7: whatever the other side writes, what is found is an error or can be used.
#[test]
fn nonsense_is_an_error_and_no_more() {
    for seed in 0..2_000 {
        if let Err(problem) = beside_a_vandal(&mut Random::new(seed), 400) {
            panic!("seed {seed}: {problem}");
        }
    }
}

proptest! {
    #[test]
    fn nonsense_is_an_error_and_no_more_whatever_is_drawn(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        beside_a_vandal(&mut Bytes::new(&bytes), 300).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_ring_has_a_shape_that_makes_sense() {
    assert!(Shape::new(6, 3, 0).is_none());
    assert!(Shape::new(2, 1, 0).is_none());
    assert!(Shape::new(8, 9, 0).is_none());
    let [with, without] = [10, 0].map(|data| Shape::new(8, 8, data).expect("a power of two").words());
    assert_eq!(with, without + 10);
}
