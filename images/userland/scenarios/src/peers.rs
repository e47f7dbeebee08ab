use coldframe_abi::{
    Calls, CapabilityRights, Deadline, EndpointHandle, Error, Message, PageRights, Priority, ThreadHandle,
    UserAddress, UserRange, Word,
};

use crate::threads::{cornered, start};
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const WORDS: UserRange = UserRange { start: UserAddress(0x21_0000_0000), length: 4_096 };
/// Where the first thread leaves the name of an endpoint for the others.
const NAME: UserAddress = WORDS.start;

const SERVER: u8 = 1;
const SENDER: u8 = 2;
const DESERTER: u8 = 3;
const LISTENER: u8 = 4;
const CALLER: u8 = 5;
const ECHO: u8 = 6;
/// How often the echo is called.
const ROUNDS: u64 = 60;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return first(sys).await;
    }
    let endpoint = EndpointHandle::from_word(sys.ground().load(NAME).await);
    let seat = u64::from(sys.part().seat);
    match role {
        SERVER => serve(sys, endpoint).await,
        SENDER => {
            let _ = sys.send(endpoint, Deadline::NEVER, Message::new(seat, [10, 20, 30, 40])).await;
        }
        ECHO => echo(sys, endpoint).await,
        DESERTER => {
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
        LISTENER => {
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
        _ => {
            let _ = sys.call(endpoint, Deadline::NEVER, Message::new(seat, [1, 0, 0, 0])).await;
        }
    }
    seat
}

/// Answers each call with its words in the other order, until one has no label.
async fn serve<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    let mut next = sys.receive(endpoint, Deadline::NEVER).await;
    while let Ok((badge, mut message)) = next {
        message.words.reverse();
        message.words[1] = badge.0;
        if message.label == 0 {
            let _ = sys.reply(message).await;
            // A reply is given once.
            let _ = sys.reply(message).await;
            return;
        }
        next = sys.reply_receive(endpoint, Deadline::NEVER, message).await;
    }
}

/// Answers each call with what it says, as fast as the ground can.
async fn echo<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    let ground = sys.ground();
    let mut next = ground.receive(endpoint, Deadline::NEVER).await;
    while let Ok((_, message)) = next {
        if message.label == 0 {
            let _ = ground.reply(message).await;
            return;
        }
        next = ground.reply_receive(endpoint, Deadline::NEVER, message).await;
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    let _ = sys.set_affinity(me, Word(0), Word(1)).await;
    let _ = sys.memory_reserve(WORDS, PageRights::ReadWrite).await;
    let Ok(endpoint) = sys.endpoint_create().await else { return 2 };
    sys.ground().store(NAME, endpoint.to_word()).await;
    is_refused(sys, endpoint).await;
    is_served(sys, me, endpoint).await;
    is_in_order(sys, me, endpoint).await;
    owes(sys, me, endpoint).await;
    is_deserted(sys, me, endpoint).await;
    is_cancelled(sys, me).await;
    is_echoed(sys, me, endpoint).await;
    is_left_alone(sys, me, endpoint).await;
    0
}

/// Calls from wherever it runs to wherever the other one does: no word is lost, whichever way they go.
async fn is_echoed<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let _ = sys.set_affinity(me, Word(0), Word(u64::MAX)).await;
    let Ok(thread) = start(sys, ECHO, 1).await else { return };
    let mut answered = 0;
    for round in 1..=ROUNDS {
        let message =
            Message { label: round, words: core::array::from_fn(|at| round << at), ..Message::default() };
        let reply = sys.ground().call(endpoint, Deadline::NEVER, message).await;
        answered += u64::from(reply == Ok(((), message)));
    }
    sys.note(if answered == ROUNDS { "every call came back" } else { "calls were lost" }).await;
    let _ = sys.call(endpoint, Deadline::NEVER, Message::new(0, [0; 4])).await;
    let _ = sys.thread_join(thread, Deadline::NEVER).await;
    let _ = sys.set_affinity(me, Word(0), Word(1)).await;
}

async fn is_refused<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    let message = Message::new(1, [2, 3, 4, 5]);
    let _ = sys.send(endpoint, Deadline::NOW, message).await;
    let _ = sys.call(endpoint, Deadline::NOW, message).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let _ = sys.reply(message).await;
    let nobody = EndpointHandle::from_word(u64::MAX);
    let _ = sys.send(nobody, Deadline::NEVER, message).await;
    let _ = sys.reply_receive(nobody, Deadline::NEVER, message).await;
    for rights in [CapabilityRights::READ, CapabilityRights::WRITE] {
        let Ok(copy) = sys.capability_copy(endpoint.into(), rights, Word(0)).await else { return };
        let copy = EndpointHandle::from_word(copy.to_word());
        let _ = sys.send(copy, Deadline::NOW, message).await;
        let _ = sys.receive(copy, Deadline::NOW).await;
    }
    let _ = sys.capability_revoke(endpoint.into()).await;
    let now = sys.ground().clock().await.unwrap_or_default();
    let soon = Deadline(now.0 + 1_000_000);
    let in_time = sys.ground().call(endpoint, soon, message).await;
    sys.note(if in_time == Err(Error::TimedOut) { "its time is up" } else { "somebody came" }).await;
}

async fn is_served<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(server) = cornered(sys, me, SERVER, 1).await else { return };
    let whole = Message { label: 9, words: [1, 2, 3, 4, 5, 6, 7], ..Message::default() };
    let _ = sys.call(endpoint, Deadline::NEVER, whole).await;
    let writes = CapabilityRights::WRITE.and(CapabilityRights::COPY);
    let Ok(badged) = sys.capability_copy(endpoint.into(), writes, Word(77)).await else { return };
    let badged = EndpointHandle::from_word(badged.to_word());
    let _ = sys.call(badged, Deadline::NEVER, Message::new(8, [0, 0, 0, 1])).await;
    // What needs no reply is received as well.
    let _ = sys.send(badged, Deadline::NEVER, Message::new(7, [0; 4])).await;
    let _ = sys.call(badged, Deadline::NEVER, Message::new(0, [0; 4])).await;
    let _ = sys.thread_join(server, Deadline::NEVER).await;
    let _ = sys.capability_delete(badged.into()).await;
}

/// The most urgent sender first, then whoever came first.
async fn is_in_order<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let mut threads = [None; 3];
    for (seat, thread) in (1..).zip(&mut threads) {
        *thread = cornered(sys, me, SENDER, seat).await;
    }
    let [Some(first), Some(second), Some(urgent)] = threads else { return };
    let _ = sys.set_priority(urgent, Priority(200)).await;
    for thread in [urgent, first, second] {
        let _ = sys.receive(endpoint, Deadline::NEVER).await;
        let _ = sys.thread_join(thread, Deadline::NEVER).await;
    }
}

/// Who has received a call replies before it receives the next one.
async fn owes<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(one) = cornered(sys, me, CALLER, 1).await else { return };
    let Some(other) = cornered(sys, me, CALLER, 2).await else { return };
    let _ = sys.receive(endpoint, Deadline::NEVER).await;
    let _ = sys.receive(endpoint, Deadline::NEVER).await;
    let _ = sys.reply_receive(endpoint, Deadline::NEVER, Message::new(11, [0; 4])).await;
    // One that does not wait any more.
    let _ = sys.cancel(other).await;
    let _ = sys.reply(Message::new(12, [0; 4])).await;
    let _ = sys.thread_join(one, Deadline::NEVER).await;
    let _ = sys.thread_join(other, Deadline::NEVER).await;
}

/// Whoever has received the call ends without a reply.
async fn is_deserted<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(thread) = cornered(sys, me, DESERTER, 1).await else { return };
    let _ = sys.call(endpoint, Deadline::NEVER, Message::new(1, [0; 4])).await;
    let _ = sys.thread_join(thread, Deadline::NEVER).await;
}

async fn is_cancelled<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let Some(thread) = cornered(sys, me, LISTENER, 1).await else { return };
    let _ = sys.cancel(me).await;
    let _ = sys.cancel(thread).await;
    let _ = sys.thread_join(thread, Deadline::NEVER).await;
    let _ = sys.cancel(thread).await;
}

/// The last name goes by which somebody could come.
async fn is_left_alone<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Ok(sends) = sys.capability_copy(endpoint.into(), CapabilityRights::WRITE, Word(0)).await else {
        return;
    };
    let Ok(receives) = sys.capability_copy(endpoint.into(), CapabilityRights::READ, Word(0)).await else {
        return;
    };
    sys.ground().store(NAME, sends.to_word()).await;
    let Some(sender) = cornered(sys, me, SENDER, 1).await else { return };
    let _ = sys.capability_delete(endpoint.into()).await;
    let _ = sys.capability_delete(receives).await;
    let _ = sys.thread_join(sender, Deadline::NEVER).await;
    let alone = EndpointHandle::from_word(sends.to_word());
    let _ = sys.send(alone, Deadline::NEVER, Message::new(1, [0; 4])).await;
    let _ = sys.capability_delete(sends).await;
    let Ok(endpoint) = sys.endpoint_create().await else { return };
    let Ok(reads) = sys.capability_copy(endpoint.into(), CapabilityRights::READ, Word(0)).await else {
        return;
    };
    sys.ground().store(NAME, reads.to_word()).await;
    let Some(listener) = cornered(sys, me, LISTENER, 2).await else { return };
    let _ = sys.capability_delete(endpoint.into()).await;
    let _ = sys.thread_join(listener, Deadline::NEVER).await;
    let _ = sys.receive(EndpointHandle::from_word(reads.to_word()), Deadline::NEVER).await;
}
