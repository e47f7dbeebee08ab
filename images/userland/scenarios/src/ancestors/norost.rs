//! Norost: packets go to the address of a task through rings in shared memory; who receives says in advance where data
//! may go.

use coldframe_abi::{Calls, Deadline, EndpointHandle, Error, UserRange};
use coldframe_services::Next;
use coldframe_sync::ring::{Extent, Packet, Slot};

use super::{leave, left, page};
use crate::shown::{Half, host, join};
use crate::threads::start;
use crate::{Ground, Recorder};

const NAMES: UserRange = page(0x28_0000_0000);
/// Where rings are shown: one for each address here, and one in each task.
const RINGS: u64 = 0x28_0010_0000;
const TASKS: u64 = 0x28_0020_0000;

const FREE: u64 = 1;
const WRITE: u64 = 2;
const DONE: u64 = 3;
/// How many ranges a task has free, and how large each is, in words.
const RANGES: u32 = 4;
const RANGE: u32 = 8;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let result = if role == 0 { first(sys).await } else { task(sys, role).await };
    u64::from(result.is_err())
}

fn broken<T>(_: T) -> Error {
    Error::BadState
}

/// A task: gives its ranges away, adds up what is written to each, and gives it away again with the answer.
async fn task<G: Ground>(sys: &Recorder<'_, G>, address: u8) -> Result<(), Error> {
    let endpoints: [u64; 2] = left(sys, NAMES).await;
    let endpoint = EndpointHandle::from_word(endpoints[usize::from(address) - 1]);
    let mut ring = join(sys, endpoint, TASKS + u64::from(address) * 4_096).await?;
    for range in 0..RANGES {
        let extent = Extent { start: range * RANGE, length: RANGE };
        let packet = Packet { extent, ..Packet::new(FREE, [0; 6]) };
        ring.ring().send(packet).await.map_err(broken)?;
    }
    while let Next::Packet(slot, packet) = ring.next().await.map_err(broken)? {
        let mut data = [0; RANGE as usize];
        ring.ring().read(packet.extent, &mut data).await.map_err(broken)?;
        let length = packet.extent.length as usize;
        let sum: u64 = data.iter().take(length).sum::<u64>() + u64::from(address);
        let extent = Extent { length: RANGE, ..packet.extent };
        let [id, ..] = packet.words;
        let done = Packet { extent, ..Packet::new(DONE, [id, sum, 0, 0, 0, 0]) };
        ring.ring().send_in(slot, done).await.map_err(broken)?;
    }
    sys.note("the ring has closed").await;
    ring.close().await;
    Ok(())
}

/// What is known of the task at an address: its ring, and where data for it may go.
struct Peer<'a, G> {
    ring: Half<'a, G>,
    free: [Option<(Slot, Extent)>; RANGES as usize],
    sum: u64,
}

impl<G: Ground> Peer<'_, G> {
    /// Takes what comes: a free range, perhaps with an answer.
    async fn take(&mut self) -> Result<(), Error> {
        let Next::Packet(slot, packet) = self.ring.next().await.map_err(broken)? else {
            return Err(Error::PeerGone);
        };
        self.sum += packet.words[1];
        let place = self.free.iter_mut().find(|place| place.is_none()).ok_or(Error::Busy)?;
        *place = Some((slot, packet.extent));
        Ok(())
    }

    /// Writes data to where the task wants it, and tells it so.
    async fn submit(&mut self, id: u64, data: &[u64]) -> Result<(), Error> {
        while self.free.iter().all(Option::is_none) {
            self.take().await?;
        }
        let (slot, range) = self.free.iter_mut().find_map(Option::take).ok_or(Error::Busy)?;
        let extent = Extent { length: range.length.min(data.len() as u32), ..range };
        self.ring.ring().write(extent, data).await.map_err(broken)?;
        let packet = Packet { extent, ..Packet::new(WRITE, [id, 0, 0, 0, 0, 0]) };
        self.ring.ring().send_in(slot, packet).await.map_err(broken)?;
        self.ring.publish().await;
        Ok(())
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let endpoints = [sys.endpoint_create().await?, sys.endpoint_create().await?];
    leave(sys, NAMES, endpoints.map(EndpointHandle::to_word)).await?;
    let threads = [start(sys, 1, 1).await?, start(sys, 2, 2).await?];
    let ring = |at: u64| host(sys, endpoints[at as usize], RINGS + at * 4_096);
    let peer = |ring| Peer { ring, free: [const { None }; RANGES as usize], sum: 0 };
    let mut peers = [peer(ring(0).await?.1), peer(ring(1).await?.1)];
    for id in 0..10 {
        peers[id as usize % 2].submit(id, &[id, 100, 1_000]).await?;
    }
    for (peer, sum) in peers.iter_mut().zip([5 * 1_101 + 20, 5 * 1_102 + 25]) {
        while peer.free.iter().any(Option::is_none) {
            peer.take().await?;
        }
        sys.note(if peer.sum == sum { "all was written where it may" } else { "some was lost" }).await;
    }
    for (peer, thread) in peers.into_iter().zip(threads) {
        peer.ring.close().await;
        sys.thread_join(thread, Deadline::NEVER).await?;
    }
    Ok(())
}
