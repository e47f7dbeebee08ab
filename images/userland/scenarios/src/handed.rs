use coldframe_abi::{
    Calls, CapabilityHandle, CapabilityRights, Carries, Deadline, EndpointHandle, Message, ObjectHandle,
    PageRights, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const NAME: UserRange = UserRange { start: UserAddress(0x23_0000_0000), length: PAGE };
const SHOWN: UserRange = UserRange { start: UserAddress(0x23_0010_0000), length: PAGE };

const SHARER: u8 = 1;
const MISER: u8 = 2;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return first(sys).await;
    }
    let endpoint = EndpointHandle::from_word(sys.ground().load(NAME.start).await);
    match role {
        SHARER => share(sys, endpoint).await,
        // It takes no capabilities.
        _ => {
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
    }
    u64::from(sys.part().seat)
}

/// Looks at what comes, and hands a memory object back for each call, until one has no label.
async fn share<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    let _ = sys.accept(Word(4)).await;
    let mut next = sys.receive(endpoint, Deadline::NEVER).await;
    while let Ok((_, message)) = next {
        for word in &message.words[..message.carries.count()] {
            let name = CapabilityHandle::from_word(*word);
            let _ = sys.capability_inspect(name).await;
            let _ = sys.capability_delete(name).await;
        }
        if message.label == 0 {
            let _ = sys.reply(Message::new(0, [0; 4])).await;
            return;
        }
        let Ok(object) = sys.object_create(Word(PAGE)).await else { return };
        let reply = Message::new(message.label, [object.to_word(), 5, 0, 0]).carrying(Carries::new(1, 1));
        next = sys.reply_receive(endpoint, Deadline::NEVER, reply).await;
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    let _ = sys.set_affinity(me, Word(0), Word(1)).await;
    let _ = sys.memory_reserve(NAME, PageRights::ReadWrite).await;
    let Ok(endpoint) = sys.endpoint_create().await else { return 2 };
    sys.ground().store(NAME.start, endpoint.to_word()).await;
    let _ = sys.accept(Word(5)).await;
    let _ = sys.accept(Word(1)).await;
    is_shared(sys, me, endpoint).await;
    is_refused(sys, me, endpoint).await;
    0
}

async fn is_shared<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(sharer) = cornered(sys, me, SHARER, 1).await else { return };
    let rights = CapabilityRights::SIGNAL.and(CapabilityRights::COPY);
    let Ok(copy) = sys.capability_copy(endpoint.into(), rights, Word(3)).await else { return };
    let Ok(own) = sys.capability_copy(endpoint.into(), CapabilityRights::WRITE, Word(4)).await else {
        return;
    };
    // One is copied and one moved; the first is still there afterwards.
    let both = Message::new(1, [copy.to_word(), own.to_word(), 9, 0]).carrying(Carries::new(2, 2));
    let reply = sys.call(endpoint, Deadline::NEVER, both).await;
    let _ = sys.capability_inspect(copy).await;
    let _ = sys.capability_inspect(own).await;
    if let Ok((_, reply)) = reply {
        let object = ObjectHandle::from_word(reply.words[0]);
        let _ = sys.object_map(object, Word(0), SHOWN, PageRights::ReadWrite).await;
        sys.ground().store(SHOWN.start, 11).await;
        let found = sys.ground().load(SHOWN.start).await;
        sys.note(if found == 11 { "what came can be used" } else { "what came is of no use" }).await;
        let _ = sys.object_destroy(object).await;
    }
    // What was copied goes with what it was copied from.
    let _ = sys.capability_revoke(endpoint.into()).await;
    let _ = sys.capability_inspect(copy).await;
    let _ = sys.call(endpoint, Deadline::NEVER, Message::new(0, [0; 4])).await;
    let _ = sys.thread_join(sharer, Deadline::NEVER).await;
}

/// What cannot go along whole does not go at all, and is still with the sender.
async fn is_refused<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let one = |word: u64, moved: u8| Message::new(1, [word, 0, 0, 0]).carrying(Carries::new(1, moved));
    let Some(miser) = cornered(sys, me, MISER, 2).await else { return };
    let Ok(object) = sys.object_create(Word(PAGE)).await else { return };
    let _ = sys.send(endpoint, Deadline::NEVER, one(object.to_word(), 1)).await;
    let _ = sys.capability_inspect(object.into()).await;
    let _ = sys.send(endpoint, Deadline::NEVER, one(u64::MAX, 0)).await;
    let many = Message::new(1, [object.to_word(); 4]);
    let _ = sys.send(endpoint, Deadline::NEVER, many.carrying(Carries::new(5, 0))).await;
    let twice = Message::new(1, [object.to_word(), object.to_word(), 0, 0]);
    let _ = sys.send(endpoint, Deadline::NEVER, twice.carrying(Carries::new(2, 1))).await;
    let Ok(fixed) = sys.capability_copy(object.into(), CapabilityRights::READ, Word(0)).await else { return };
    let _ = sys.send(endpoint, Deadline::NEVER, one(fixed.to_word(), 0)).await;
    let Ok(mapping) = sys.object_map(object, Word(0), SHOWN, PageRights::Read).await else { return };
    let _ = sys.send(endpoint, Deadline::NEVER, one(mapping.to_word(), 1)).await;
    let _ = sys.object_destroy(object).await;
    let _ = sys.send(endpoint, Deadline::NEVER, one(object.to_word(), 0)).await;
    let _ = sys.send(endpoint, Deadline::NEVER, Message::new(2, [6, 0, 0, 0])).await;
    let _ = sys.thread_join(miser, Deadline::NEVER).await;
}
