//! Channels over memory that a program is shown.

use coldframe_abi::{
    Calls, Deadline, EndpointHandle, Error, ObjectHandle, PageRights, UserAddress, UserRange, Word,
};
use coldframe_services::{Channel, Link, accept, connect, is_connect};
use coldframe_sync::ring::{Ring, Shape, SharedWords, Side};

use crate::{Ground, Recorder};

/// How large the memory of a channel is.
const BYTES: u64 = 4_096;
/// Eight packets, all of them the side's that asks for the channel, and as much data as the page has left.
const SHAPE: Shape = match Shape::new(8, 8, 400) {
    Some(shape) if shape.words() as u64 * 8 <= BYTES => shape,
    _ => panic!("a channel fits into a page"),
};

/// Words of a program's memory.
#[derive(Debug)]
pub(crate) struct Shown<'a, G> {
    ground: &'a G,
    start: u64,
}

impl<G: Ground> SharedWords for Shown<'_, G> {
    async fn load(&self, word: usize) -> u64 {
        self.ground.load(UserAddress(self.start + word as u64 * 8)).await
    }

    async fn store(&self, word: usize, value: u64) {
        self.ground.store(UserAddress(self.start + word as u64 * 8), value).await;
    }

    async fn load_run(&self, first: usize, values: &mut [u64]) {
        for (word, value) in (first..).zip(values) {
            *value = self.load(word).await;
        }
    }

    async fn store_run(&self, first: usize, values: &[u64]) {
        for (word, value) in (first..).zip(values) {
            self.store(word, *value).await;
        }
    }

    fn fence(&self) {
        self.ground.fence();
    }
}

/// A side of a channel whose calls are not recorded: how often it sleeps depends on the order.
pub(crate) type Half<'a, G> = Channel<'a, G, Shown<'a, G>>;

async fn half<'a, G: Ground>(
    sys: &Recorder<'a, G>,
    link: Link,
    start: u64,
    side: Side,
) -> Result<Half<'a, G>, Error> {
    let Link { object, ear, bell }: Link = link;
    let range = UserRange { start: UserAddress(start), length: BYTES };
    sys.object_map(object, Word(0), range, PageRights::ReadWrite).await?;
    let words = Shown { ground: sys.ground(), start };
    let ring = Ring::new(words, SHAPE, side).ok_or(Error::BadArgument)?;
    Ok(Channel::new(sys.ground(), ring, ear, bell))
}

/// Asks a server for a channel, and shows its memory at an address.
pub(crate) async fn join<'a, G: Ground>(
    sys: &Recorder<'a, G>,
    server: EndpointHandle,
    start: u64,
) -> Result<Half<'a, G>, Error> {
    sys.accept(Word(2)).await?;
    let link = connect(sys, server).await?;
    half(sys, link, start, Side::First).await
}

/// Waits for somebody who asks for a channel, and shows its memory at an address.
pub(crate) async fn host<'a, G: Ground>(
    sys: &Recorder<'a, G>,
    endpoint: EndpointHandle,
    start: u64,
) -> Result<(ObjectHandle, Half<'a, G>), Error> {
    sys.accept(Word(1)).await?;
    let (_, asked) = sys.receive(endpoint, Deadline::NEVER).await?;
    if !is_connect(&asked) {
        return Err(Error::Refused);
    }
    let (link, reply) = accept(sys, &asked, BYTES).await?;
    sys.reply(reply).await?;
    Ok((link.object, half(sys, link, start, Side::Second).await?))
}
