//! The wall time of QEMU's RISC-V machine: in the registers of the clock that is its alarm as well.

use coldframe_abi::{Calls, Error, Instant, PageRights, UserAddress, UserRange, Word};

use super::{Metal, alarm};

const PAGE: u64 = 4_096;

pub(super) async fn time(page: UserAddress) -> Result<Instant, Error> {
    let registers = Metal.object_physical(Word(alarm::ALARM.page), Word(PAGE)).await?;
    let range = UserRange { start: page, length: PAGE };
    let shown = Metal.object_map(registers, Word(0), range, PageRights::Read).await;
    let time = shown.map(|_| alarm::time(page));
    Metal.object_destroy(registers).await?;
    time
}
