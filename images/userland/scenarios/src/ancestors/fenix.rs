//! FENIX: a task blocks itself until somebody unblocks it, and waits for the end of another.

use coldframe_abi::{Calls, Deadline, EndpointHandle, Error, ThreadHandle, UserAddress, UserRange, Word};

use super::{leave, left, page};
use crate::threads::start;
use crate::{Ground, Recorder};

const NAMES: UserRange = page(0x27_0000_0000);
/// A number that the two tasks count up in turns.
const NUMBER: UserAddress = UserAddress(NAMES.start.0 + 64);
const TURNS: u64 = 4;

/// A task: the thread, and where it is blocked.
#[derive(Clone, Copy)]
struct Task {
    thread: ThreadHandle,
    gate: EndpointHandle,
}

/// Blocks the calling task until it is unblocked, or does not if that has happened already.
async fn block<G: Ground>(sys: &Recorder<'_, G>, gate: EndpointHandle) -> Result<(), Error> {
    sys.receive(gate, Deadline::NEVER).await.map(|_| ())
}

async fn unblock<G: Ground>(sys: &Recorder<'_, G>, gate: EndpointHandle) -> Result<(), Error> {
    sys.signal(gate, Word(1)).await
}

async fn wait<G: Ground>(sys: &Recorder<'_, G>, task: Task) -> Result<u64, Error> {
    Ok(sys.thread_join(task.thread, Deadline::NEVER).await?.0)
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return u64::from(first(sys).await.is_err());
    }
    take_turns(sys, role).await.unwrap_or(0)
}

/// Counts when it is its turn, and then unblocks the other; ends with what it has found last.
async fn take_turns<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> Result<u64, Error> {
    let gates: [u64; 2] = left(sys, NAMES).await;
    let [own, other] =
        [usize::from(role) - 1, 2 - usize::from(role)].map(|at| EndpointHandle::from_word(gates[at]));
    let mut number = 0;
    for _ in 0..TURNS {
        block(sys, own).await?;
        number = sys.ground().load(NUMBER).await + 1;
        sys.ground().store(NUMBER, number).await;
        unblock(sys, other).await?;
    }
    Ok(number)
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let gates = [sys.endpoint_create().await?, sys.endpoint_create().await?];
    leave(sys, NAMES, gates.map(EndpointHandle::to_word)).await?;
    // One is unblocked before there is a task: it is not lost.
    unblock(sys, gates[0]).await?;
    let tasks = [
        Task { thread: start(sys, 1, 1).await?, gate: gates[0] },
        Task { thread: start(sys, 2, 2).await?, gate: gates[1] },
    ];
    let last = [wait(sys, tasks[0]).await?, wait(sys, tasks[1]).await?];
    sys.note(if last == [2 * TURNS - 1, 2 * TURNS] { "each in its turn" } else { "out of turn" }).await;
    // What nobody waits for any more stays where it was raised.
    block(sys, tasks[0].gate).await
}
