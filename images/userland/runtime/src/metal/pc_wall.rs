//! The wall time of a PC: behind ports, so that no page is needed.

use coldframe_abi::{Error, Instant, UserAddress};
use coldframe_services::read_pc_clock;

use super::Metal;

const PORT: u64 = 0x70;

pub(super) async fn time(_: UserAddress) -> Result<Instant, Error> {
    // A clock that has lost its time knows as little as none.
    read_pc_clock(&Metal, PORT).await?.ok_or(Error::BadState)
}
