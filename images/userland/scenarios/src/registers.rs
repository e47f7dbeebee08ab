use coldframe_abi::{Calls, Deadline, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

/// Long enough for several slices on every ground.
const ROUNDS: u32 = 200;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        _ => holder(sys).await,
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let mut holders = [None; 6];
    for (seat, handle) in (1..).zip(&mut holders) {
        *handle = start(sys, 1, seat).await.ok();
    }
    let mut kept = 0;
    for handle in holders.into_iter().flatten() {
        if let Ok(Word(result)) = sys.thread_join(handle, Deadline::NEVER).await {
            kept += result;
        }
    }
    sys.note(if kept == 6 { "every register kept its value" } else { "registers were lost" }).await;
    0
}

async fn holder<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let pattern = u64::from(sys.part().seat) * 0x0101_0101_0101_0101;
    // What others have left in them is nobody's to see.
    let fresh = sys.ground().has_fresh_registers().await;
    u64::from(sys.ground().hold_registers(pattern, ROUNDS).await && fresh)
}
