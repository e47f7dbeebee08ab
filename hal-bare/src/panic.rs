//! The last words: what happened, where, and how it came there. `images` adds the names to the addresses.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use coldframe_abi::ExitCode;

use crate::arch;
use crate::console::say;

/// The status of a machine that panicked.
const PANICKED_STATUS: ExitCode = ExitCode(101);

static PANICKED: AtomicBool = AtomicBool::new(false);

/// No deeper backtrace is printed.
const DEEPEST: usize = 24;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if PANICKED.swap(true, Ordering::SeqCst) {
        // Another CPU is speaking, or this one panicked while it did.
        arch::halt();
    }
    arch::interrupt_all();
    say!("\nkernel panic: {info}");
    arch::print_registers();
    say!("backtrace:");
    let mut frame = arch::frame_pointer();
    for _ in 0..DEEPEST {
        let Some((address, next)) = arch::caller_of(frame) else { break };
        say!("  at {address:#018x}");
        frame = next;
    }
    arch::power_off(PANICKED_STATUS);
    arch::halt()
}

/// A CPU that was kicked because another has panicked stops here.
pub(crate) fn stop_if_another_cpu_panicked() {
    if PANICKED.load(Ordering::SeqCst) {
        arch::halt();
    }
}
