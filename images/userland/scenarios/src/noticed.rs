//! Who hears of what, for how long a name is good, and what is said of a process that has ended.

use coldframe_abi::{
    Calls, CapabilityRights, Deadline, EndpointHandle, Error, ExitCode, Instant, Nanos, ObjectHandle,
    PageRights, UserAddress, UserRange, Word,
};

use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const PAGES: UserRange = UserRange { start: UserAddress(0x2d_1000_0000), length: 2 * PAGE };

const fn page(number: u64) -> UserRange {
    UserRange { start: UserAddress(PAGES.start.0 + number * PAGE), length: PAGE }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    let all = async {
        last_mappings(sys).await?;
        sets(sys).await?;
        limits(sys).await?;
        ends(sys).await
    };
    u64::from(all.await.is_err())
}

/// Soon, and not before whoever tells of it has had the CPU.
async fn soon<G: Ground>(sys: &Recorder<'_, G>) -> Deadline {
    // Not recorded: what time it is differs.
    let now = sys.ground().clock().await.unwrap_or_default();
    Deadline::at(now.after(Nanos::from_millis(500)))
}

async fn last_mappings<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let object = sys.object_create(Word(PAGE)).await?;
    let endpoint = sys.endpoint_create().await?;
    // Nothing is mapped: that is told at once.
    sys.object_notify(object, endpoint, Word(1)).await?;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let one = sys.object_map(object, Word(0), page(0), PageRights::ReadWrite).await?;
    let other = sys.object_map(object, Word(0), page(1), PageRights::Read).await?;
    sys.object_notify(object, endpoint, Word(2)).await?;
    sys.mapping_unmap(one).await?;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    sys.mapping_unmap(other).await?;
    let _ = sys.receive(endpoint, soon(sys).await).await;
    // Once: the next time is for whoever asks again.
    let one = sys.object_map(object, Word(0), page(0), PageRights::ReadWrite).await?;
    sys.mapping_unmap(one).await?;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    // An object that goes takes its mappings along.
    sys.object_map(object, Word(0), page(0), PageRights::ReadWrite).await?;
    sys.object_notify(object, endpoint, Word(4)).await?;
    let blind = sys.capability_copy(object.into(), CapabilityRights::READ, Word(0)).await?;
    let _ = sys.object_notify(ObjectHandle::from_word(blind.to_word()), endpoint, Word(1)).await;
    let mute = sys.capability_copy(endpoint.into(), CapabilityRights::READ, Word(0)).await?;
    let _ = sys.object_notify(object, EndpointHandle::from_word(mute.to_word()), Word(1)).await;
    sys.object_destroy(object).await?;
    let _ = sys.receive(endpoint, soon(sys).await).await;
    let _ = sys.object_notify(object, endpoint, Word(1)).await;
    Ok(())
}

async fn sets<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let (one, set) = (sys.endpoint_create().await?, sys.endpoint_create().await?);
    let _ = sys.endpoint_leave(one).await;
    sys.endpoint_join(one, set).await?;
    sys.signal(one, Word(1)).await?;
    sys.endpoint_leave(one).await?;
    let _ = sys.endpoint_leave(one).await;
    // What has come to the set stays there; what comes now is the endpoint's own.
    sys.signal(one, Word(2)).await?;
    let _ = sys.receive(set, Deadline::NOW).await;
    let _ = sys.receive(one, Deadline::NOW).await;
    sys.endpoint_join(one, set).await
}

async fn limits<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let endpoint = sys.endpoint_create().await?;
    let rights = CapabilityRights::SIGNAL.and(CapabilityRights::INSPECT).and(CapabilityRights::COPY);
    let name = sys.capability_copy(endpoint.into(), rights, Word(0)).await?;
    let _ = sys.capability_limit(endpoint.into(), Word(1), Deadline::NEVER).await;
    sys.capability_limit(name, Word(3), Deadline::NEVER).await?;
    let twice = EndpointHandle::from_word(name.to_word());
    sys.signal(twice, Word(1)).await?;
    // What is refused has used nothing; a copy takes along what is left.
    let _ = sys.receive(twice, Deadline::NOW).await;
    sys.capability_limit(name, Word(9), Deadline::NEVER).await?;
    let copy = sys.capability_copy(name, rights, Word(0)).await?;
    let copied = EndpointHandle::from_word(copy.to_word());
    let _ = sys.signal(twice, Word(2)).await;
    for bit in [4, 8, 16] {
        let _ = sys.signal(copied, Word(bit)).await;
    }
    for name in [name, copy] {
        let _ = sys.capability_inspect(name).await;
    }
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    // One that has run out, and one that has not.
    for until in [Instant(1), Instant(u64::MAX - 1)] {
        let name = sys.capability_copy(endpoint.into(), rights, Word(0)).await?;
        sys.capability_limit(name, Word(0), Deadline::at(until)).await?;
        let _ = sys.signal(EndpointHandle::from_word(name.to_word()), Word(1)).await;
        let _ = sys.capability_copy(name, rights, Word(0)).await;
        let _ = sys.capability_inspect(name).await;
    }
    Ok(())
}

async fn ends<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let process = sys.process_create(Word(20)).await?;
    let _ = sys.process_reason(process).await;
    let _ = sys.process_time(process).await;
    sys.process_kill(process, ExitCode(9)).await?;
    sys.process_wait(process, Deadline::NEVER).await?;
    let _ = sys.process_reason(process).await;
    sys.capability_delete(process.into()).await?;
    let _ = sys.process_time(process).await;
    let _ = sys.process_reason(process).await;
    Ok(())
}
