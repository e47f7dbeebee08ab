//! Who hears whom: a process whose host hears all that it sends, and one that hears nobody but a group.

use coldframe_abi::{
    Calls, CapabilityRights, Deadline, EndpointHandle, Error, Instant, Message, ObjectHandle, PageRights,
    Priority, ProcessHandle, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::start;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything, here and in the processes that are made.
const CODE: UserRange = UserRange { start: UserAddress(0x2d_4000_0000), length: PAGE };
const DATA: UserRange = UserRange { start: UserAddress(0x2d_4000_8000), length: PAGE };
/// Whoever may do this with an endpoint may be heard there.
const HEARD: CapabilityRights = CapabilityRights::WRITE.and(CapabilityRights::SIGNAL);
/// How many frames a process gets.
const FRAMES: Word = Word(24);

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let all = async {
        let me = sys.thread_self().await?;
        // All threads have one CPU: when the first one runs again, those that it has made wait.
        sys.set_affinity(me, Word(0), Word(1)).await?;
        let code = written(sys, &sys.ground().calling_program()).await?;
        speaks_to_its_host(sys, code).await?;
        loses_its_host(sys, me, code).await?;
        hears_its_group(sys, me).await
    };
    if role == 0 { u64::from(all.await.is_err()) } else { 0 }
}

/// An object that begins with these words.
async fn written<G: Ground>(sys: &Recorder<'_, G>, words: &[u64]) -> Result<ObjectHandle, Error> {
    let object = sys.object_create(Word(PAGE)).await?;
    let mapping = sys.object_map(object, Word(0), CODE, PageRights::ReadWrite).await?;
    for (at, word) in (0..).zip(words) {
        sys.ground().store(UserAddress(CODE.start.0 + at * 8), *word).await;
    }
    sys.mapping_unmap(mapping).await?;
    Ok(object)
}

/// A process with a program, and what it calls an endpoint.
async fn made<G: Ground>(
    sys: &Recorder<'_, G>,
    code: ObjectHandle,
    endpoint: EndpointHandle,
    badge: u64,
) -> Result<(ProcessHandle, u64), Error> {
    let process = sys.process_create(FRAMES).await?;
    sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await?;
    let given = sys.process_give(process, endpoint.into(), CapabilityRights::WRITE, Word(badge)).await?;
    Ok((process, given.to_word()))
}

/// Not recorded: the argument is a name that differs.
async fn started<G: Ground>(
    sys: &Recorder<'_, G>,
    (process, argument): (ProcessHandle, u64),
) -> Result<ThreadHandle, Error> {
    sys.ground().process_thread(process, CODE.start, UserAddress(0), Word(argument)).await
}

async fn speaks_to_its_host<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle) -> Result<(), Error> {
    let (host, elsewhere) = (sys.endpoint_create().await?, sys.endpoint_create().await?);
    let (process, argument) = made(sys, code, elsewhere, 7).await?;
    let deaf = sys.capability_copy(host.into(), CapabilityRights::READ, Word(0)).await?;
    let _ = sys.process_host(process, EndpointHandle::from_word(deaf.to_word())).await;
    sys.process_host(process, host).await?;
    started(sys, (process, argument)).await?;
    let _ = sys.process_host(process, host).await;
    // What it says to somebody comes here, with what is written on the name that it was said by.
    sys.receive(host, Deadline::NEVER).await?;
    sys.reply(Message::default()).await?;
    let _ = sys.receive(elsewhere, Deadline::NOW).await;
    sys.process_wait(process, Deadline::NEVER).await?;
    Ok(())
}

async fn loses_its_host<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    code: ObjectHandle,
) -> Result<(), Error> {
    let (host, elsewhere) = (sys.endpoint_create().await?, sys.endpoint_create().await?);
    // Before it says anything, and while it waits to be heard.
    for waits in [false, true] {
        let made = made(sys, code, elsewhere, 0).await?;
        let rights = CapabilityRights::WRITE;
        let name = sys.capability_copy(host.into(), rights, Word(0)).await?;
        sys.process_host(made.0, EndpointHandle::from_word(name.to_word())).await?;
        if !waits {
            sys.capability_delete(name).await?;
        }
        started(sys, made).await?;
        if waits {
            sys.set_priority(me, Priority(100)).await?;
            sys.set_priority(me, Priority(128)).await?;
            sys.capability_delete(name).await?;
        }
        sys.process_wait(made.0, Deadline::NEVER).await?;
    }
    Ok(())
}

async fn hears_its_group<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) -> Result<(), Error> {
    const FILLS: CapabilityRights = CapabilityRights::FILL;
    let (endpoint, group) = (sys.endpoint_create().await?, sys.group_create().await?);
    // Another thread might be waiting where anybody can come.
    let other = start(sys, 1, 1).await?;
    let _ = sys.process_close(group).await;
    sys.thread_join(other, Deadline::NEVER).await?;
    let code = written(sys, &sys.ground().closing_program()).await?;
    let (process, name) = made(sys, code, endpoint, 0).await?;
    let named = sys.process_give(process, group.into(), FILLS, Word(0)).await?;
    let data = written(sys, &[named.to_word(), name]).await?;
    sys.process_map(process, data, Word(0), DATA, PageRights::ReadWrite).await?;
    started(sys, (process, DATA.start.0)).await?;
    sys.accept(Word(1)).await?;
    let (_, message) = sys.receive(endpoint, Deadline::NEVER).await?;
    sys.accept(Word(0)).await?;
    let closed = EndpointHandle::from_word(message.words[0]);
    // Whoever has its name is not heard for that.
    let name = sys.capability_copy(closed.into(), HEARD, Word(5)).await?;
    let named = EndpointHandle::from_word(name.to_word());
    let _ = sys.signal(named, Word(1)).await;
    let _ = sys.send(named, Deadline::NOW, Message::default()).await;
    let _ = sys.call(named, Deadline::NOW, Message::default()).await;
    let _ = sys.alarm(named, Word(1), Deadline::at(Instant(1))).await;
    let _ = sys.endpoint_join(closed, endpoint).await;
    let before = sys.set_group(me, group).await;
    sys.send(named, Deadline::NEVER, Message::default()).await?;
    sys.process_wait(process, Deadline::NEVER).await?;
    before
}
