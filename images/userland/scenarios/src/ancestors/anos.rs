//! Anos: a channel takes a tag and a page, and gives one word back; a registry finds channels by name.

use coldframe_abi::{
    Calls, CapabilityRights, Carries, Deadline, EndpointHandle, Error, Message, PageRights, Passage,
    UserAddress, UserRange, Word,
};

use super::{alone, leave, left, page};
use crate::threads::cornered;
use crate::{Ground, Recorder};

const NAMES: UserRange = page(0x25_0000_0000);
const SENT: UserRange = page(0x25_0010_0000);
const NEXT_SENT: UserRange = page(0x25_0018_0000);
const RECEIVED: UserRange = page(0x25_0020_0000);

const REGISTRY: u8 = 1;

const REGISTER: u64 = 1;
const FIND: u64 = 2;
const FILE_SYSTEM: u64 = u64::from_le_bytes(*b"SYS::VFS");
const OPEN: u64 = 3;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let result = match role {
        0 => first(sys).await,
        REGISTRY => keep_names(sys).await,
        _ => serve_files(sys).await,
    };
    u64::from(result.is_err())
}

/// Sends a tag and a page by a channel; waits for the word that comes back. The page is lent until then.
async fn send_message<G: Ground>(
    sys: &Recorder<'_, G>,
    channel: EndpointHandle,
    tag: u64,
    page: UserRange,
) -> Result<u64, Error> {
    let lent = Carries::NONE.and_pages(Passage::LentToRead, 1);
    let message = Message::new(tag, [page.start.0, 0, 0, 0]).carrying(lent);
    let (_, reply) = sys.call(channel, Deadline::NEVER, message).await?;
    Ok(reply.label)
}

/// The registry: remembers channels, and hands out copies of them by name.
async fn keep_names<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [registry] = left(sys, NAMES).await.map(EndpointHandle::from_word);
    let mut known = (0, 0);
    sys.accept(Word(1)).await?;
    let (_, mut asked) = sys.receive(registry, Deadline::NEVER).await?;
    while asked.label != 0 {
        let answer = match (asked.label, asked.words) {
            (REGISTER, [channel, name, ..]) => {
                known = (name, channel);
                Message::new(1, [0; 4])
            }
            (FIND, [name, ..]) if name == known.0 => {
                Message::new(1, [known.1, 0, 0, 0]).carrying(Carries::new(1, 0))
            }
            _ => Message::default(),
        };
        (_, asked) = sys.reply_receive(registry, Deadline::NEVER, answer).await?;
    }
    sys.reply(Message::default()).await
}

/// A server: makes a channel, has it registered, and answers two messages with the words that it finds in their pages.
async fn serve_files<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [registry] = left(sys, NAMES).await.map(EndpointHandle::from_word);
    let channel = sys.endpoint_create().await?;
    let rights = CapabilityRights::WRITE.and(CapabilityRights::COPY);
    let send = sys.capability_copy(channel.into(), rights, Word(0)).await?;
    let message = Message::new(REGISTER, [send.to_word(), FILE_SYSTEM, 0, 0]).carrying(Carries::new(1, 1));
    sys.call(registry, Deadline::NEVER, message).await?;
    sys.accept_pages(RECEIVED).await?;
    for _ in 0..2 {
        let (_, message) = sys.receive(channel, Deadline::NEVER).await?;
        let word = sys.ground().load(UserAddress(message.words[0])).await;
        sys.reply(Message::new(word + message.label, [0; 4])).await?;
        // With the reply the page is gone.
        sys.memory_query(RECEIVED.start).await?;
    }
    Ok(())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = alone(sys).await?;
    let registry = sys.endpoint_create().await?;
    leave(sys, NAMES, [registry.to_word()]).await?;
    let keeper = cornered(sys, me, REGISTRY, 1).await.ok_or(Error::NoMemory)?;
    let server = cornered(sys, me, 2, 2).await.ok_or(Error::NoMemory)?;
    sys.accept(Word(1)).await?;
    let (_, found) = sys.call(registry, Deadline::NEVER, Message::new(FIND, [FILE_SYSTEM, 0, 0, 0])).await?;
    let channel = EndpointHandle::from_word(found.words[0]);
    for (number, at) in [(40, SENT), (50, NEXT_SENT)] {
        sys.memory_reserve(at, PageRights::ReadWrite).await?;
        sys.ground().store(at.start, number).await;
        let answer = send_message(sys, channel, OPEN, at).await?;
        sys.note(if answer == number + OPEN { "the page was read" } else { "the page was lost" }).await;
        let found = sys.ground().load(at.start).await;
        sys.note(if found == number { "the sender has it" } else { "it has changed" }).await;
    }
    sys.thread_join(server, Deadline::NEVER).await?;
    sys.call(registry, Deadline::NEVER, Message::default()).await?;
    sys.thread_join(keeper, Deadline::NEVER).await?;
    Ok(())
}
