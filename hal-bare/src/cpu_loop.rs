//! The loop around the kernel: wait for a trap, take the lock, enter, let the lock go, act on what it says.

use coldframe_abi::Arrival;
use coldframe_hal::{Stale, Trap};
use coldframe_kernel::{FastCall, FastReply, Kernel, Resume};
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
    /// The caller goes on, with signals in place of a message.
    Signalled = 3,
}

/// Tries one of the calls the fast way: the assembly at the entry comes to one of these before it saves what `enter` would
/// need.
pub(crate) type Leaf = extern "C" fn(&mut BareCpu) -> Fast;

/// Which, by the number of the call.
pub(crate) static LEAVES: [Option<Leaf>; 64] = {
    let mut leaves: [Option<Leaf>; 64] = [None; 64];
    leaves[FastCall::YieldNow.number() as usize] = Some(arch::yield_leaf);
    leaves[FastCall::Signal.number() as usize] = Some(arch::signal_leaf);
    leaves[FastCall::Call.number() as usize] = Some(call);
    leaves[FastCall::Receive.number() as usize] = Some(arch::receive_leaf);
    leaves[FastCall::ReplyReceive.number() as usize] = Some(reply_receive);
    leaves[FastCall::CapabilityCopy.number() as usize] = Some(capability_copy);
    leaves[FastCall::CapabilityDelete.number() as usize] = Some(capability_delete);
    leaves
};

/// The same of calls about pages, which need three words and are answered with nothing but that they are done.
pub(crate) type PageLeaf = extern "C" fn(&mut BareCpu, u64, u64, u64) -> Fast;

/// Which, by the number of the call.
pub(crate) static PAGE_LEAVES: [Option<PageLeaf>; 64] = {
    let mut leaves: [Option<PageLeaf>; 64] = [None; 64];
    leaves[FastCall::MemoryReserve.number() as usize] = Some(memory_reserve);
    leaves[FastCall::MemoryFill.number() as usize] = Some(memory_fill);
    leaves[FastCall::MemoryUnmap.number() as usize] = Some(memory_unmap);
    leaves[FastCall::MemoryProtect.number() as usize] = Some(memory_protect);
    leaves
};

/// Code in the assembly at which a call goes on.
pub(crate) type Entry = unsafe extern "C" fn();

/// The places where calls go on in the assembly.
pub(crate) struct Entries {
    /// Those that have no leaf.
    pub(crate) slow: Entry,
    /// Those of two leaves that need little.
    pub(crate) null: Entry,
    pub(crate) signal: Entry,
    /// Those of the leaves that need three words.
    pub(crate) page: Entry,
    /// All others: whatever may be part of a message.
    pub(crate) whole: Entry,
}

/// Where, by the number of the call.
pub(crate) const fn entries(places: &Entries) -> [Entry; 64] {
    let mut entries = [places.slow; 64];
    let mut at = 0;
    while at < FastCall::ALL.len() {
        let call = FastCall::ALL[at];
        entries[call.number() as usize] = match call {
            FastCall::Null => places.null,
            FastCall::Signal => places.signal,
            FastCall::MemoryReserve
            | FastCall::MemoryFill
            | FastCall::MemoryUnmap
            | FastCall::MemoryProtect => places.page,
            FastCall::YieldNow
            | FastCall::Call
            | FastCall::Receive
            | FastCall::ReplyReceive
            | FastCall::CapabilityCopy
            | FastCall::CapabilityDelete => places.whole,
        };
        at += 1;
    }
    entries
}

/// The leaf of `null`, for an entry that saves nothing.
pub(crate) extern "C" fn null(cpu: &mut BareCpu) -> Fast {
    alone(cpu, FastCall::Null, [0; 3])
}

/// The leaf of `signal`, for an entry that saves only its arguments.
pub(crate) extern "C" fn signal(cpu: &mut BareCpu, endpoint: u64, bits: u64) -> Fast {
    alone(cpu, FastCall::Signal, [endpoint, bits, 0])
}

/// Called with what the thread has in registers that a leaf keeps, and leaves there what the next one has.
pub(crate) extern "C" fn yield_now(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::YieldNow)
}

/// The same where somebody waits, if that one runs at once.
pub(crate) extern "C" fn signal_whole(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::Signal)
}

/// Called with a message in registers that a leaf keeps.
pub(crate) extern "C" fn receive(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::Receive)
}

extern "C" fn call(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::Call)
}

extern "C" fn reply_receive(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::ReplyReceive)
}

extern "C" fn capability_copy(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::CapabilityCopy)
}

extern "C" fn capability_delete(cpu: &mut BareCpu) -> Fast {
    fast(cpu, FastCall::CapabilityDelete)
}

extern "C" fn memory_reserve(cpu: &mut BareCpu, start: u64, length: u64, rights: u64) -> Fast {
    alone(cpu, FastCall::MemoryReserve, [start, length, rights])
}

extern "C" fn memory_fill(cpu: &mut BareCpu, start: u64, length: u64, _: u64) -> Fast {
    alone(cpu, FastCall::MemoryFill, [start, length, 0])
}

extern "C" fn memory_unmap(cpu: &mut BareCpu, start: u64, length: u64, _: u64) -> Fast {
    alone(cpu, FastCall::MemoryUnmap, [start, length, 0])
}

extern "C" fn memory_protect(cpu: &mut BareCpu, start: u64, length: u64, rights: u64) -> Fast {
    alone(cpu, FastCall::MemoryProtect, [start, length, rights])
}

#[inline(always)]
fn fast(cpu: &mut BareCpu, call: FastCall) -> Fast {
    match tried(cpu, call, cpu.call.arguments()) {
        None => Fast::Declined,
        Some(FastReply::Answered(reply)) => {
            cpu.call.answer(reply, Arrival::Sent);
            Fast::Answered
        }
        Some(FastReply::Passed(reply, arrival)) => {
            cpu.call.answer(reply, arrival);
            Fast::Passed
        }
        Some(FastReply::Signalled(reply)) => {
            cpu.call.answer_signalled(reply);
            Fast::Signalled
        }
        Some(FastReply::Swapped) => Fast::Passed,
    }
}

#[inline(always)]
fn alone(cpu: &mut BareCpu, call: FastCall, arguments: [u64; 3]) -> Fast {
    let mut kernel = KERNEL.lock();
    let Some(kernel) = at_once(cpu, &mut kernel) else { return Fast::Declined };
    if kernel.fast_alone(cpu, call, arguments) { Fast::Answered } else { Fast::Declined }
}

#[inline(always)]
fn tried(cpu: &mut BareCpu, call: FastCall, arguments: [u64; 3]) -> Option<FastReply> {
    let mut kernel = KERNEL.lock();
    at_once(cpu, &mut kernel)?.fast(cpu, call, arguments)
}

/// The kernel, unless this CPU has to answer a flush: the slow way does, before it asks for the lock.
#[inline(always)]
fn at_once<'a>(
    cpu: &mut BareCpu,
    locked: &'a mut Option<Kernel<BareMachine>>,
) -> Option<&'a mut Kernel<BareMachine>> {
    if cpu.flush_bell.has_rung() {
        return None;
    }
    arch::catch_up_with_windows(&mut cpu.windows_seen);
    locked.as_mut()
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
