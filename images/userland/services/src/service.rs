//! Services: what is asked and what is answered have types, and the code does not know how either travels.

use coldframe_abi::{Arrival, Calls, Deadline, EndpointHandle, Error, Message, Sys, Word};
use coldframe_sync::ring::{Packet, SharedWords};

use crate::{Channel, ChannelError, Next};

/// What fits into a message as well as into a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// What it is about. The highest is taken: it says that a request was not understood.
    pub label: u64,
    /// What it says.
    pub words: [u64; 6],
}

/// The answer to what makes no sense.
const NOT_UNDERSTOOD: Saying = Saying { label: u64::MAX, words: [0; 6] };

/// Something that can be said.
pub trait Wire: Sized {
    /// As words.
    fn to_saying(&self) -> Saying;

    /// From words, if they make sense.
    fn from_saying(saying: Saying) -> Option<Self>;
}

/// Something that answers requests.
pub trait Service {
    /// What it is asked.
    type Request: Wire;
    /// What it answers.
    type Reply: Wire;

    /// Answers a request of a client.
    fn answer(&mut self, client: u64, request: Self::Request) -> Self::Reply;

    /// Answers what came in words.
    fn answer_words(&mut self, client: u64, saying: Saying) -> Saying {
        let request = Self::Request::from_saying(saying);
        request.map_or(NOT_UNDERSTOOD, |request| self.answer(client, request).to_saying())
    }
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The kernel did not hand it over.
    Call(Error),
    /// The channel does not go on.
    Channel(ChannelError),
    /// The channel has closed.
    Closed,
    /// It has room for no more questions.
    Full,
    /// One of the two has not understood the other.
    NotUnderstood,
}

impl From<Saying> for Message {
    fn from(saying: Saying) -> Self {
        let [a, b, c, d, e, f] = saying.words;
        Self { label: saying.label, words: [a, b, c, d, e, f, 0], ..Self::default() }
    }
}

impl From<Message> for Saying {
    fn from(message: Message) -> Self {
        let [a, b, c, d, e, f, _] = message.words;
        Self { label: message.label, words: [a, b, c, d, e, f] }
    }
}

impl From<Saying> for Packet {
    fn from(saying: Saying) -> Self {
        Self::new(saying.label, saying.words)
    }
}

impl From<Packet> for Saying {
    fn from(packet: Packet) -> Self {
        Self { label: packet.label, words: packet.words }
    }
}

/// Serves whoever calls at an endpoint, by badge, until nobody is left who could; says why it ended.
pub async fn serve<S: Sys>(sys: &S, endpoint: EndpointHandle, service: &mut impl Service) -> Error {
    let mut next = sys.receive(endpoint, Deadline::NEVER).await;
    loop {
        let (Word(client), message) = match next {
            Ok(came) => came,
            Err(error) => return error,
        };
        let answer = match message.arrival {
            Arrival::Signalled => Saying::default(),
            _ => service.answer_words(client, message.into()),
        };
        next = sys.reply_receive(endpoint, Deadline::NEVER, answer.into()).await;
        if next == Err(Error::PeerGone) {
            // The caller has gone, or nobody is left who could call: the next call says which.
            next = sys.receive(endpoint, Deadline::NEVER).await;
        }
    }
}

/// Serves the one who sends by a channel, until that is closed.
///
/// # Errors
/// If the other side writes nonsense into the ring.
pub async fn serve_packets<S: Sys, W: SharedWords>(
    channel: &mut Channel<'_, S, W>,
    client: u64,
    service: &mut impl Service,
) -> Result<(), ChannelError> {
    while let Next::Packet(slot, packet) = channel.next().await? {
        let answer = service.answer_words(client, packet.into());
        channel.ring().send_in(slot, answer.into()).await?;
    }
    Ok(())
}

/// Asks whoever serves an endpoint.
///
/// # Errors
/// If there is no answer, or none that makes sense.
pub async fn ask<T: Service, S: Sys>(
    sys: &S,
    server: EndpointHandle,
    deadline: Deadline,
    request: &T::Request,
) -> Result<T::Reply, AskError> {
    let (_, reply) = sys.call(server, deadline, request.to_saying().into()).await.map_err(AskError::Call)?;
    T::Reply::from_saying(reply.into()).ok_or(AskError::NotUnderstood)
}

/// Asks the one who serves the other side of a channel.
///
/// # Errors
/// If there is no answer, or none that makes sense.
pub async fn ask_by_packet<T: Service, S: Sys, W: SharedWords>(
    channel: &mut Channel<'_, S, W>,
    request: &T::Request,
) -> Result<T::Reply, AskError> {
    let sent = channel.ring().send(request.to_saying().into()).await;
    if !sent.map_err(|error| AskError::Channel(error.into()))? {
        return Err(AskError::Full);
    }
    let Next::Packet(slot, packet) = channel.next().await.map_err(AskError::Channel)? else {
        return Err(AskError::Closed);
    };
    channel.ring().keep(slot).map_err(|error| AskError::Channel(error.into()))?;
    T::Reply::from_saying(packet.into()).ok_or(AskError::NotUnderstood)
}
