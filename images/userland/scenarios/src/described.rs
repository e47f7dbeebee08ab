//! What firmware says of the machine goes to one program, to be read and handed on.

use coldframe_abi::{
    Authority, Calls, CapabilityRights, Error, ObjectHandle, PageRights, UserAddress, UserRange, Word,
};

use crate::names::found;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const TEXT: UserRange = UserRange { start: UserAddress(0x2d_6000_0000), length: PAGE };

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let text = sys.object_firmware().await?;
    let _ = sys.object_firmware().await;
    let _ = sys.object_map(text, Word(0), TEXT, PageRights::ReadWrite).await;
    let mapping = sys.object_map(text, Word(0), TEXT, PageRights::Read).await?;
    is_read(sys).await;
    sys.mapping_unmap(mapping).await?;
    // Whoever is given it reads the same, and it goes with the authority that it was made by.
    let reader = CapabilityRights::INSPECT.and(CapabilityRights::READ);
    let copy = sys.capability_copy(text.into(), reader, Word(0)).await?;
    let copy = ObjectHandle::from_word(copy.to_word());
    sys.object_map(copy, Word(0), TEXT, PageRights::Read).await?;
    is_read(sys).await;
    let authority = found(sys, Authority::Firmware).await.ok_or(Error::BadHandle)?;
    sys.capability_revoke(authority).await?;
    let _ = sys.capability_inspect(copy.into()).await;
    let _ = sys.memory_query(TEXT.start).await;
    let _ = sys.object_firmware().await;
    sys.capability_delete(authority).await?;
    let _ = sys.object_firmware().await;
    Ok(())
}

async fn is_read<G: Ground>(sys: &Recorder<'_, G>) {
    let word = sys.ground().load(TEXT.start).await;
    let says = sys.ground().is_firmware(word);
    sys.note(if says { "firmware says what machine this is" } else { "firmware says nothing" }).await;
}
