use coldframe_abi::{
    Calls, Deadline, EndpointHandle, Error, Message, Nanos, PageRights, Priority, ThreadHandle, UserAddress,
    UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const WORDS: UserRange = UserRange { start: UserAddress(0x2b_0000_0000), length: 4_096 };
/// What the first thread and the others leave for each other, a word each.
const SERVER_NAME: UserAddress = WORDS.start;
const RELAY_NAME: UserAddress = UserAddress(WORDS.start.0 + 8);
const HAS_PASSED: UserAddress = UserAddress(WORDS.start.0 + 16);
const MAY_STOP: UserAddress = UserAddress(WORDS.start.0 + 24);
const HAS_STOPPED: UserAddress = UserAddress(WORDS.start.0 + 32);

const SERVER: u8 = 1;
const RELAY: u8 = 2;
const RIVAL: u8 = 3;

/// What a call asks for.
const ANSWER: u64 = 1;
const DAWDLE: u64 = 2;

/// How often the server lets others go first who are as urgent.
const YIELDS: u64 = 16;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => u64::from(first(sys).await.is_err()),
        SERVER => serve(sys).await,
        RELAY => relay(sys).await,
        _ => pass(sys).await,
    }
}

/// Answers calls, and if asked for, not before it is told to.
async fn serve<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let ground = sys.ground();
    let endpoint = EndpointHandle::from_word(ground.load(SERVER_NAME).await);
    let mut next = ground.receive(endpoint, Deadline::NEVER).await;
    while let Ok((_, message)) = next {
        for _ in 0..YIELDS {
            let _ = ground.yield_now().await;
        }
        if message.label == DAWDLE {
            while ground.load(MAY_STOP).await == 0 {
                let _ = ground.clock().await;
            }
            ground.store(HAS_STOPPED, 1).await;
            return u64::from(sys.reply(message).await.is_err());
        }
        next = ground.reply_receive(endpoint, Deadline::NEVER, message).await;
    }
    2
}

/// Answers one call with what the server says to it.
async fn relay<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let ground = sys.ground();
    let endpoint = EndpointHandle::from_word(ground.load(RELAY_NAME).await);
    let server = EndpointHandle::from_word(ground.load(SERVER_NAME).await);
    let Ok((_, message)) = sys.receive(endpoint, Deadline::NEVER).await else { return 1 };
    let Ok(((), answer)) = sys.call(server, Deadline::NEVER, message).await else { return 2 };
    u64::from(sys.reply(answer).await.is_err())
}

/// More urgent than the server, and less than the first thread: says whether it has got the CPU, and who was first.
async fn pass<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    let _ = sys.thread_suspend(me).await;
    sys.ground().store(HAS_PASSED, 1).await;
    sys.ground().load(HAS_STOPPED).await
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    // All threads have one CPU: who runs tells who is urgent.
    sys.set_affinity(me, Word(0), Word(1)).await?;
    sys.memory_reserve(WORDS, PageRights::ReadWrite).await?;
    let endpoint = sys.endpoint_create().await?;
    let relayed = sys.endpoint_create().await?;
    sys.ground().store(SERVER_NAME, endpoint.to_word()).await;
    sys.ground().store(RELAY_NAME, relayed.to_word()).await;
    let server = slow(sys, me, SERVER, 1).await?;

    overtakes(sys, me, endpoint).await?;
    let relay = slow(sys, me, RELAY, 3).await?;
    overtakes(sys, me, relayed).await?;
    sys.thread_join(relay, Deadline::NEVER).await?;
    is_given_back(sys, me, endpoint).await?;
    sys.thread_join(server, Deadline::NEVER).await?;
    Ok(())
}

/// A thread that waits for calls, and that everybody else here comes before.
async fn slow<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    role: u8,
    seat: u8,
) -> Result<ThreadHandle, Error> {
    let thread = cornered(sys, me, role, seat).await.ok_or(Error::NoMemory)?;
    sys.set_priority(thread, Priority(50)).await?;
    Ok(thread)
}

/// One that would run as soon as this thread waits, if nobody more urgent does.
async fn rival<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) -> Result<ThreadHandle, Error> {
    sys.ground().store(HAS_PASSED, 0).await;
    let rival = cornered(sys, me, RIVAL, 2).await.ok_or(Error::NoMemory)?;
    sys.set_priority(rival, Priority(100)).await?;
    sys.thread_resume(rival).await?;
    Ok(rival)
}

/// Whoever serves a call is as urgent as the caller, whatever it is by itself.
async fn overtakes<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    endpoint: EndpointHandle,
) -> Result<(), Error> {
    let rival = rival(sys, me).await?;
    sys.call(endpoint, Deadline::NEVER, Message::new(ANSWER, [7; 4])).await?;
    let passed = sys.ground().load(HAS_PASSED).await != 0;
    sys.note(if passed { "somebody less urgent came first" } else { "nobody came in between" }).await;
    sys.thread_join(rival, Deadline::NEVER).await?;
    Ok(())
}

/// Once the caller waits no longer, its server goes on for itself, when it is its turn.
async fn is_given_back<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    endpoint: EndpointHandle,
) -> Result<(), Error> {
    let soon = sys.ground().clock().await?.after(Nanos::from_millis(5));
    let _ = sys.call(endpoint, Deadline::at(soon), Message::new(DAWDLE, [8; 4])).await;
    let rival = rival(sys, me).await?;
    sys.ground().store(MAY_STOP, 1).await;
    let Word(has_stopped) = sys.thread_join(rival, Deadline::NEVER).await?;
    sys.note(if has_stopped == 0 { "its time is its own again" } else { "the server has kept it" }).await;
    Ok(())
}
