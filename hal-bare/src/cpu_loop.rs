//! The loop around the kernel: wait for a trap, take the lock, enter, let the lock go, act on what it says.

use coldframe_hal::{Stale, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_sync::Lock;

use crate::arch::{self, UserExit};
use crate::machine::{BareCpu, BareMachine, FLUSHES, KICKS};

/// The kernel, once the first CPU has made it.
pub(crate) static KERNEL: Lock<Option<Kernel<BareMachine>>> = Lock::new(None);

/// How a call went that was tried the fast way.
#[repr(u32)]
pub(crate) enum Fast {
    /// Nothing has changed.
    Declined = 0,
    /// The caller goes on.
    Answered = 1,
    /// Another thread goes on.
    Passed = 2,
}

/// Tries a call the fast way: the assembly at the entry calls this before it saves what `enter` would need.
pub(crate) extern "C" fn fast_call(cpu: &mut BareCpu) -> Fast {
    // A flush is answered at every trap, before the lock: the slow way does.
    if FLUSHES.is_asked(usize::from(cpu.id.0)) {
        return Fast::Declined;
    }
    let Some([number, first, second]) = cpu.call.request() else { return Fast::Declined };
    let mut kernel = KERNEL.lock();
    arch::catch_up_with_windows(&mut cpu.windows_seen);
    let Some(kernel) = kernel.as_mut() else { return Fast::Declined };
    let Some(answered) = kernel.fast(cpu, number, [first, second]) else {
        return Fast::Declined;
    };
    cpu.call.answer(answered);
    if answered.passed { Fast::Passed } else { Fast::Answered }
}

/// Runs one CPU for ever.
pub(crate) fn run(mut cpu: BareCpu) -> ! {
    let mut trap = Trap::Again;
    let mut resume = Resume::Again;
    loop {
        let id = usize::from(cpu.id.0);
        // At every trap, and so before the first entry too: the interrupt of a kick that came before this CPU was up
        // went to nobody, and a word that stays set would silence all kicks that follow (SYN-3).
        let kicked = KICKS[id].take();
        // Before it waits for the lock: whoever holds that never waits for this CPU (SYN-4).
        let last = FLUSHES.answer(id, |words| arch::forget(Stale::from_words(words)));
        if trap == Trap::Kick && !kicked && !last {
            trap = go_on(&mut cpu, resume);
            continue;
        }
        resume = {
            let mut kernel = KERNEL.lock();
            arch::catch_up_with_windows(&mut cpu.windows_seen);
            match kernel.as_mut() {
                Some(kernel) => kernel.enter(&mut cpu, trap),
                None => unreachable!("CPUs start once the kernel is there"),
            }
        };
        trap = go_on(&mut cpu, resume);
    }
}

/// Does what the kernel has said, until the next trap.
fn go_on(cpu: &mut BareCpu, resume: Resume) -> Trap {
    let trap = match resume {
        Resume::User => run_user(cpu),
        Resume::Idle => arch::wait_for_interrupt(cpu.id),
        Resume::Again => arch::pending_interrupt(cpu.id).unwrap_or(Trap::Again),
        Resume::Off => arch::halt(),
    };
    if trap == Trap::Kick {
        crate::panic::stop_if_another_cpu_panicked();
        // The interrupt of a device comes as one: this is not the place for it that most traps pass.
        if let Some(line) = arch::take_line(cpu.id) {
            return Trap::Line(line);
        }
    }
    trap
}

fn run_user(cpu: &mut BareCpu) -> Trap {
    loop {
        match arch::run_user(cpu) {
            UserExit::Trap(trap) => return trap,
            UserExit::WantsFloat => cpu.registers.allow_float(),
        }
    }
}
