//! How two programs come to share a channel: one calls, the other makes the memory and hands it over with its reply.

use coldframe_abi::{
    Calls, CapabilityHandle, CapabilityRights, Carries, Deadline, EndpointHandle, Error, Message,
    ObjectHandle, Sys, Word,
};

/// The label of a call that asks for a channel.
const CONNECT: u64 = u64::from_le_bytes(*b"connect ");

/// What a side needs for a channel besides memory that shows the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The memory of the ring.
    pub object: ObjectHandle,
    /// Where this side hears its doorbell.
    pub ear: EndpointHandle,
    /// By which it rings the other side's.
    pub bell: EndpointHandle,
}

/// Whether a message that was received asks for a channel.
#[must_use]
pub const fn is_connect(message: &Message) -> bool {
    message.label == CONNECT && message.carries.count() == 1
}

/// An endpoint by which one can only hear, and a name of it by which one can only ring.
async fn ear<S: Sys>(sys: &S) -> Result<(EndpointHandle, CapabilityHandle), Error> {
    let endpoint = CapabilityHandle::from(sys.endpoint_create().await?);
    let ear = sys.capability_copy(endpoint, CapabilityRights::READ, Word(0)).await;
    let rings = CapabilityRights::SIGNAL.and(CapabilityRights::COPY);
    let bell = sys.capability_copy(endpoint, rings, Word(1)).await;
    // With it somebody could come for ever, and nobody would ever be missed.
    sys.capability_delete(endpoint).await?;
    Ok((EndpointHandle::from_word(ear?.to_word()), bell?))
}

/// Asks whoever serves an endpoint for a channel. The caller accepts two capabilities.
///
/// # Errors
/// What the kernel says to the calls that it takes; `Refused` if the server answers something else.
pub async fn connect<S: Sys>(sys: &S, server: EndpointHandle) -> Result<Link, Error> {
    let (ear, rings) = ear(sys).await?;
    let asks = Message::new(CONNECT, [rings.to_word(), 0, 0, 0]).carrying(Carries::new(1, 1));
    let (_, reply) = sys.call(server, Deadline::NEVER, asks).await?;
    if reply.label != CONNECT || reply.carries.count() != 2 {
        return Err(Error::Refused);
    }
    let [object, bell, ..] = reply.words;
    Ok(Link { object: ObjectHandle::from_word(object), ear, bell: EndpointHandle::from_word(bell) })
}

/// Answers who asks for a channel with memory of so many bytes: this side's link, and the reply to give. The memory is
/// this side's, so that nobody can take it away from under it.
///
/// # Errors
/// What the kernel says to the calls that it takes.
pub async fn accept<S: Sys>(sys: &S, asked: &Message, bytes: u64) -> Result<(Link, Message), Error> {
    let bell = EndpointHandle::from_word(asked.words[0]);
    let (ear, rings) = ear(sys).await?;
    let object = sys.object_create(Word(bytes)).await?;
    let shown = CapabilityRights::READ.and(CapabilityRights::WRITE).and(CapabilityRights::COPY);
    let copy = sys.capability_copy(object.into(), shown, Word(0)).await?;
    let reply = Message::new(CONNECT, [copy.to_word(), rings.to_word(), 0, 0]).carrying(Carries::new(2, 3));
    Ok((Link { object, ear, bell }, reply))
}
