//! The few calls to firmware that the kernel needs (RISC-V SBI specification 1.0).

fn call(extension: u64, function: u64, arguments: [u64; 3]) -> (i64, u64) {
    let (error, value);
    // SAFETY: an SBI call keeps all registers but a0 and a1, and touches no memory of ours with these functions.
    unsafe {
        core::arch::asm!(
            "ecall",
            inlateout("a0") arguments[0] => error,
            inlateout("a1") arguments[1] => value,
            in("a2") arguments[2],
            in("a6") function,
            in("a7") extension,
            options(nostack)
        );
    }
    (error, value)
}

const TIME: u64 = 0x5449_4d45;
const IPI: u64 = 0x0073_5049;
const HSM: u64 = 0x0048_534d;
const RESET: u64 = 0x5352_5354;

/// Asks for a timer interrupt at a moment of `time`; one that is pending goes if the moment is to come.
pub(super) fn set_timer(ticks: u64) {
    let _ = call(TIME, 0, [ticks, 0, 0]);
}

/// Interrupts a hart.
pub(super) fn send_ipi(hart: u64) {
    let _ = call(IPI, 0, [1, hart, 0]);
}

/// Starts a hart at a physical address, with a word in a1; says whether firmware agreed.
pub(super) fn start_hart(hart: u64, address: u64, word: u64) -> bool {
    call(HSM, 0, [hart, address, word]).0 == 0
}

/// Turns the machine off.
pub(super) fn reset() {
    let _ = call(RESET, 0, [0, 0, 0]);
}
