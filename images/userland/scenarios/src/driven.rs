use coldframe_abi::{
    Authority, Calls, Deadline, EndpointHandle, Error, LineHandle, Nanos, PageRights, UserAddress, UserRange,
    Word,
};

use crate::names::found;
use crate::{Ground, Recorder};

pub(crate) const PAGE: u64 = 4_096;
/// Where no ground has put anything.
pub(crate) const REGISTERS: UserRange = UserRange { start: UserAddress(0x2e_0000_0000), length: PAGE };
/// How long something is waited for that does not come.
pub(crate) const IN_VAIN: Nanos = Nanos::from_millis(20);
/// What takes longer than a driver may.
const TOO_LONG: Nanos = Nanos::from_millis(400);

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let alarm = sys.ground().alarm();
    let line = Word(alarm.line.into());
    let one = sys.endpoint_create().await?;
    let _ = sys.line_bind(Word(1 << 32), one, Word(1)).await;
    let _ = sys.object_physical(Word(alarm.page + 8), Word(PAGE)).await;
    let _ = sys.object_physical(Word(alarm.page), Word(0)).await;
    let _ = sys.object_physical(Word(sys.ground().some_ram()), Word(PAGE)).await;
    let registers = sys.object_physical(Word(alarm.page), Word(PAGE)).await?;
    sys.object_map(registers, Word(0), REGISTERS, PageRights::ReadWrite).await?;
    let heard = sys.line_bind(line, one, Word(1)).await?;
    alone(sys, one, heard).await?;
    let other = sys.endpoint_create().await?;
    let shared = sys.line_bind(line, other, Word(2)).await?;
    with_another(sys, (one, heard), (other, shared)).await?;
    too_slow(sys, (one, heard), shared).await?;
    by_authority(sys, line, one).await
}

pub(crate) async fn starts<G: Ground>(sys: &Recorder<'_, G>) {
    sys.ground().start_alarm(REGISTERS.start).await;
}

pub(crate) async fn stops<G: Ground>(sys: &Recorder<'_, G>) {
    let had_asked = sys.ground().stop_alarm(REGISTERS.start).await;
    sys.note(if had_asked { "the device had asked" } else { "the device had not asked" }).await;
}

pub(crate) async fn after<G: Ground>(sys: &Recorder<'_, G>, span: Nanos) -> Result<Deadline, Error> {
    Ok(Deadline::at(sys.ground().clock().await?.after(span)))
}

/// An interrupt is told once, and the next one when it has been answered.
async fn alone<G: Ground>(
    sys: &Recorder<'_, G>,
    one: EndpointHandle,
    heard: LineHandle,
) -> Result<(), Error> {
    let _ = sys.line_done(heard, Word(1)).await;
    let _ = sys.receive(one, Deadline::NOW).await;
    for _ in 0..3 {
        starts(sys).await;
        sys.receive(one, Deadline::NEVER).await?;
        stops(sys).await;
        let _ = sys.line_done(heard, Word(2)).await;
        sys.line_done(heard, Word(1)).await?;
        let _ = sys.line_done(heard, Word(1)).await;
    }
    // What asks while nobody has answered is told later.
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

/// All who listen are told, and the line waits for each.
async fn with_another<G: Ground>(
    sys: &Recorder<'_, G>,
    (one, heard): (EndpointHandle, LineHandle),
    (other, shared): (EndpointHandle, LineHandle),
) -> Result<(), Error> {
    starts(sys).await;
    sys.receive(other, Deadline::NEVER).await?;
    sys.line_done(shared, Word(0)).await?;
    sys.receive(one, Deadline::NOW).await?;
    stops(sys).await;
    starts(sys).await;
    let _ = sys.receive(other, after(sys, IN_VAIN).await?).await;
    sys.line_done(heard, Word(1)).await?;
    sys.receive(other, Deadline::NEVER).await?;
    sys.line_done(shared, Word(0)).await?;
    sys.receive(one, Deadline::NEVER).await?;
    stops(sys).await;
    sys.line_done(heard, Word(1)).await
}

/// Who never answers is told of nothing any more, and holds up nobody.
async fn too_slow<G: Ground>(
    sys: &Recorder<'_, G>,
    (one, heard): (EndpointHandle, LineHandle),
    shared: LineHandle,
) -> Result<(), Error> {
    starts(sys).await;
    sys.receive(one, Deadline::NEVER).await?;
    stops(sys).await;
    sys.line_done(heard, Word(1)).await?;
    sys.ground().sleep(after(sys, TOO_LONG).await?).await?;
    let _ = sys.line_done(shared, Word(0)).await;
    starts(sys).await;
    sys.receive(one, Deadline::NEVER).await?;
    stops(sys).await;
    sys.line_done(heard, Word(1)).await?;
    sys.capability_delete(shared.into()).await?;
    sys.capability_delete(heard.into()).await
}

/// What was made by an authority goes with it.
async fn by_authority<G: Ground>(
    sys: &Recorder<'_, G>,
    line: Word,
    one: EndpointHandle,
) -> Result<(), Error> {
    let lines = found(sys, Authority::Lines).await.ok_or(Error::BadHandle)?;
    let heard = sys.line_bind(line, one, Word(1)).await?;
    sys.capability_revoke(lines).await?;
    let _ = sys.line_done(heard, Word(1)).await;
    starts(sys).await;
    let _ = sys.receive(one, after(sys, IN_VAIN).await?).await;
    stops(sys).await;
    let devices = found(sys, Authority::Devices).await.ok_or(Error::BadHandle)?;
    sys.capability_revoke(devices).await?;
    let state = sys.memory_query(REGISTERS.start).await;
    state.map(|_| ())
}
