use coldframe_abi::{
    Calls, CapabilityRights, Carries, Deadline, EndpointHandle, Error, Message, Nanos, PageRights,
    ReplyHandle, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const WORDS: UserRange = UserRange { start: UserAddress(0x2c_0000_0000), length: 4_096 };
/// Where the first thread leaves the names of endpoints for the others.
const FRONT: UserAddress = WORDS.start;
const BACK: UserAddress = UserAddress(WORDS.start.0 + 8);

const CALLER: u8 = 1;
const HURRIED: u8 = 2;
const BACKSTAGE: u8 = 3;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return u64::from(first(sys).await.is_err());
    }
    let seat = u64::from(sys.part().seat);
    let front = EndpointHandle::from_word(sys.ground().load(FRONT).await);
    match role {
        CALLER => {
            let _ = sys.call(front, Deadline::NEVER, Message::new(seat, [0; 4])).await;
        }
        HURRIED => {
            let Ok(now) = sys.ground().clock().await else { return 1 };
            let soon = Deadline::at(now.after(Nanos::from_millis(20)));
            let _ = sys.call(front, soon, Message::new(seat, [0; 4])).await;
        }
        _ => answer_for_another(sys).await,
    }
    seat
}

/// Gives a reply that another thread has kept and handed on, once.
async fn answer_for_another<G: Ground>(sys: &Recorder<'_, G>) {
    let back = EndpointHandle::from_word(sys.ground().load(BACK).await);
    let _ = sys.accept(Word(1)).await;
    let Ok((_, message)) = sys.receive(back, Deadline::NEVER).await else { return };
    let reply = ReplyHandle::from_word(message.words[0]);
    let _ = sys.capability_inspect(reply.into()).await;
    let _ = sys.reply_to(reply, Message::new(30, [3; 4])).await;
    let _ = sys.reply_to(reply, Message::new(31, [3; 4])).await;
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    sys.set_affinity(me, Word(0), Word(1)).await?;
    sys.memory_reserve(WORDS, PageRights::ReadWrite).await?;
    let front = sys.endpoint_create().await?;
    let back = sys.endpoint_create().await?;
    sys.ground().store(FRONT, front.to_word()).await;
    sys.ground().store(BACK, back.to_word()).await;
    let _ = sys.reply_keep().await;

    in_any_order(sys, me, front).await?;
    by_another(sys, me, (front, back)).await?;
    too_late(sys, me, front).await?;
    never(sys, me, front).await
}

/// The next caller of a server that keeps what it owes.
async fn keep<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    front: EndpointHandle,
    (role, seat): (u8, u8),
) -> Result<(ThreadHandle, ReplyHandle), Error> {
    let caller = cornered(sys, me, role, seat).await.ok_or(Error::NoMemory)?;
    sys.receive(front, Deadline::NEVER).await?;
    Ok((caller, sys.reply_keep().await?))
}

/// Who owes several replies gives them as it likes, each once.
async fn in_any_order<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    front: EndpointHandle,
) -> Result<(), Error> {
    let (one, to_one) = keep(sys, me, front, (CALLER, 1)).await?;
    let (other, to_other) = keep(sys, me, front, (CALLER, 2)).await?;
    // What was kept is not owed any more, and is not copied.
    let _ = sys.reply(Message::new(9, [0; 4])).await;
    let _ = sys.capability_copy(to_one.into(), CapabilityRights::INSPECT, Word(0)).await;
    let of_itself = Message::new(9, [to_one.to_word(), 0, 0, 0]).carrying(Carries::new(1, 1));
    let _ = sys.reply_to(to_one, of_itself).await;
    sys.reply_to(to_other, Message::new(20, [2; 4])).await?;
    sys.thread_join(other, Deadline::NEVER).await?;
    sys.reply_to(to_one, Message::new(10, [1; 4])).await?;
    sys.thread_join(one, Deadline::NEVER).await?;
    let _ = sys.reply_to(to_one, Message::new(11, [1; 4])).await;
    Ok(())
}

/// A kept reply is moved with a message, and whoever has it then gives it.
async fn by_another<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    (front, back): (EndpointHandle, EndpointHandle),
) -> Result<(), Error> {
    let helper = cornered(sys, me, BACKSTAGE, 3).await.ok_or(Error::NoMemory)?;
    let (caller, reply) = keep(sys, me, front, (CALLER, 1)).await?;
    let copied = Message::new(5, [reply.to_word(), 0, 0, 0]).carrying(Carries::new(1, 0));
    let _ = sys.send(back, Deadline::NOW, copied).await;
    let moved = Message::new(5, [reply.to_word(), 0, 0, 0]).carrying(Carries::new(1, 1));
    sys.send(back, Deadline::NEVER, moved).await?;
    sys.thread_join(caller, Deadline::NEVER).await?;
    sys.thread_join(helper, Deadline::NEVER).await?;
    let _ = sys.reply_to(reply, Message::new(12, [1; 4])).await;
    Ok(())
}

/// Who waits no longer gets no reply, and the capability is used up all the same.
async fn too_late<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    front: EndpointHandle,
) -> Result<(), Error> {
    let (caller, reply) = keep(sys, me, front, (HURRIED, 1)).await?;
    sys.thread_join(caller, Deadline::NEVER).await?;
    let _ = sys.capability_inspect(reply.into()).await;
    let _ = sys.reply_to(reply, Message::new(13, [1; 4])).await;
    let _ = sys.reply_to(reply, Message::new(14, [1; 4])).await;
    Ok(())
}

/// Who gives a kept reply up has its caller hear that nobody will reply.
async fn never<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    front: EndpointHandle,
) -> Result<(), Error> {
    let (caller, reply) = keep(sys, me, front, (CALLER, 1)).await?;
    sys.capability_delete(reply.into()).await?;
    sys.thread_join(caller, Deadline::NEVER).await?;
    Ok(())
}
