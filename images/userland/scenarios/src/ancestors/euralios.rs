//! EuraliOS: at a rendezvous three words pass, or one word and two of word, handle and chunk of memory; who cannot send
//! has its message back.

use coldframe_abi::{
    Calls, CapabilityHandle, Carries, Deadline, EndpointHandle, Error, Message, ObjectHandle, PageRights,
    UserRange, Word,
};

use super::{alone, leave, left, page};
use crate::threads::cornered;
use crate::{Ground, Recorder};

const NAMES: UserRange = page(0x26_0000_0000);
const CHUNK: UserRange = page(0x26_0010_0000);

/// What can be beside the word of a long message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Value(u64),
    /// A handle, of which both have a copy afterwards.
    Handle(EndpointHandle),
    /// Memory, which the sender does not have any more.
    Chunk(ObjectHandle),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Short([u64; 3]),
    Long(u64, Data, Data),
}

impl Told {
    /// The names come first, as the kernel wants it; the label says which kinds there are, in which order.
    fn to_message(self) -> Message {
        let (word, data) = match self {
            Self::Short([a, b, c]) => return Message::new(0, [a, b, c, 0]),
            Self::Long(word, first, second) => (word, [first, second]),
        };
        let (mut message, mut count, mut moved) = (Message::new(1, [0; 4]), 0, 0);
        message.words[4] = word;
        for (at, data) in data.iter().enumerate() {
            let (kind, name) = match data {
                Data::Value(value) => {
                    message.words[2 + at] = *value;
                    continue;
                }
                Data::Handle(handle) => (1, handle.to_word()),
                Data::Chunk(object) => (2, object.to_word()),
            };
            message.label |= kind << (1 + 2 * at);
            moved |= u8::from(kind == 2) << count;
            message.words[usize::from(count)] = name;
            count += 1;
        }
        message.carrying(Carries::new(count, moved))
    }

    fn from_message(message: &Message) -> Self {
        let [a, b, c, _, word, ..] = message.words;
        if message.label == 0 {
            return Self::Short([a, b, c]);
        }
        let mut names = message.words.into_iter();
        let data = [0, 1].map(|at| match message.label >> (1 + 2 * at) & 3 {
            1 => Data::Handle(EndpointHandle::from_word(names.next().unwrap_or(0))),
            2 => Data::Chunk(ObjectHandle::from_word(names.next().unwrap_or(0))),
            _ => Data::Value(message.words[2 + at]),
        });
        Self::Long(word, data[0], data[1])
    }
}

/// Sends if somebody waits for it; else the message comes back, and all that is in it is still the sender's.
async fn send<G: Ground>(
    sys: &Recorder<'_, G>,
    rendezvous: EndpointHandle,
    told: Told,
) -> Result<(), (Error, Told)> {
    sys.send(rendezvous, Deadline::NOW, told.to_message()).await.map_err(|error| (error, told))
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    u64::from(if role == 0 { first(sys).await } else { peer(sys).await }.is_err())
}

/// Reads what is in the chunk that comes, and tells it to the rendezvous whose handle has come with it.
async fn peer<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [rendezvous] = left(sys, NAMES).await.map(EndpointHandle::from_word);
    sys.accept(Word(2)).await?;
    let (_, message) = sys.receive(rendezvous, Deadline::NEVER).await?;
    let Told::Long(word, Data::Chunk(chunk), Data::Handle(back)) = Told::from_message(&message) else {
        return Err(Error::BadArgument);
    };
    sys.object_map(chunk, Word(0), CHUNK, PageRights::ReadWrite).await?;
    let found = sys.ground().load(CHUNK.start).await;
    sys.send(back, Deadline::NEVER, Told::Short([word, found, 5]).to_message()).await
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = alone(sys).await?;
    let there = sys.endpoint_create().await?;
    let here = sys.endpoint_create().await?;
    leave(sys, NAMES, [there.to_word()]).await?;
    let chunk = sys.object_create(Word(4_096)).await?;
    let mapping = sys.object_map(chunk, Word(0), CHUNK, PageRights::ReadWrite).await?;
    sys.ground().store(CHUNK.start, 11).await;
    sys.mapping_unmap(mapping).await?;

    let told = Told::Long(7, Data::Chunk(chunk), Data::Handle(here));
    let back = send(sys, there, told).await;
    sys.note(if back == Err((Error::TimedOut, told)) { "it came back" } else { "it is lost" }).await;
    sys.capability_inspect(chunk.into()).await?;
    let peer = cornered(sys, me, 1, 1).await.ok_or(Error::NoMemory)?;
    send(sys, there, told).await.map_err(|(error, _)| error)?;
    let _ = sys.capability_inspect(CapabilityHandle::from(chunk)).await;
    sys.receive(here, Deadline::NEVER).await?;
    sys.thread_join(peer, Deadline::NEVER).await?;
    Ok(())
}
