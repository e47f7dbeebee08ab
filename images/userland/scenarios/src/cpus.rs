use coldframe_abi::{Calls, CpuId, Deadline, Nanos, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

/// More than any ground of a conformance test has: what does not exist, or is the last, is refused.
const CPUS: u16 = 8;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        _ => worker(sys).await,
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    for _ in 0..3 {
        let mut workers = [None; 4];
        for (seat, handle) in (1..).zip(&mut workers) {
            *handle = start(sys, 1, seat).await.ok();
        }
        // How many CPUs there are is nobody's business, so this goes without a record.
        for cpu in 0..CPUS {
            let _ = sys.ground().cpu_offline(CpuId(cpu)).await;
        }
        sys.ground_pause(Nanos::from_millis(1)).await;
        for cpu in (0..CPUS).rev() {
            let _ = sys.ground().cpu_online(CpuId(cpu)).await;
        }
        let mut done = 0;
        for handle in workers.into_iter().flatten() {
            if let Ok(Word(result)) = sys.thread_join(handle, Deadline::NEVER).await {
                done += result;
            }
        }
        sys.note(if done == 4 { "all came through" } else { "a worker was lost" }).await;
    }
    let _ = sys.cpu_online(CpuId(0)).await;
    0
}

async fn worker<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    for round in 0..8 {
        sys.ground_pause(Nanos::from_micros(100 * round)).await;
        if !sys.ground().hold_registers(round, 1).await {
            return 0;
        }
        let _ = sys.ground().yield_now().await;
    }
    1
}
