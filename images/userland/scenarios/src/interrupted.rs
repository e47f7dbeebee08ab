use coldframe_abi::{
    Calls, Deadline, EndpointHandle, Error, Nanos, PageRights, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::cornered;
use crate::{CALLED, Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where the first thread leaves the name of an endpoint for the other one.
const NAME: UserAddress = UserAddress(CALLED.0 + 64);
const SOON: Nanos = Nanos::from_millis(20);
/// Whose stack the handler has.
const HANDLER_SEAT: u8 = 9;
const PATTERN: u64 = 0x0123_4567_89ab_cdef;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return u64::from(first(sys).await.is_err());
    }
    let endpoint = EndpointHandle::from_word(sys.ground().load(NAME).await);
    let _ = sys.receive(endpoint, Deadline::NEVER).await;
    u64::from(role)
}

/// Says by which signals the handler has been called, and how often, since this was asked last.
async fn says<G: Ground>(sys: &Recorder<'_, G>, expected: (u64, u64)) {
    let bits = sys.ground().load(CALLED).await;
    let times = sys.ground().load(UserAddress(CALLED.0 + 8)).await;
    sys.note(if (bits, times) == expected { "the handler was called as it should be" } else { "it was not" })
        .await;
    sys.ground().store(CALLED, 0).await;
    sys.ground().store(UserAddress(CALLED.0 + 8), 0).await;
}

async fn rings_soon<G: Ground>(
    sys: &Recorder<'_, G>,
    endpoint: EndpointHandle,
    bits: u64,
) -> Result<(), Error> {
    let at = sys.ground().clock().await?.after(SOON);
    sys.alarm(endpoint, Word(bits), Deadline::at(at)).await
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    sys.memory_reserve(UserRange { start: CALLED, length: PAGE }, PageRights::ReadWrite).await?;
    let (handler, stack) = (sys.ground().upcall_handler(), sys.ground().stack(HANDLER_SEAT));
    let endpoint = sys.endpoint_create().await?;
    let _ = sys.upcall_end().await;
    let _ = sys.upcall(endpoint, UserAddress(u64::MAX), stack).await;
    sys.signal(endpoint, Word(1)).await?;
    // What is there already comes at once.
    sys.upcall(endpoint, handler, stack).await?;
    says(sys, (1, 1)).await;
    sys.signal(endpoint, Word(6)).await?;
    says(sys, (6, 1)).await;
    keeps_registers(sys, endpoint).await?;
    let other = sys.endpoint_create().await?;
    rings_soon(sys, endpoint, 4).await?;
    let _ = sys.receive(other, Deadline::NEVER).await;
    says(sys, (4, 1)).await;
    is_deferred(sys, me, endpoint).await?;
    sys.upcall(endpoint, UserAddress(0), UserAddress(0)).await?;
    sys.signal(endpoint, Word(16)).await?;
    says(sys, (0, 0)).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    Ok(())
}

/// A thread that computes finds all registers as they were.
async fn keeps_registers<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    rings_soon(sys, endpoint, 2).await?;
    let mut kept = true;
    while sys.ground().load(CALLED).await == 0 {
        kept &= sys.ground().hold_registers(PATTERN, 4).await;
    }
    sys.note(if kept { "no register was lost" } else { "a register was lost" }).await;
    says(sys, (2, 1)).await;
    Ok(())
}

/// Another thread that receives takes the signals over.
async fn is_deferred<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    endpoint: EndpointHandle,
) -> Result<(), Error> {
    sys.set_affinity(me, Word(0), Word(1)).await?;
    sys.ground().store(NAME, endpoint.to_word()).await;
    let Some(other) = cornered(sys, me, 1, 1).await else { return Ok(()) };
    sys.signal(endpoint, Word(8)).await?;
    sys.thread_join(other, Deadline::NEVER).await?;
    says(sys, (0, 0)).await;
    sys.set_affinity(me, Word(0), Word(u64::MAX)).await
}
