use coldframe_abi::{Calls, Deadline, Error, Nanos, PageRights, UserAddress, UserRange};

use crate::threads::start;
use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        _ => sleeper(sys).await,
    }
}

/// Whoever sleeps for good keeps its stack.
const SLEEPERS_SEAT: u8 = 7;

/// Sleeps for a while and says whether the clock agrees.
async fn nap<G: Ground>(sys: &Recorder<'_, G>, span: Nanos) -> bool {
    let Ok(before) = sys.clock().await else { return false };
    let until = before.after(span);
    let _ = sys.sleep(Deadline::at(until)).await;
    sys.clock().await.is_ok_and(|after| after >= until)
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let _ = sys.sleep(Deadline::NOW).await;
    for span in [Nanos(1), Nanos::from_micros(50), Nanos::from_millis(3)] {
        let slept = nap(sys, span).await;
        sys.note(if slept { "slept long enough" } else { "woke too early" }).await;
    }
    reads_the_clock_page(sys).await;
    // Nobody else sits there: this thread never leaves.
    let Ok(child) = start(sys, 1, SLEEPERS_SEAT).await else { return 1 };
    // The child sleeps for good: what ends this wait is its deadline.
    let Ok(now) = sys.clock().await else { return 1 };
    let soon = Deadline::at(now.after(Nanos::from_millis(1)));
    let outcome = sys.thread_join(child, soon).await;
    sys.note(if outcome == Err(Error::TimedOut) { "the wait ended by its deadline" } else { "it did not" })
        .await;
    let _ = sys.thread_join(child, Deadline::NOW).await;
    0
}

async fn sleeper<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    // Without a record: how far it comes before the scenario is over is nobody's business.
    let _ = sys.ground().sleep(Deadline::NEVER).await;
    1
}

/// Where no ground has put anything.
const CLOCK: UserAddress = UserAddress(0x20_0000_0000);

async fn reads_the_clock_page<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.clock_map(UserAddress(CLOCK.0 + 8)).await;
    let Ok(mapping) = sys.clock_map(CLOCK).await else { return };
    let _ = sys.clock_map(CLOCK).await;
    let ground = sys.ground();
    let mut agrees = true;
    for _ in 0..20 {
        let Ok(before) = ground.clock().await else { return };
        let found = ground.clock_page(CLOCK).await.rate.instant(ground.counter().await);
        let Ok(after) = ground.clock().await else { return };
        agrees &= before <= found && found <= after;
    }
    sys.note(if agrees { "the page says what the kernel says" } else { "page and kernel disagree" }).await;
    // It is for reading, and belongs to a mapping.
    let page = UserRange { start: CLOCK, length: 4_096 };
    let _ = sys.memory_protect(page, PageRights::ReadWrite).await;
    let _ = sys.memory_unmap(page).await;
    let _ = sys.memory_query(CLOCK).await;
    let _ = sys.mapping_object(mapping).await;
    let _ = sys.mapping_unmap(mapping).await;
    let _ = sys.memory_query(CLOCK).await;
}
