//! x86_64: PVH start, local APICs, HPET for calibration, four levels of paging.

mod apic;
mod descriptors;
mod entry;
mod instructions;
mod kernel_map;
mod user;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use coldframe_abi::{CpuId, ExitCode, Instant};
use coldframe_hal::paging::FourLevel;
use coldframe_hal::{Frame, MAX_CPUS, Trap};

pub(crate) use kernel_map::{
    DIRECT_WINDOW, catch_up_with_windows, frame_of_kernel_page, kernel_half, kernel_page, kernel_root,
    kernel_table, window, window_changed,
};
pub(crate) use user::{Registers, UserExit, run_user};

use crate::boot::TickRate;
use crate::console::say;
use instructions::{inb, outb};

pub(crate) type Paging = FourLevel;

/// The vectors of the interrupts that the kernel takes, and of the slow way to make a call.
const KICK_VECTOR: u8 = 0x40;
const TIMER_VECTOR: u8 = 0x41;
const CALL_VECTOR: u8 = 0x69;
const SPURIOUS_VECTOR: u8 = 0xff;

static TSC_HERTZ: AtomicU64 = AtomicU64::new(0);
static APIC_HERTZ: AtomicU64 = AtomicU64::new(0);
static APIC_IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(u32::MAX) }; MAX_CPUS];

fn rate(hertz: &AtomicU64) -> TickRate {
    match TickRate::new(hertz.load(Ordering::Relaxed)) {
        Ok(rate) => rate,
        Err(bad) => panic!("a clock cannot run at the speed that was measured: {bad:?}"),
    }
}

/// Readies this CPU for user mode.
pub(crate) fn set_up_cpu(cpu: CpuId) {
    kernel_map::protect();
    descriptors::set_up(cpu);
    user::set_up();
    apic::set_up();
}

pub(crate) fn ticks() -> u64 {
    instructions::read_tsc()
}

pub(crate) fn now() -> Instant {
    rate(&TSC_HERTZ).instant(ticks())
}

pub(crate) fn arm(deadline: Instant) {
    let span = deadline.since(now());
    // A moment that the counter cannot hold is reached in several parts; one that has passed comes at once.
    let ticks = rate(&APIC_HERTZ).ticks_in(span).clamp(1, u64::from(u32::MAX));
    apic::set_timer(ticks as u32);
}

pub(crate) fn disarm() {
    apic::set_timer(0);
}

pub(crate) fn activate(root: Frame) {
    kernel_map::activate(root);
}

pub(crate) fn interrupt(cpu: CpuId) {
    let id = APIC_IDS[usize::from(cpu.0)].load(Ordering::SeqCst);
    if id != u32::MAX {
        apic::send(id, u32::from(KICK_VECTOR));
    }
}

pub(crate) fn interrupt_all() {
    for cpu in 0..MAX_CPUS as u16 {
        interrupt(CpuId(cpu));
    }
}

pub(crate) fn start_cpu(cpu: CpuId, id: u32) -> bool {
    let started = entry::start_cpu(cpu, id);
    if started {
        APIC_IDS[usize::from(cpu.0)].store(id, Ordering::SeqCst);
    }
    started
}

fn take_pending() -> Option<Trap> {
    let pending = descriptors::take_pending();
    if pending == 0 {
        return None;
    }
    for vector in [KICK_VECTOR, TIMER_VECTOR] {
        if pending & 1 << (vector - KICK_VECTOR) != 0 {
            apic::end_of_interrupt();
        }
    }
    // A timer that fired together with a kick is seen by the kernel all the same: it looks at the time.
    Some(if pending & 1 == 1 { Trap::Kick } else { Trap::Timer })
}

/// The interrupt that is pending, if one is, taken.
pub(crate) fn pending_interrupt() -> Option<Trap> {
    instructions::let_interrupts_in();
    take_pending()
}

pub(crate) fn wait_for_interrupt() -> Trap {
    loop {
        if let Some(trap) = take_pending() {
            return trap;
        }
        instructions::wait_for_interrupt();
    }
}

/// What an exit from user mode means to the kernel.
fn trap_of(registers: &Registers) -> UserExit {
    const NO_FLOAT: u8 = 7;
    const PAGE_FAULT: u8 = 14;
    let vector = registers.vector();
    UserExit::Trap(match vector {
        KICK_VECTOR => {
            apic::end_of_interrupt();
            Trap::Kick
        }
        TIMER_VECTOR => {
            apic::end_of_interrupt();
            Trap::Timer
        }
        SPURIOUS_VECTOR => Trap::Again,
        CALL_VECTOR => Trap::Syscall,
        NO_FLOAT if !registers.uses_float() => return UserExit::WantsFloat,
        PAGE_FAULT => Trap::Fault { cause: u64::from(vector), address: instructions::read_cr2() },
        vector => Trap::Fault { cause: u64::from(vector), address: 0 },
    })
}

pub(crate) fn halt() -> ! {
    loop {
        instructions::halt_for_good();
    }
}

pub(crate) fn power_off(status: ExitCode) {
    const DEBUG_EXIT: u16 = 0xf4;
    // QEMU ends with this number doubled, plus one.
    outb(DEBUG_EXIT, if status.0 == 0 { 0x10 } else { status.0 });
}

pub(crate) fn serial_write(byte: u8) {
    const COM1: u16 = 0x3f8;
    while inb(COM1 + 5) & 0x20 == 0 {}
    outb(COM1, byte);
}

pub(crate) fn print_registers() {
    say!("cr2 {:#x}  cr3 {:#x}", instructions::read_cr2(), instructions::read_cr3());
}

pub(crate) fn frame_pointer() -> u64 {
    let frame: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    frame
}

/// The return address and the frame pointer that a stack frame keeps; none outside of the kernel's stacks.
pub(crate) fn caller_of(frame: u64) -> Option<(u64, u64)> {
    if frame < DIRECT_WINDOW || !frame.is_multiple_of(8) {
        return None;
    }
    let word = |address: u64| core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: the code is built with frame pointers, so a frame pointer in the kernel's half is one of a stack that
    // is mapped; a damaged one ends in a second panic, which says so.
    let (next, address) = unsafe { (word(frame).read_volatile(), word(frame + 8).read_volatile()) };
    (address != 0).then_some((address, next))
}

/// A trap in the kernel itself: there is no good one.
extern "C" fn kernel_trap(frame: &[u64; 5]) -> ! {
    panic!(
        "the kernel trapped: vector {}, error {:#x}, at {:#x}, stack {:#x}",
        frame[0], frame[1], frame[2], frame[4]
    );
}
