use coldframe_abi::{
    Calls, CapabilityRights, Deadline, EndpointHandle, Error, Message, PageRights, ThreadHandle, UserAddress,
    UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const NAMES: UserRange = UserRange { start: UserAddress(0x2a_0000_0000), length: 4_096 };

const LISTENER: u8 = 1;
const CALLER: u8 = 2;
const LEFT: u8 = 3;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return u64::from(first(sys).await.is_err());
    }
    let name = UserAddress(NAMES.start.0 + u64::from(role) * 8);
    let endpoint = EndpointHandle::from_word(sys.ground().load(name).await);
    match role {
        LISTENER => {
            // A message, a call and a signal, each by another name.
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
            let _ = sys.reply(Message::new(6, [0; 4])).await;
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
        LEFT => {
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
        _ => {
            let _ = sys.call(endpoint, Deadline::NEVER, Message::new(5, [0; 4])).await;
        }
    }
    u64::from(sys.part().seat)
}

/// An endpoint, and a name by which one sends and signals to it, with a badge.
async fn badged<G: Ground>(
    sys: &Recorder<'_, G>,
    badge: u64,
) -> Result<(EndpointHandle, EndpointHandle), Error> {
    let endpoint = sys.endpoint_create().await?;
    let rights = CapabilityRights::WRITE.and(CapabilityRights::SIGNAL);
    let name = sys.capability_copy(endpoint.into(), rights, Word(badge)).await?;
    Ok((endpoint, EndpointHandle::from_word(name.to_word())))
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    sys.set_affinity(me, Word(0), Word(1)).await?;
    sys.memory_reserve(NAMES, PageRights::ReadWrite).await?;
    let set = sys.endpoint_create().await?;
    let (one, to_one) = badged(sys, 1).await?;
    let (other, to_other) = badged(sys, 2).await?;
    for (role, name) in [(LISTENER, set), (CALLER, to_other)] {
        sys.ground().store(UserAddress(NAMES.start.0 + u64::from(role) * 8), name.to_word()).await;
    }
    // One with something to receive has to be emptied first.
    sys.signal(to_one, Word(1)).await?;
    let _ = sys.endpoint_join(one, set).await;
    sys.receive(one, Deadline::NOW).await?;
    sys.endpoint_join(one, set).await?;
    sys.endpoint_join(other, set).await?;
    for (endpoint, set) in [(one, one), (one, other), (one, set), (set, other), (set, to_one)] {
        let _ = sys.endpoint_join(endpoint, set).await;
    }
    let _ = sys.receive(one, Deadline::NOW).await;
    let _ = sys.reply_receive(one, Deadline::NOW, Message::default()).await;
    let _ = sys.send(to_one, Deadline::NOW, Message::new(3, [0; 4])).await;

    let listener = cornered(sys, me, LISTENER, 1).await.ok_or(Error::NoMemory)?;
    sys.send(to_one, Deadline::NEVER, Message::new(4, [0; 4])).await?;
    let caller = cornered(sys, me, CALLER, 2).await.ok_or(Error::NoMemory)?;
    sys.thread_join(caller, Deadline::NEVER).await?;
    sys.signal(to_one, Word(1)).await?;
    sys.thread_join(listener, Deadline::NEVER).await?;

    // What is raised by two names is found at once; when the set goes, what nobody has received goes with it.
    sys.signal(to_one, Word(1)).await?;
    sys.signal(to_other, Word(2)).await?;
    sys.receive(set, Deadline::NOW).await?;
    sys.signal(to_other, Word(2)).await?;
    sys.capability_delete(set.into()).await?;
    let _ = sys.receive(other, Deadline::NOW).await;
    sys.signal(to_other, Word(2)).await?;
    sys.receive(other, Deadline::NOW).await?;
    is_left(sys, me).await
}

/// Who receives at a set to which nobody comes but by a member hears when nobody can come by that any more.
async fn is_left<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) -> Result<(), Error> {
    let whole = sys.endpoint_create().await?;
    let set = sys.capability_copy(whole.into(), CapabilityRights::READ, Word(0)).await?;
    sys.capability_delete(whole.into()).await?;
    let (member, to_member) = badged(sys, 3).await?;
    sys.endpoint_join(member, EndpointHandle::from_word(set.to_word())).await?;
    sys.capability_delete(member.into()).await?;
    sys.ground().store(UserAddress(NAMES.start.0 + u64::from(LEFT) * 8), set.to_word()).await;
    let left = cornered(sys, me, LEFT, 3).await.ok_or(Error::NoMemory)?;
    sys.capability_delete(to_member.into()).await?;
    sys.thread_join(left, Deadline::NEVER).await?;
    Ok(())
}
