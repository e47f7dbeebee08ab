//! Address spaces against maps of pages, over CPUs that remember until they are told to forget.

use coldframe_hal::paging::{FiveLevel, FourLevel, Sv39, Sv48, Sv57};
use proptest::prelude::*;
use sim::source::{Bytes, Random, Source};
use sim::spaces::drawn;

/// Draws the format too.
fn any_format(source: &mut dyn Source, most: u32) -> Result<(), String> {
    match source.choose(5) {
        0 => drawn::<Sv39>(source, most),
        1 => drawn::<Sv48>(source, most),
        2 => drawn::<Sv57>(source, most),
        3 => drawn::<FourLevel>(source, most),
        _ => drawn::<FiveLevel>(source, most),
    }
}

proptest! {
    #[test]
    fn spaces_are_maps_of_pages(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
        any_format(&mut Bytes::new(&bytes), 150).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn spaces_are_maps_of_pages_for_long() {
    for seed in 0..120 {
        if let Err(problem) = any_format(&mut Random::new(seed), 500) {
            panic!("seed {seed}: {problem}");
        }
    }
}
