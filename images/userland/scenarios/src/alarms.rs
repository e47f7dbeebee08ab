use coldframe_abi::{Calls, CapabilityRights, Deadline, EndpointHandle, Error, Instant, Nanos, Word};

use crate::{Ground, Recorder};

/// When what rings is waited for, when what does not ring would, and until when that is waited for: far enough from each
/// other that a slow machine does not mix them up.
const SOON: Nanos = Nanos::from_millis(20);
const FAR: Nanos = Nanos::from_millis(300);
const LATER: Nanos = Nanos::from_millis(400);

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn after<G: Ground>(sys: &Recorder<'_, G>, span: Nanos) -> Result<Deadline, Error> {
    Ok(Deadline::at(sys.ground().clock().await?.after(span)))
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let endpoint = sys.endpoint_create().await?;
    in_time(sys, endpoint).await?;
    // What has been is at once; what has been taken back never is.
    sys.alarm(endpoint, Word(2), Deadline::at(Instant(1))).await?;
    sys.receive(endpoint, Deadline::NEVER).await?;
    sys.alarm(endpoint, Word(4), after(sys, FAR).await?).await?;
    sys.alarm(endpoint, Word(4), Deadline::NEVER).await?;
    let _ = sys.receive(endpoint, after(sys, LATER).await?).await;
    // One takes the place of the other.
    sys.alarm(endpoint, Word(16), after(sys, FAR).await?).await?;
    sys.alarm(endpoint, Word(32), after(sys, SOON).await?).await?;
    sys.receive(endpoint, Deadline::NEVER).await?;
    let _ = sys.receive(endpoint, after(sys, LATER).await?).await;
    by_a_name(sys, endpoint).await
}

/// Not before the moment, and whoever waits is woken by it.
async fn in_time<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    sys.alarm(endpoint, Word(1), after(sys, FAR).await?).await?;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let at = after(sys, SOON).await?;
    sys.alarm(endpoint, Word(1), at).await?;
    sys.receive(endpoint, Deadline::NEVER).await?;
    let late = sys.ground().clock().await?.0 >= at.0;
    sys.note(if late { "it has rung, and not before" } else { "it has rung too early" }).await;
    Ok(())
}

/// What the name allows, and for as long as that stands.
async fn by_a_name<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    let rights = CapabilityRights::SIGNAL.and(CapabilityRights::COPY);
    let badged = sys.capability_copy(endpoint.into(), rights, Word(3)).await?;
    let name = EndpointHandle::from_word(badged.to_word());
    let _ = sys.alarm(name, Word(4), after(sys, SOON).await?).await;
    let blind = sys.capability_copy(endpoint.into(), CapabilityRights::WRITE, Word(0)).await?;
    let _ = sys.alarm(EndpointHandle::from_word(blind.to_word()), Word(1), after(sys, SOON).await?).await;
    sys.alarm(name, Word(3), after(sys, FAR).await?).await?;
    sys.capability_delete(badged).await?;
    let _ = sys.receive(endpoint, after(sys, LATER).await?).await;
    let _ = sys.alarm(name, Word(3), Deadline::NEVER).await;
    Ok(())
}
