use coldframe_abi::{Calls, Class, CpuId, Deadline, GroupHandle, Nanos, Priority, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        _ => worker(sys).await,
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    let Ok(worker) = start(sys, 1, 1).await else { return 1 };
    for class in Class::ALL {
        let _ = sys.set_class(worker, class).await;
        let _ = sys.set_priority(worker, Priority(7)).await;
    }
    let _ = sys.set_class(worker, Class::Normal).await;
    if let Ok(group) = sys.group_create().await {
        let _ = sys.set_group(worker, group).await;
        let _ = sys.set_group(me, group).await;
        let stale = GroupHandle { generation: group.generation + 1, ..group };
        let _ = sys.set_group(me, stale).await;
    }
    // CPU 0 exists on every machine; bank 4 and a mask without a CPU on none.
    let _ = sys.set_affinity(worker, Word(0), Word(1)).await;
    let _ = sys.set_affinity(worker, Word(0), Word(u64::MAX)).await;
    let _ = sys.set_affinity(worker, Word(4), Word(1)).await;
    let _ = sys.set_affinity(worker, Word(0), Word(0)).await;
    let _ = sys.cpu_online(CpuId(0)).await;
    let _ = sys.cpu_offline(CpuId(u16::MAX)).await;
    let _ = sys.cpu_online(CpuId(u16::MAX)).await;
    let _ = sys.cpu_time(me).await;
    while sys.ground_resume(worker).await.is_err() {
        sys.ground_pause(Nanos::from_micros(100)).await;
    }
    let _ = sys.thread_join(worker, Deadline::NEVER).await;
    let _ = sys.set_priority(worker, Priority(1)).await;
    let _ = sys.cpu_time(worker).await;
    0
}

async fn worker<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    // It stays until the first thread has done all that it does to it.
    let Ok(me) = sys.thread_self().await else { return 1 };
    let _ = sys.thread_suspend(me).await;
    for _ in 0..4 {
        let Ok(now) = sys.clock().await else { return 1 };
        let _ = sys.sleep(Deadline::at(now.after(Nanos::from_micros(300)))).await;
        let _ = sys.yield_now().await;
    }
    42
}
