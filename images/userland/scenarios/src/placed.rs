//! A program finds out by itself where there is room in its address space.

use coldframe_abi::{Calls, Error, PageRights, UserAddress, UserRange};
use coldframe_services::Addresses;

use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const WINDOW: UserRange = UserRange { start: UserAddress(0x2d_7000_0000), length: 16 * PAGE };
/// Something that the search does not know of.
const UNKNOWN: UserRange = pages(3, 1);

const fn pages(first: u64, count: u64) -> UserRange {
    UserRange { start: UserAddress(WINDOW.start.0 + first * PAGE), length: count * PAGE }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let mut addresses = Addresses::<8>::new(WINDOW);
    sys.memory_reserve(UNKNOWN, PageRights::Read).await?;
    let mut is_placed = true;
    // Two pages before what is there, two behind it, and one between; then four, from a multiple of eight on.
    let wanted = [(2, 1, 0), (2, 1, 4), (1, 1, 2), (4, 8, 8), (1, 4, 12), (3, 1, 13), (2, 1, 6)];
    for (count, alignment, expected) in wanted {
        let size = (count * PAGE, alignment * PAGE);
        let range = addresses.reserve(sys, size, PageRights::ReadWrite).await?;
        is_placed &= range == pages(expected, count);
        sys.ground().store(range.start, expected).await;
    }
    sys.note(if is_placed { "each is at the first place where it fits" } else { "one is elsewhere" }).await;
    let _ = addresses.reserve(sys, (PAGE, 1), PageRights::ReadWrite).await;
    // What goes makes room, and what was found there is known now.
    for range in [pages(0, 3), pages(4, 12)] {
        sys.memory_unmap(range).await?;
        addresses.give_back(range).map_err(|_| Error::BadState)?;
    }
    let whole = (WINDOW.length, PAGE);
    let full = addresses.reserve(sys, whole, PageRights::Read).await.is_err();
    sys.note(if full { "there is no room for all" } else { "there is room for more than all" }).await;
    sys.memory_unmap(UNKNOWN).await?;
    addresses.give_back(UNKNOWN).map_err(|_| Error::BadState)?;
    let range = addresses.reserve(sys, whole, PageRights::Read).await?;
    sys.memory_unmap(range).await
}
