use coldframe_abi::{Calls, UserAddress, UserRange};

use crate::ground::SAMPLE_LENGTH;
use crate::{Ground, Recorder};

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _role: u8) -> u64 {
    let sample = sys.ground().sample();
    let at = |start, length| UserRange { start: UserAddress(start), length };
    let _ = sys.console_write(at(sample.0, SAMPLE_LENGTH)).await;
    let _ = sys.console_write(at(sample.0, 0)).await;
    // Ranges that wrap, that reach over the split, that start behind it, and that nobody has mapped.
    for (start, length) in [
        (sample.0, u64::MAX),
        (u64::MAX - 7, 8),
        (u64::MAX, 1),
        (1 << 63, 16),
        ((1 << 38) - 8, 16),
        ((1 << 47) - 8, 16),
        (1 << 37, 16),
        (0, 16),
    ] {
        let _ = sys.console_write(at(start, length)).await;
    }
    0
}
