use coldframe_abi::{Calls, Deadline, Nanos};

use crate::threads::start;
use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        1 => stops_itself(sys).await,
        _ => sleeps(sys).await,
    }
}

async fn pause<G: Ground>(sys: &Recorder<'_, G>, span: Nanos) {
    if let Ok(now) = sys.clock().await {
        let _ = sys.sleep(Deadline::at(now.after(span))).await;
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(selfish) = start(sys, 1, 1).await else { return 1 };
    // It has stopped itself once this resume succeeds; how often that takes is nobody's business.
    while sys.ground_resume(selfish).await.is_err() {
        sys.ground_pause(Nanos::from_micros(100)).await;
    }
    let _ = sys.thread_join(selfish, Deadline::NEVER).await;

    let Ok(sleeper) = start(sys, 2, 2).await else { return 1 };
    // By now it sleeps, and will for long: it is stopped in its sleep.
    sys.ground_pause(Nanos::from_millis(5)).await;
    let _ = sys.thread_suspend(sleeper).await;
    let _ = sys.thread_suspend(sleeper).await;
    // Its sleep is over long before this, and it stays where it is all the same.
    pause(sys, Nanos::from_millis(300)).await;
    let _ = sys.thread_join(sleeper, Deadline::NOW).await;
    let _ = sys.thread_resume(sleeper).await;
    let _ = sys.thread_join(sleeper, Deadline::NEVER).await;
    let _ = sys.thread_resume(sleeper).await;
    0
}

async fn stops_itself<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    let _ = sys.thread_suspend(me).await;
    sys.note("goes on").await;
    7
}

async fn sleeps<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    // Without a record: whether it comes to its first call before it is stopped is nobody's business.
    sys.ground_pause(Nanos::from_millis(200)).await;
    9
}

impl<G: Ground> Recorder<'_, G> {
    /// Resumes a thread without a record.
    pub(crate) async fn ground_resume(
        &self,
        thread: coldframe_abi::ThreadHandle,
    ) -> Result<(), coldframe_abi::Error> {
        self.ground().thread_resume(thread).await
    }

    /// Sleeps without a record.
    pub(crate) async fn ground_pause(&self, span: Nanos) {
        if let Ok(now) = self.ground().clock().await {
            let _ = self.ground().sleep(Deadline::at(now.after(span))).await;
        }
    }
}
