use coldframe_abi::{Calls, Counter, Deadline, Error, Priority, ThreadHandle, UserAddress, Word};

use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        1 => adder(sys).await,
        _ => joiner_of_many(sys).await,
    }
}

/// Starts a thread in a seat.
pub(crate) async fn start<G: Ground>(
    sys: &Recorder<'_, G>,
    role: u8,
    seat: u8,
) -> Result<ThreadHandle, Error> {
    let ground = sys.ground();
    sys.thread_create(ground.entry(), ground.stack(seat), Word(sys.part_word(role, seat))).await
}

/// Starts a thread, and lets it run until it waits: whoever starts it has the same CPU, and steps back for it.
pub(crate) async fn cornered<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    role: u8,
    seat: u8,
) -> Option<ThreadHandle> {
    let thread = start(sys, role, seat).await.ok()?;
    let _ = sys.set_priority(me, Priority(100)).await;
    let _ = sys.set_priority(me, Priority(128)).await;
    Some(thread)
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    let _ = sys.null().await;
    let _ = sys.yield_now().await;
    counts(sys, me).await;
    let mut handles = [None; 4];
    for (seat, handle) in (1..).zip(&mut handles) {
        *handle = start(sys, 1, seat).await.ok();
    }
    let mut sum = 0;
    for handle in handles.into_iter().flatten() {
        if let Ok(Word(result)) = sys.thread_join(handle, Deadline::NEVER).await {
            sum += result;
        }
    }
    sys.note(if sum == 10 { "all results arrived" } else { "a result is missing" }).await;
    // Handles that name nothing any more, or never did, or the caller itself.
    if let Some(handle) = handles[0] {
        let _ = sys.thread_join(handle, Deadline::NEVER).await;
        let _ = sys.thread_suspend(handle).await;
    }
    let _ = sys.thread_join(me, Deadline::NEVER).await;
    let _ = sys.thread_join(ThreadHandle::from_word(u64::MAX), Deadline::NOW).await;
    let _ = sys.thread_create(UserAddress(u64::MAX), sys.ground().stack(1), Word(0)).await;
    if let Ok(nest) = start(sys, 2, 5).await {
        let _ = sys.thread_join(nest, Deadline::NEVER).await;
    }
    0
}

/// What is counted between two looks is what was done, the looks among it.
async fn counts<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let ground = sys.ground();
    let Ok(calls) = ground.thread_count(me, Counter::Calls).await else { return };
    let Ok(refusals) = ground.thread_count(me, Counter::Refusals).await else { return };
    let _ = ground.null().await;
    let _ = ground.cpu_time(ThreadHandle::from_word(u64::MAX)).await;
    let after = ground.thread_count(me, Counter::Calls).await;
    sys.note(if after == Ok(Word(calls.0 + 4)) { "four calls more" } else { "calls are lost" }).await;
    let after = ground.thread_count(me, Counter::Refusals).await;
    sys.note(if after == Ok(Word(refusals.0 + 1)) { "one was refused" } else { "refusals are lost" }).await;
}

async fn adder<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let _ = sys.yield_now().await;
    u64::from(sys.part().seat)
}

async fn joiner_of_many<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let mut last = 0;
    for _ in 0..8 {
        let Ok(child) = start(sys, 1, 6).await else { return 1 };
        if let Ok(Word(result)) = sys.thread_join(child, Deadline::NEVER).await {
            last = result;
        }
    }
    last
}
