//! The threads mode: each simulated CPU is a host thread around the real lock, with a mailbox for kicks.
//!
//! The order of things is the host's: this mode is for stress and for histories, never for replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coldframe_abi::{CpuId, Request};
use coldframe_hal::{Clock, Cpu, Stale, Translation, Trap};
use coldframe_kernel::{FastCall, Kernel, Resume};
use coldframe_sync::{Lock, Relax};
use crossbeam::channel::{Receiver, bounded};

use crate::{Board, HardwareFormat, HostCpu, HostMachine, HostRegisters};

/// A host thread that waits for the lock lets others run: there are more CPUs than cores.
#[derive(Clone, Copy, Debug)]
pub struct Yield;

impl Relax for Yield {
    fn relax() {
        std::thread::yield_now();
    }
}

/// A kernel and whoever watches it, behind the lock, as host threads share them.
pub type SharedKernel<F, W> = Lock<(Kernel<HostMachine<F>>, W), Yield>;

/// Whoever sees each entry, in the order of the lock. The fast way is tried only where nobody does: what it leaves is to
/// be looked at when the CPU has looked again.
pub trait Watcher<F: HardwareFormat>: Send {
    /// Whether it wants to see entries.
    const WATCHES: bool;

    /// The kernel is about to be entered.
    fn before(&mut self, kernel: &Kernel<HostMachine<F>>, cpu: &HostCpu<F>, trap: Trap);

    /// It has been left.
    fn after(&mut self, kernel: &Kernel<HostMachine<F>>, cpu: &HostCpu<F>, trap: Trap, resume: Resume);
}

/// Nobody.
impl<F: HardwareFormat> Watcher<F> for () {
    const WATCHES: bool = false;

    fn before(&mut self, _: &Kernel<HostMachine<F>>, _: &HostCpu<F>, _: Trap) {}

    fn after(&mut self, _: &Kernel<HostMachine<F>>, _: &HostCpu<F>, _: Trap, _: Resume) {}
}

/// How long an idle CPU sleeps at most before it looks whether time has come for its timer.
const NAP: Duration = Duration::from_micros(200);

/// How far one nap moves the shared clock: an idle machine's time passes too.
const NAP_NANOS: u64 = 50_000;

/// What user mode does: given the registers, it prepares the next trap. `None` means that the program only computes.
pub trait UserMode<F>: Sync {
    /// Runs user mode until it traps.
    fn run(&self, cpu: CpuId, registers: &mut HostRegisters) -> Option<Trap>;
}

/// Runs a machine until it is off; gives the kernel back.
///
/// # Panics
/// If a CPU panics, which is a failure of the kernel under test.
pub fn run<F, U>(
    cpus: u16,
    frames: usize,
    seed: u64,
    user: &U,
    boot: impl FnOnce(&mut Kernel<HostMachine<F>>),
) -> Kernel<HostMachine<F>>
where
    F: HardwareFormat + Send + Sync,
    U: UserMode<F>,
{
    run_watched(cpus, frames, seed, user, boot, |_| ()).0
}

/// The same, seen by a watcher that is made of the kernel as it has booted.
///
/// # Panics
/// If a CPU panics, which is a failure of the kernel under test.
pub fn run_watched<F, U, W>(
    cpus: u16,
    frames: usize,
    seed: u64,
    user: &U,
    boot: impl FnOnce(&mut Kernel<HostMachine<F>>),
    watcher: impl FnOnce(&Kernel<HostMachine<F>>) -> W,
) -> (Kernel<HostMachine<F>>, W)
where
    F: HardwareFormat + Send + Sync,
    U: UserMode<F>,
    W: Watcher<F>,
{
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..cpus).map(|_| bounded(1)).unzip();
    let board: Arc<Board> = Arc::default();
    let machine = HostMachine::<F>::with_mailboxes(senders, Arc::clone(&board), frames, seed);
    let map = machine.memory_map();
    let mut kernel =
        Kernel::new(machine, cpus, map).unwrap_or_else(|error| panic!("the machine is too small: {error:?}"));
    boot(&mut kernel);
    let watcher = watcher(&kernel);
    let shared: SharedKernel<F, W> = Lock::new((kernel, watcher));
    let clock = Arc::new(AtomicU64::new(1));
    crossbeam::thread::scope(|scope| {
        for (id, mailbox) in (0..cpus).zip(&receivers) {
            let (shared, board, clock) = (&shared, &board, Arc::clone(&clock));
            scope.spawn(move |_| {
                run_cpu(HostCpu::with_shared_clock(CpuId(id), clock), shared, board, mailbox, user);
            });
        }
    })
    .unwrap_or_else(|_| panic!("a CPU panicked"));
    shared.into_inner()
}

/// The loop around the kernel: wait for a trap, take the lock, enter, let the lock go, act on what it says.
fn run_cpu<F: HardwareFormat, U: UserMode<F>, W: Watcher<F>>(
    mut cpu: HostCpu<F>,
    shared: &SharedKernel<F, W>,
    board: &Board,
    mailbox: &Receiver<()>,
    user: &U,
) {
    let mut trap = Trap::Again;
    loop {
        // Before it waits for the lock, and whatever brought it here.
        let id = usize::from(cpu.id().0);
        let was_asked = board.bell(id).has_rung();
        let _ = board.answer(id, |words| cpu.forget(Stale::from_words(words)));
        let resume = enter(&mut cpu, shared, trap, || was_asked || board.bell(id).has_rung());
        trap = match resume {
            Resume::Off => return,
            Resume::Again => pending(&mut cpu, mailbox).unwrap_or(Trap::Again),
            Resume::Idle => idle(&mut cpu, mailbox),
            Resume::User => run_user(&mut cpu, mailbox, user),
        };
    }
}

fn enter<F: HardwareFormat, W: Watcher<F>>(
    cpu: &mut HostCpu<F>,
    shared: &SharedKernel<F, W>,
    trap: Trap,
    is_asked: impl FnOnce() -> bool,
) -> Resume {
    let mut shared = shared.lock();
    let (kernel, watcher) = &mut *shared;
    // Whoever was the last to answer ends the flush, for which it has to enter.
    if !W::WATCHES && trap == Trap::Syscall && !is_asked() && finishes_fast(kernel, cpu) {
        return Resume::User;
    }
    watcher.before(kernel, cpu, trap);
    let resume = kernel.enter(cpu, trap);
    watcher.after(kernel, cpu, trap, resume);
    resume
}

/// Whether the call that a CPU makes was done the fast way.
fn finishes_fast<F: HardwareFormat>(kernel: &mut Kernel<HostMachine<F>>, cpu: &mut HostCpu<F>) -> bool {
    let Request { number, arguments: [first, second, third, ..] } = cpu.peek().request;
    let Some(call) = FastCall::from_number(number) else { return false };
    let Some(done) = kernel.fast(cpu, call, [first, second, third]) else { return false };
    cpu.find(done);
    true
}

fn pending<F: HardwareFormat>(cpu: &mut HostCpu<F>, mailbox: &Receiver<()>) -> Option<Trap> {
    if mailbox.try_recv().is_ok() {
        return Some(Trap::Kick);
    }
    if cpu.armed().is_some_and(|deadline| deadline <= cpu.now()) {
        cpu.fired();
        return Some(Trap::Timer);
    }
    None
}

fn run_user<F: HardwareFormat, U: UserMode<F>>(
    cpu: &mut HostCpu<F>,
    mailbox: &Receiver<()>,
    user: &U,
) -> Trap {
    loop {
        if let Some(trap) = pending(cpu, mailbox) {
            return trap;
        }
        let id = cpu.id();
        if let Some(trap) = user.run(id, cpu.registers()) {
            return trap;
        }
    }
}

fn idle<F: HardwareFormat>(cpu: &mut HostCpu<F>, mailbox: &Receiver<()>) -> Trap {
    loop {
        if let Some(trap) = pending(cpu, mailbox) {
            return trap;
        }
        if mailbox.recv_timeout(NAP).is_ok() {
            return Trap::Kick;
        }
        cpu.pass(NAP_NANOS);
    }
}

impl<F: HardwareFormat> HostCpu<F> {
    /// Lets time pass on the shared clock; on a clock that the ground sets, nothing happens by itself.
    fn pass(&self, nanos: u64) {
        if let Some(counter) = self.shared_clock() {
            counter.fetch_add(nanos, Ordering::SeqCst);
        }
    }
}
