use coldframe_abi::{Calls, Deadline, Error, FLOAT_REGISTERS, Nanos, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

/// Long enough for several slices on every ground.
const ROUNDS: u32 = 200;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => {
            let result = first(sys).await;
            result + u64::from(float(sys).await.is_err())
        }
        1 => holder(sys).await,
        role => shows(sys, role == PUTS).await,
    }
}

/// Threads that stop themselves, after they have put something into a register of floating point, or before.
const PUTS: u8 = 2;
const PUTS_NOTHING: u8 = 3;
const PUT: u64 = 77;
const CHANGED: u64 = 55;

async fn shows<G: Ground>(sys: &Recorder<'_, G>, puts: bool) -> u64 {
    if puts {
        sys.ground().put_float(PUT).await;
    }
    let Ok(me) = sys.thread_self().await else { return 0 };
    let _ = sys.thread_suspend(me).await;
    sys.ground().float_word().await
}

/// What a stopped thread has in registers of floating point is seen, and changed, whether it has used them or not.
async fn float<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let register = Word(FLOAT_REGISTERS);
    for role in [PUTS, PUTS_NOTHING] {
        let thread = start(sys, role, 1).await?;
        // When it has stopped is nobody's business.
        while sys.ground().thread_register(thread, register).await.is_err() {
            sys.ground_pause(Nanos::from_micros(100)).await;
        }
        sys.thread_register(thread, register).await?;
        let _ = sys.thread_register(thread, Word(FLOAT_REGISTERS - 1)).await;
        let _ = sys.thread_set_register(thread, Word(FLOAT_REGISTERS + 33), Word(CHANGED)).await;
        sys.thread_set_register(thread, register, Word(CHANGED)).await?;
        sys.thread_register(thread, register).await?;
        sys.thread_resume(thread).await?;
        sys.thread_join(thread, Deadline::NEVER).await?;
    }
    Ok(())
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
