use coldframe_abi::{Calls, Deadline, EndpointHandle, Error, PageRights, UserAddress, UserRange, Word};
use coldframe_services::{Next, Saying, Service, Wire, ask, ask_by_packet, serve, serve_packets};

use crate::shown::{host, join};
use crate::threads::start;
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const NAMES: UserRange = UserRange { start: UserAddress(0x24_0000_0000), length: 4_096 };
const OURS: u64 = 0x24_0010_0000;
const THEIRS: u64 = 0x24_0020_0000;

const BY_CALLS: u8 = 1;
const BY_PACKETS: u8 = 2;

/// A number that grows.
#[derive(Default)]
struct Sum(u64);

enum Request {
    Add(u64),
    Read,
}

struct Total(u64);

impl Wire for Request {
    fn to_saying(&self) -> Saying {
        match *self {
            Self::Add(number) => Saying { label: 1, words: [number, 0, 0, 0, 0, 0] },
            Self::Read => Saying { label: 2, ..Saying::default() },
        }
    }

    fn from_saying(saying: Saying) -> Option<Self> {
        match saying.label {
            1 => Some(Self::Add(saying.words[0])),
            2 => Some(Self::Read),
            _ => None,
        }
    }
}

impl Wire for Total {
    fn to_saying(&self) -> Saying {
        Saying { label: 0, words: [self.0, 0, 0, 0, 0, 0] }
    }

    fn from_saying(saying: Saying) -> Option<Self> {
        (saying.label == 0).then_some(Self(saying.words[0]))
    }
}

impl Service for Sum {
    type Request = Request;
    type Reply = Total;

    fn answer(&mut self, client: u64, request: Request) -> Total {
        if let Request::Add(number) = request {
            self.0 = self.0.wrapping_add(number).wrapping_add(client);
        }
        Total(self.0)
    }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let name = UserAddress(NAMES.start.0 + u64::from(role) * 8);
    if role == 0 {
        return first(sys).await.map_or(1, |()| 0);
    }
    let endpoint = EndpointHandle::from_word(sys.ground().load(name).await);
    let mut sum = Sum::default();
    match role {
        BY_CALLS => {
            let end = serve(sys, endpoint, &mut sum).await;
            sys.note(if end == Error::PeerGone { "nobody is left" } else { "it ended early" }).await;
        }
        _ => {
            for _ in 0..2 {
                let Ok((object, mut channel)) = host(sys, endpoint, THEIRS).await else { return 1 };
                let end = serve_packets(&mut channel, 3, &mut sum).await;
                sys.note(if end.is_ok() { "the channel has closed" } else { "the channel is broken" }).await;
                channel.close().await;
                let _ = sys.object_destroy(object).await;
            }
        }
    }
    sum.0
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    sys.memory_reserve(NAMES, PageRights::ReadWrite).await?;
    is_served_by_calls(sys).await?;
    is_served_by_packets(sys).await
}

/// A thread that serves an endpoint which this one names as well.
async fn server<G: Ground>(
    sys: &Recorder<'_, G>,
    role: u8,
) -> Result<(EndpointHandle, coldframe_abi::ThreadHandle), Error> {
    let whole = sys.endpoint_create().await?.into();
    let read = sys.capability_copy(whole, coldframe_abi::CapabilityRights::READ, Word(0)).await?;
    let call = sys.capability_copy(whole, coldframe_abi::CapabilityRights::WRITE, Word(5)).await?;
    sys.capability_delete(whole).await?;
    sys.ground().store(UserAddress(NAMES.start.0 + u64::from(role) * 8), read.to_word()).await;
    Ok((EndpointHandle::from_word(call.to_word()), start(sys, role, role).await?))
}

async fn is_served_by_calls<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let (name, thread) = server(sys, BY_CALLS).await?;
    for request in [Request::Add(10), Request::Add(20), Request::Read] {
        let total = ask::<Sum, _>(sys, name, Deadline::NEVER, &request).await;
        sys.note(if total.is_ok() { "it has a total" } else { "it has no total" }).await;
    }
    let nonsense = Saying { label: 77, ..Saying::default() };
    let _ = sys.call(name, Deadline::NEVER, nonsense.into()).await;
    sys.capability_delete(name.into()).await?;
    sys.thread_join(thread, Deadline::NEVER).await?;
    Ok(())
}

async fn is_served_by_packets<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let (name, thread) = server(sys, BY_PACKETS).await?;
    let mut channel = join(sys, name, OURS).await?;
    for request in [Request::Add(10), Request::Add(20), Request::Read] {
        let total = ask_by_packet::<Sum, _, _>(&mut channel, &request).await;
        let right = matches!((total, request), (Ok(Total(13)), Request::Add(10)) | (Ok(Total(36)), _));
        sys.note(if right { "it has the right total" } else { "the total is wrong" }).await;
    }
    // As many questions as there are slots, before the first answer is looked at.
    let mut sent = 0;
    while channel.ring().send(Request::Add(1).to_saying().into()).await == Ok(true) {
        sent += 1;
    }
    let mut last = 0;
    for _ in 0..sent {
        let Ok(Next::Packet(slot, packet)) = channel.next().await else { return Err(Error::PeerGone) };
        last = packet.words[0];
        channel.ring().keep(slot).map_err(|_| Error::BadState)?;
    }
    sys.note(if (sent, last) == (8, 68) { "eight at once" } else { "not all were answered" }).await;
    channel.close().await;

    // Who goes without a word is missed as well.
    let other = OURS + 0x8_0000;
    let mut channel = join(sys, name, other).await?;
    let total = ask_by_packet::<Sum, _, _>(&mut channel, &Request::Read).await;
    sys.note(if matches!(total, Ok(Total(68))) { "it is the same sum" } else { "it forgets" }).await;
    channel.abandon().await;
    sys.thread_join(thread, Deadline::NEVER).await?;
    Ok(())
}
