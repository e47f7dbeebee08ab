use coldframe_abi::{Calls, Deadline, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

/// Long enough for several slices on every ground.
const ROUNDS: u32 = 1_000;
const YIELDS: u64 = 300;
/// Those that yield stand beside each other in their queue, and beside those that compute.
const ROLES: [u8; 6] = [1, 1, 2, 1, 2, 2];

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        1 => yields(sys).await,
        _ => holds(sys).await,
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let mut threads = [None; ROLES.len()];
    for ((seat, role), handle) in (1..).zip(ROLES).zip(&mut threads) {
        *handle = start(sys, role, seat).await.ok();
    }
    let mut kept = 0;
    for handle in threads.into_iter().flatten() {
        if let Ok(Word(result)) = sys.thread_join(handle, Deadline::NEVER).await {
            kept += result;
        }
    }
    let kept = kept == ROLES.len() as u64;
    sys.note(if kept { "every register kept its value" } else { "registers were lost" }).await;
    0
}

async fn yields<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let mut sum = u64::from(sys.part().seat);
    for number in 0..YIELDS {
        if sys.ground().yield_now().await.is_err() {
            return 0;
        }
        sum += number;
    }
    u64::from(sum == u64::from(sys.part().seat) + YIELDS * (YIELDS - 1) / 2)
}

async fn holds<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let pattern = u64::from(sys.part().seat) * 0x0101_0101_0101_0101;
    u64::from(sys.ground().hold_plain_registers(pattern, ROUNDS).await)
}
