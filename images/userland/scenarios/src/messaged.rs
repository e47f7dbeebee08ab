use coldframe_abi::{Calls, Deadline, DeviceMessage, EndpointHandle, Error, LineHandle, PageRights, Word};

use crate::driven::{IN_VAIN, PAGE, REGISTERS, after, starts, stops};
use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let alarm = sys.ground().alarm();
    let one = sys.endpoint_create().await?;
    let registers = sys.object_physical(Word(alarm.page), Word(PAGE)).await?;
    let shown = sys.object_map(registers, Word(0), REGISTERS, PageRights::ReadWrite).await?;
    let wired = sys.line_bind(Word(alarm.line.into()), one, Word(1)).await?;
    let _ = sys.line_message(wired).await;
    sys.capability_delete(wired.into()).await?;
    let _ = sys.line_message(wired).await;
    // Where devices know no messages it goes on asking by its wire, and all that follows is the same.
    let without_wire = sys.ground().message_line(REGISTERS.start).await;
    let line = Word(without_wire.unwrap_or(alarm.line).into());
    let heard = sys.line_bind(line, one, Word(1)).await?;
    if without_wire.is_some() {
        let message = sys.ground().line_message(heard).await?;
        sys.ground().ask_by(REGISTERS.start, message).await;
    }
    asks(sys, one, heard).await?;
    sys.capability_delete(heard.into()).await?;
    // Nobody listens any more.
    starts(sys).await;
    let _ = sys.receive(one, after(sys, IN_VAIN).await?).await;
    stops(sys).await;
    let heard = sys.line_bind(line, one, Word(2)).await?;
    let _ = sys.receive(one, after(sys, IN_VAIN).await?).await;
    asks(sys, one, heard).await?;
    if without_wire.is_some() {
        sys.ground().ask_by(REGISTERS.start, DeviceMessage::default()).await;
    }
    sys.capability_delete(heard.into()).await?;
    sys.mapping_unmap(shown).await
}

/// Each time is told once, and one that comes before there was an answer is told after it.
async fn asks<G: Ground>(sys: &Recorder<'_, G>, one: EndpointHandle, heard: LineHandle) -> Result<(), Error> {
    for _ in 0..3 {
        starts(sys).await;
        sys.receive(one, Deadline::NEVER).await?;
        stops(sys).await;
        sys.line_done(heard, Word(1)).await?;
    }
    starts(sys).await;
    sys.receive(one, Deadline::NEVER).await?;
    stops(sys).await;
    starts(sys).await;
    let _ = sys.receive(one, after(sys, IN_VAIN).await?).await;
    sys.line_done(heard, Word(1)).await?;
    sys.receive(one, Deadline::NEVER).await?;
    stops(sys).await;
    sys.line_done(heard, Word(1)).await
}
