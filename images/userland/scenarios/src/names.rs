use coldframe_abi::{
    Authority, Calls, CapabilityHandle, CapabilityKind, CapabilityRights, Deadline, Error, ObjectHandle,
    PageRights, Priority, Reach, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::start;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const BASE: u64 = 0x20_0000_0000;
const LOOK: CapabilityRights = CapabilityRights::INSPECT;
const LOOK_AND_COPY: CapabilityRights = LOOK.and(CapabilityRights::COPY);

const fn page(number: u64) -> UserRange {
    UserRange { start: UserAddress(BASE + number * PAGE), length: PAGE }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        rights(sys).await;
        badges(sys).await;
        ends(sys).await;
        memory(sys).await;
        authorities(sys).await;
    }
    u64::from(role)
}

/// The same name, for calls that take a name of one kind only.
fn thread(handle: CapabilityHandle) -> ThreadHandle {
    ThreadHandle::from_word(handle.to_word())
}

fn object(handle: CapabilityHandle) -> ObjectHandle {
    ObjectHandle::from_word(handle.to_word())
}

async fn rights<G: Ground>(sys: &Recorder<'_, G>) {
    let Ok(me) = sys.thread_self().await else { return };
    let _ = sys.capability_inspect(me.into()).await;
    let Ok(weaker) = sys.capability_copy(me.into(), LOOK_AND_COPY, Word(0)).await else { return };
    let _ = sys.capability_inspect(weaker).await;
    let _ = sys.cpu_time(thread(weaker)).await;
    let _ = sys.set_priority(thread(weaker), Priority(3)).await;
    let _ = sys.set_priority(me, Priority(128)).await;
    let _ = sys.capability_copy(weaker, LOOK_AND_COPY.and(CapabilityRights::MANAGE), Word(0)).await;
    let Ok(weakest) = sys.capability_copy(weaker, LOOK, Word(0)).await else { return };
    let _ = sys.capability_copy(weakest, LOOK, Word(0)).await;
    let _ = sys.capability_same(me.into(), weakest).await;
    // What a name is derived from can go: it stays, and is revoked by whoever is above.
    let _ = sys.capability_delete(weaker).await;
    let _ = sys.capability_delete(weaker).await;
    let _ = sys.cpu_time(thread(weakest)).await;
    let _ = sys.capability_revoke(me.into()).await;
    let _ = sys.cpu_time(thread(weakest)).await;
    let _ = sys.capability_revoke(me.into()).await;
    let _ = sys.capability_inspect(CapabilityHandle::from_word(u64::MAX)).await;
}

async fn badges<G: Ground>(sys: &Recorder<'_, G>) {
    let Ok(group) = sys.group_create().await else { return };
    let Ok(badged) = sys.capability_copy(group.into(), LOOK_AND_COPY, Word(7)).await else { return };
    let _ = sys.capability_copy(badged, LOOK, Word(8)).await;
    let _ = sys.capability_copy(badged, LOOK, Word(0)).await;
    let _ = sys.capability_copy(badged, LOOK, Word(7)).await;
    let Ok(me) = sys.thread_self().await else { return };
    let _ = sys.set_group(me, coldframe_abi::GroupHandle::from_word(badged.to_word())).await;
    let _ = sys.set_group(thread(badged), group).await;
    let _ = sys.capability_same(group.into(), me.into()).await;
    let _ = sys.capability_revoke(group.into()).await;
}

async fn ends<G: Ground>(sys: &Recorder<'_, G>) {
    let Ok(other) = start(sys, 1, 1).await else { return };
    let Ok(copy) = sys.capability_copy(other.into(), LOOK, Word(0)).await else { return };
    let _ = sys.thread_join(thread(copy), Deadline::NEVER).await;
    // The name that came with the thread has gone with it; the copy is there, and names nothing.
    let _ = sys.capability_inspect(other.into()).await;
    let _ = sys.capability_inspect(copy).await;
    let _ = sys.thread_join(thread(copy), Deadline::NOW).await;
    let _ = sys.capability_delete(copy).await;
}

async fn memory<G: Ground>(sys: &Recorder<'_, G>) {
    let before = sys.memory_use().await.unwrap_or_default();
    let Ok(whole) = sys.object_create(Word(2 * PAGE)).await else { return };
    let reads = LOOK_AND_COPY.and(CapabilityRights::READ);
    let Ok(reader) = sys.capability_copy(whole.into(), reads, Word(0)).await else { return };
    let _ = sys.object_map(whole, Word(0), page(0), PageRights::ReadWrite).await;
    let _ = sys.object_map(object(reader), Word(0), page(1), PageRights::ReadWrite).await;
    let _ = sys.object_map(object(reader), Word(0), page(1), PageRights::ReadExecute).await;
    let _ = sys.object_map(object(reader), Word(0), page(1), PageRights::Read).await;
    let Ok(second) = sys.capability_copy(reader, reads, Word(0)).await else { return };
    let _ = sys.object_map(object(second), Word(0), page(2), PageRights::Read).await;
    sys.ground().store(UserAddress(BASE), 23).await;
    for number in 1..3 {
        let found = sys.ground().load(UserAddress(BASE + number * PAGE)).await;
        sys.note(if found == 23 { "as it should be" } else { "something else is there" }).await;
    }
    let _ = sys.object_destroy(object(reader)).await;
    let _ = sys.capability_revoke(reader).await;
    for number in 0..3 {
        let _ = sys.memory_query(UserAddress(BASE + number * PAGE)).await;
    }
    let _ = sys.capability_inspect(second).await;
    let _ = sys.capability_revoke(whole.into()).await;
    let _ = sys.memory_query(UserAddress(BASE)).await;
    let _ = sys.capability_inspect(reader).await;
    // The last name, and nothing shows it: it goes.
    let _ = sys.capability_delete(whole.into()).await;
    let _ = sys.object_map(whole, Word(0), page(0), PageRights::Read).await;
    let after = sys.memory_use().await.unwrap_or_default();
    sys.note(if after == before { "every page came back" } else { "pages are missing" }).await;
}

/// Where in the program's table an authority is. Which other names are there depends on what was played before.
pub(crate) async fn found<G: Ground>(
    sys: &Recorder<'_, G>,
    authority: Authority,
) -> Option<CapabilityHandle> {
    let mut at = CapabilityHandle::from_word(0);
    loop {
        at = sys.ground().capability_next(at).await.ok().filter(|next| next.to_word() != 0)?;
        let state = sys.ground().capability_inspect(at).await.ok()?;
        let usable = CapabilityRights::MANAGE.and(CapabilityRights::COPY).within(state.rights);
        if state.kind == CapabilityKind::Authority && state.authority == authority && usable {
            return Some(at);
        }
    }
}

/// An authority is exchanged for one over less.
pub(crate) async fn narrowed<G: Ground>(
    sys: &Recorder<'_, G>,
    authority: Authority,
    reach: Reach,
) -> Result<(), Error> {
    const USE: CapabilityRights =
        CapabilityRights::INSPECT.and(CapabilityRights::MANAGE).and(CapabilityRights::COPY);
    let all = found(sys, authority).await.ok_or(Error::BadHandle)?;
    let less = sys.capability_copy(all, USE, Word(reach.to_word())).await?;
    sys.capability_delete(all).await?;
    // Of its kind the next that comes stands.
    sys.capability_copy(less, USE, Word(reach.to_word())).await?;
    sys.capability_delete(less).await
}

async fn authorities<G: Ground>(sys: &Recorder<'_, G>) {
    const USE: CapabilityRights = LOOK_AND_COPY.and(CapabilityRights::MANAGE);
    let levels = |end: u32| Word(Reach { start: 0, end }.to_word());
    let Ok(me) = sys.thread_self().await else { return };
    let Some(all) = found(sys, Authority::Urgency).await else { return };
    let _ = sys.capability_inspect(all).await;
    let Ok(spare) = sys.capability_copy(all, USE, Word(0)).await else { return };
    let Ok(low) = sys.capability_copy(all, USE, levels(400)).await else { return };
    let _ = sys.capability_copy(low, USE, levels(401)).await;
    let _ = sys.capability_copy(low, USE, levels(0)).await;
    // To become less urgent takes nothing; to come back does, and of what it has none stands.
    let _ = sys.set_priority(me, Priority(100)).await;
    let _ = sys.capability_delete(all).await;
    let _ = sys.set_priority(me, Priority(128)).await;
    let Ok(lower) = sys.capability_copy(low, USE, levels(256 + 121)).await else { return };
    let _ = sys.set_priority(me, Priority(128)).await;
    let _ = sys.set_priority(me, Priority(120)).await;
    let _ = sys.capability_revoke(low).await;
    let _ = sys.capability_inspect(lower).await;
    let _ = sys.capability_copy(spare, USE, Word(0)).await;
    let _ = sys.set_priority(me, Priority(128)).await;
    let _ = sys.capability_delete(low).await;
    let _ = sys.capability_delete(spare).await;
}
