//! PatchworkOS: bytes pass through pipes that hold only so many, notes interrupt whoever waits, and local sockets are
//! pipes both ways, made by connecting to a listener.

use coldframe_abi::{Arrival, Calls, Deadline, EndpointHandle, Error, UserRange, Word};
use coldframe_services::{ChannelError, Next};
use coldframe_sync::ring::Packet;

use super::{leave, left, page};
use crate::shown::{Half, host, join};
use crate::threads::start;
use crate::{Ground, Recorder};

const NAMES: UserRange = page(0x29_0000_0000);
const OURS: u64 = 0x29_0010_0000;
const THEIRS: u64 = 0x29_0020_0000;

const SERVER: u8 = 1;
const SLEEPER: u8 = 2;
const TERMINATE: u64 = 1 << 3;
const TEXT: &[u8] =
    b"what goes in at one end comes out at the other, and what does not fit yet has to wait; ";
const ROUNDS: usize = 8;

/// Bytes a packet.
const CHUNK: usize = 48;

fn broken(_: ChannelError) -> Error {
    Error::BadState
}

/// Writes bytes, and waits for room as often as it takes.
async fn write<G: Ground>(pipe: &mut Half<'_, G>, bytes: &[u8]) -> Result<(), Error> {
    for chunk in bytes.chunks(CHUNK) {
        let mut words = [[0; 8]; CHUNK / 8];
        words.as_flattened_mut()[..chunk.len()].copy_from_slice(chunk);
        let packet = Packet::new(chunk.len() as u64, words.map(u64::from_le_bytes));
        if pipe.room().await.map_err(broken)? != Next::Room {
            return Err(Error::PeerGone);
        }
        pipe.ring().send(packet).await.map_err(|error| broken(error.into()))?;
    }
    pipe.publish().await;
    Ok(())
}

/// Reads the next bytes into a buffer; none are left when the other end has closed.
async fn read<G: Ground>(pipe: &mut Half<'_, G>, buffer: &mut [u8; CHUNK]) -> Result<usize, Error> {
    let Next::Packet(slot, packet) = pipe.next().await.map_err(broken)? else { return Ok(0) };
    buffer.copy_from_slice(packet.words.map(u64::to_le_bytes).as_flattened());
    pipe.ring().give_back(slot).await.map_err(|error| broken(error.into()))?;
    Ok((packet.label as usize).min(CHUNK))
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let result = match role {
        0 => first(sys).await,
        SERVER => listen(sys).await,
        _ => sleep(sys).await,
    };
    u64::from(result.is_err())
}

/// A server: accepts one connection, and reads until the other end closes.
async fn listen<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [server, ..] = left::<_, 3>(sys, NAMES).await.map(EndpointHandle::from_word);
    let (_, mut socket) = host(sys, server, THEIRS).await?;
    let (mut buffer, mut count, mut sum) = ([0; CHUNK], 0, 0);
    loop {
        let length = read(&mut socket, &mut buffer).await?;
        if length == 0 {
            break;
        }
        count += length;
        sum = buffer[..length].iter().fold(sum, |sum: u64, byte| sum * 31 % 1_000_007 + u64::from(*byte));
    }
    let whole =
        (0..ROUNDS).flat_map(|_| TEXT).fold(0, |sum: u64, byte| sum * 31 % 1_000_007 + u64::from(*byte));
    let all = count == TEXT.len() * ROUNDS && sum == whole;
    sys.note(if all { "every byte, in order, and then the end" } else { "bytes are lost" }).await;
    socket.close().await;
    Ok(())
}

/// Waits where nobody comes, until a note interrupts it.
async fn sleep<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [_, nowhere, notes] = left(sys, NAMES).await.map(EndpointHandle::from_word);
    let woken = sys.receive(nowhere, Deadline::NEVER).await;
    let (Word(note), message) = sys.receive(notes, Deadline::NOW).await?;
    let told =
        (woken.map(|_| ()), note, message.arrival) == (Err(Error::Cancelled), TERMINATE, Arrival::Signalled);
    sys.note(if told { "told to end" } else { "told nothing" }).await;
    Ok(())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let [server, nowhere, notes] =
        [sys.endpoint_create().await?, sys.endpoint_create().await?, sys.endpoint_create().await?];
    leave(sys, NAMES, [server, nowhere, notes].map(EndpointHandle::to_word)).await?;
    let listener = start(sys, SERVER, 1).await?;
    let mut socket = join(sys, server, OURS).await?;
    for _ in 0..ROUNDS {
        write(&mut socket, TEXT).await?;
    }
    socket.close().await;
    sys.thread_join(listener, Deadline::NEVER).await?;

    let sleeper = start(sys, SLEEPER, 2).await?;
    // A note is raised first, and then whoever should look at it is woken, as soon as it sleeps.
    sys.signal(notes, Word(TERMINATE)).await?;
    while sys.ground().cancel(sleeper).await.is_err() {
        let _ = sys.ground().yield_now().await;
    }
    sys.thread_join(sleeper, Deadline::NEVER).await?;
    Ok(())
}
