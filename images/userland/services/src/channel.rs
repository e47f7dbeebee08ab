//! A packet ring whose sides can sleep.

use coldframe_abi::{Calls, CapabilityHandle, Deadline, EndpointHandle, Error, Sys, Word};
use coldframe_sync::ring::{Doorbell, Packet, Received, Rest, Ring, RingError, SharedWords, Slot};

/// Why a channel does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// The other side has written nonsense.
    Ring(RingError),
    /// The kernel refuses to let this side sleep.
    Call(Error),
}

impl From<RingError> for ChannelError {
    fn from(error: RingError) -> Self {
        Self::Ring(error)
    }
}

/// What a side has waited for.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet, in a slot that is now this side's.
    Packet(Slot, Packet),
    /// There is room to send.
    Room,
    /// The other side has closed, or is gone, and all that it has sent was received.
    Closed,
}

/// One side of a ring, with the endpoint where it hears the doorbell and the name by which it rings the other's.
#[derive(Debug)]
pub struct Channel<'a, S, W> {
    sys: &'a S,
    ring: Ring<W>,
    ear: EndpointHandle,
    bell: EndpointHandle,
    alone: bool,
}

impl<'a, S: Sys, W: SharedWords> Channel<'a, S, W> {
    /// A channel over one side of a ring. `ear` can be read and is rung by the other side only, so that the kernel says
    /// when nobody is left who could.
    pub const fn new(sys: &'a S, ring: Ring<W>, ear: EndpointHandle, bell: EndpointHandle) -> Self {
        Self { sys, ring, ear, bell, alone: false }
    }

    /// The ring: what is asked of it takes effect when this side publishes, or waits.
    pub const fn ring(&mut self) -> &mut Ring<W> {
        &mut self.ring
    }

    /// Lets the other side see what was sent.
    pub async fn publish(&mut self) {
        let doorbell = self.ring.publish().await;
        self.tell(doorbell).await;
    }

    /// Waits for the next packet.
    ///
    /// # Errors
    /// If the other side has written nonsense, or this one cannot sleep.
    pub async fn next(&mut self) -> Result<Next, ChannelError> {
        self.wait(false).await
    }

    /// Waits until there is room to send; says so also if a packet comes first, or no room will come.
    ///
    /// # Errors
    /// As for `next`.
    pub async fn room(&mut self) -> Result<Next, ChannelError> {
        self.wait(true).await
    }

    /// Says that nothing more will come from this side, and gives its names up.
    pub async fn close(mut self) {
        let doorbell = self.ring.close().await;
        self.tell(doorbell).await;
        self.abandon().await;
    }

    /// Gives this side's names up without a word: the other side finds itself alone.
    pub async fn abandon(self) {
        for name in [self.bell, self.ear] {
            let _ = self.sys.capability_delete(CapabilityHandle::from(name)).await;
        }
    }

    async fn wait(&mut self, wants_room: bool) -> Result<Next, ChannelError> {
        loop {
            match self.ring.receive().await? {
                Received::Packet(slot, packet) => return Ok(Next::Packet(slot, packet)),
                _ if wants_room && self.ring.room() > 0 => return Ok(Next::Room),
                Received::Closed => return Ok(Next::Closed),
                Received::Nothing if self.alone => return Ok(Next::Closed),
                Received::Nothing => self.rest().await?,
            }
        }
    }

    async fn rest(&mut self) -> Result<(), ChannelError> {
        match self.ring.rest().await {
            Rest::Look => {}
            Rest::Publish => self.publish().await,
            Rest::Sleep => {
                match self.sys.receive(self.ear, Deadline::NEVER).await {
                    Ok(_) => {}
                    // What it has sent before it went is still there: one more look.
                    Err(Error::PeerGone) => self.alone = true,
                    Err(error) => return Err(ChannelError::Call(error)),
                }
                self.ring.woken().await;
            }
        }
        Ok(())
    }

    async fn tell(&self, doorbell: Doorbell) {
        if doorbell == Doorbell::Ring {
            // If nobody hears it any more, this side's own ear says so.
            let _ = self.sys.signal(self.bell, Word(1)).await;
        }
    }
}
