use coldframe_abi::{Number, Request, Sys, TABLE};

use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _role: u8) -> u64 {
    for number in [TABLE.len() as u64, 999, u64::MAX] {
        let _ = sys.request(Request { number, arguments: [0; 6] }).await;
    }
    // Words that no argument can be: a class, a priority, a CPU, a status.
    for (call, word, value) in [
        (Number::SetClass, 1, 4),
        (Number::SetClass, 1, u64::MAX),
        (Number::SetPriority, 1, 256),
        (Number::CpuOffline, 0, 1 << 16),
        (Number::PowerOff, 0, 256),
        (Number::ProcessExit, 0, u64::MAX),
    ] {
        let mut arguments = [0; 6];
        arguments[word] = value;
        let _ = sys.request(Request { number: call as u64, arguments }).await;
    }
    // Handles out of thin air, for every call that takes one.
    for number in TABLE {
        let row = number.description();
        let takes_thread = row.parameters.first().is_some_and(|first| first.name == "thread");
        if takes_thread {
            for word in [0, 1 << 32, u64::MAX, u64::MAX >> 1] {
                let _ =
                    sys.request(Request { number: *number as u64, arguments: [word, 1, 1, 0, 0, 0] }).await;
            }
        }
    }
    0
}
