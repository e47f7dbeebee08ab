//! RISC-V: S-mode above OpenSBI, harts by HSM, timers by Sstc or SBI, Sv39.

mod entry;
mod kernel_map;
mod plic;
mod sbi;
mod user;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use coldframe_abi::{CpuId, DeviceMessage, ExitCode, Instant};
use coldframe_hal::paging::Format;
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Access, FRAME_BYTES, Forget, Frame, MAX_CPUS, PortSpan, Stale, Tag, Trap};

pub(crate) use kernel_map::{
    DIRECT_WINDOW, catch_up_with_windows, frame_of_kernel_page, kernel_half, kernel_page, kernel_root,
    kernel_table, window, window_changed,
};
pub(crate) use user::{Call, Registers, UserExit, receive_leaf, run_user, signal_leaf, yield_leaf};

use crate::boot::TickRate;
use crate::boot::device_tree::Facts;
use crate::console::say;
use crate::rate::RateCell;

pub(crate) type Paging = Sv39;

const INTERRUPT: u64 = 1 << 63;
const SOFTWARE: u64 = 1;
const TIMER: u64 = 5;
const EXTERNAL: u64 = 9;

static TIMEBASE: RateCell = RateCell::new();
/// Whether harts have timers that the kernel sets itself.
static OWN_TIMERS: AtomicBool = AtomicBool::new(false);
static SERIAL: AtomicU64 = AtomicU64::new(0);
static FINISHER: AtomicU64 = AtomicU64::new(0);
static HARTS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(u32::MAX) }; MAX_CPUS];

macro_rules! read_csr {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register changes nothing.
        unsafe { core::arch::asm!(concat!("csrr {}, ", $name), out(reg) value, options(nomem, nostack)) };
        value
    }};
}
use read_csr;

/// Keeps where the devices are that the kernel itself uses.
fn set_devices(facts: &Facts) {
    TIMEBASE.set("the time base of the device tree", facts.timebase);
    OWN_TIMERS.store(facts.own_timers, Ordering::Relaxed);
    SERIAL.store(facts.serial, Ordering::Relaxed);
    FINISHER.store(facts.finisher.unwrap_or(0), Ordering::Relaxed);
}

/// Readies this CPU for user mode.
pub(crate) fn set_up_cpu(cpu: CpuId) {
    activate(kernel_root(), Tag::NONE);
    user::set_trap_vector();
    disarm();
    plic::set_up_cpu(cpu);
    // These interrupts end user mode and `wfi`; the kernel itself runs with interrupts off.
    // SAFETY: sie only selects which interrupts can become pending for S-mode.
    unsafe {
        let let_in = 1_u64 << SOFTWARE | 1 << TIMER | 1 << EXTERNAL;
        core::arch::asm!("csrw sie, {}", in(reg) let_in, options(nomem, nostack));
        // Programs read the time, and no other counter.
        core::arch::asm!("csrw scounteren, {}", in(reg) 1_u64 << 1, options(nomem, nostack))
    };
}

pub(crate) fn ticks() -> u64 {
    read_csr!("time")
}

pub(crate) fn rate() -> TickRate {
    TIMEBASE.get()
}

#[inline(always)]
pub(crate) fn now() -> Instant {
    TIMEBASE.get().instant(ticks())
}

pub(crate) fn arm(deadline: Instant) {
    set_timer(TIMEBASE.get().ticks_at(deadline));
}

pub(crate) fn disarm() {
    set_timer(u64::MAX);
}

/// Asks for a timer interrupt at a moment of `time`; one that is pending goes if the moment is to come.
fn set_timer(ticks: u64) {
    if OWN_TIMERS.load(Ordering::Relaxed) {
        // SAFETY: all harts have `stimecmp`, by this number (the device tree says so, and firmware has let S-mode at
        // it then); it only says when the next timer interrupt is pending.
        unsafe { core::arch::asm!("csrw 0x14d, {}", in(reg) ticks, options(nomem, nostack)) };
    } else {
        sbi::set_timer(ticks);
    }
}

pub(crate) fn activate(root: Frame, tag: Tag) {
    kernel_map::activate(Sv39::root_word(root, tag));
    // A process may have been shown new code since this hart had it last.
    // SAFETY: this only makes the hart fetch instructions anew.
    unsafe { core::arch::asm!("fence.i", options(nostack)) };
    if tag == Tag::NONE {
        forget_all();
    }
}

/// How many address-space identifiers this hart tells apart: what of the field takes a one.
pub(crate) fn tags() -> u16 {
    const FIELD: u64 = 0xffff << 44;
    let before = read_csr!("satp");
    kernel_map::activate(before | FIELD);
    let field = read_csr!("satp") & FIELD;
    kernel_map::activate(before);
    forget_all();
    ((field >> 44) as u16).saturating_add(1)
}

/// From so many pages on it costs less to forget all of a space: a page is one instruction, and what is forgotten
/// with the others is walked for again.
const MANY_PAGES: u64 = 64;

pub(crate) fn forget(stale: Stale) {
    let tag = u64::from(stale.tag.0);
    match stale.what {
        Forget::Pages { start, pages } if pages < MANY_PAGES => {
            for page in 0..pages {
                let address = start + page * FRAME_BYTES;
                // SAFETY: a flush only costs time.
                unsafe {
                    core::arch::asm!("sfence.vma {}, {}", in(reg) address, in(reg) tag, options(nostack))
                };
            }
        }
        _ => {
            // SAFETY: as above.
            unsafe { core::arch::asm!("sfence.vma zero, {}", in(reg) tag, options(nostack)) };
        }
    }
}

pub(crate) fn forget_all() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("sfence.vma", options(nostack)) };
}

/// There are no ports here: all devices have their registers in memory.
pub(crate) const fn are_for_drivers(_: PortSpan) -> bool {
    false
}

pub(crate) fn read_ports(_: PortSpan) -> u32 {
    unreachable!("no ports are for drivers here")
}

pub(crate) fn write_ports(_: PortSpan, _: u32) {
    unreachable!("no ports are for drivers here")
}

/// A PLIC knows no messages.
pub(crate) const fn message_of(_: u32) -> Option<DeviceMessage> {
    None
}

pub(crate) fn lines() -> u32 {
    plic::lines()
}

pub(crate) fn open_line(line: u32, cpu: CpuId) {
    plic::open(line, cpu);
}

pub(crate) fn close_line(line: u32) {
    plic::close(line);
}

pub(crate) fn interrupt(cpu: CpuId) {
    let hart = HARTS[usize::from(cpu.0)].load(Ordering::SeqCst);
    if hart != u32::MAX {
        sbi::send_ipi(u64::from(hart));
    }
}

pub(crate) fn interrupt_all() {
    for cpu in 0..MAX_CPUS as u16 {
        interrupt(CpuId(cpu));
    }
}

pub(crate) fn start_cpu(cpu: CpuId, hart: u32) -> bool {
    HARTS[usize::from(cpu.0)].store(hart, Ordering::SeqCst);
    let started = sbi::start_hart(u64::from(hart), entry::secondary_start(), u64::from(cpu.0));
    if !started {
        HARTS[usize::from(cpu.0)].store(u32::MAX, Ordering::SeqCst);
    }
    started
}

fn clear_software_interrupt() {
    // SAFETY: only takes the pending bit back; whoever set it has set the kick word before.
    unsafe { core::arch::asm!("csrc sip, {}", in(reg) 1_u64 << SOFTWARE, options(nomem, nostack)) };
}

/// The line whose interrupt has come to this CPU, taken.
pub(crate) fn take_line(cpu: CpuId) -> Option<u32> {
    if read_csr!("sip") & 1 << EXTERNAL == 0 { None } else { plic::claim(cpu) }
}

/// The interrupt that is pending, if one is, taken.
pub(crate) fn pending_interrupt(cpu: CpuId) -> Option<Trap> {
    let pending = read_csr!("sip");
    if pending & 1 << SOFTWARE != 0 {
        clear_software_interrupt();
        return Some(Trap::Kick);
    }
    if pending & 1 << TIMER != 0 {
        disarm();
        return Some(Trap::Timer);
    }
    if pending & 1 << EXTERNAL != 0 {
        return take_line(cpu).map(Trap::Line);
    }
    None
}

pub(crate) fn wait_for_interrupt(cpu: CpuId) -> Trap {
    loop {
        if let Some(trap) = pending_interrupt(cpu) {
            return trap;
        }
        // SAFETY: wfi ends when an interrupt of sie is pending, although none is taken with SIE clear.
        unsafe { core::arch::asm!("wfi", options(nomem, nostack)) };
    }
}

/// What an exit from user mode means to the kernel.
#[inline(always)]
fn trap_of(cause: u64, value: u64, registers: &mut Registers) -> UserExit {
    const ILLEGAL: u64 = 2;
    const CALL: u64 = 8;
    const FETCH_PAGE_FAULT: u64 = 12;
    const LOAD_PAGE_FAULT: u64 = 13;
    const STORE_PAGE_FAULT: u64 = 15;
    registers.note_call(cause == CALL);
    UserExit::Trap(match cause {
        c if c == INTERRUPT | SOFTWARE => {
            clear_software_interrupt();
            Trap::Kick
        }
        // Which line it is the loop around the kernel asks.
        c if c == INTERRUPT | EXTERNAL => Trap::Kick,
        c if c == INTERRUPT | TIMER => {
            disarm();
            Trap::Timer
        }
        CALL => Trap::Syscall,
        FETCH_PAGE_FAULT => Trap::PageFault { cause, address: value, access: Access::Fetch },
        LOAD_PAGE_FAULT => Trap::PageFault { cause, address: value, access: Access::Load },
        STORE_PAGE_FAULT => Trap::PageFault { cause, address: value, access: Access::Store },
        ILLEGAL if !registers.uses_float() => return UserExit::WantsFloat,
        cause => Trap::Fault { cause, address: value },
    })
}

pub(crate) fn halt() -> ! {
    loop {
        // SAFETY: with sie clear nothing wakes this hart but what firmware does to it.
        unsafe { core::arch::asm!("csrw sie, zero", "wfi", options(nomem, nostack)) };
    }
}

pub(crate) fn power_off(status: ExitCode) {
    let finisher = FINISHER.load(Ordering::Relaxed);
    if finisher != 0 {
        let word = if status.0 == 0 { 0x5555 } else { 0x3333 | u32::from(status.0) << 16 };
        let register = core::ptr::with_exposed_provenance_mut::<u32>((DIRECT_WINDOW + finisher) as usize);
        // SAFETY: the device tree says that the finisher's register is there; the direct window maps it.
        unsafe { register.write_volatile(word) };
    }
    sbi::reset();
}

pub(crate) fn serial_write(byte: u8) {
    let base = SERIAL.load(Ordering::Relaxed);
    if base == 0 {
        return;
    }
    let register =
        |offset: u64| core::ptr::with_exposed_provenance_mut::<u8>((DIRECT_WINDOW + base + offset) as usize);
    // SAFETY: the device tree says that a 16550 is there (registers of one byte); the direct window maps it.
    unsafe {
        while register(5).read_volatile() & 0x20 == 0 {}
        register(0).write_volatile(byte);
    }
}

pub(crate) fn print_registers() {
    say!(
        "scause {:#x}  sepc {:#018x}  stval {:#x}  sstatus {:#x}  satp {:#x}",
        read_csr!("scause"),
        read_csr!("sepc"),
        read_csr!("stval"),
        read_csr!("sstatus"),
        read_csr!("satp"),
    );
}

pub(crate) fn frame_pointer() -> u64 {
    let frame: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mv {}, s0", out(reg) frame, options(nomem, nostack)) };
    frame
}

/// The return address and the frame pointer that a stack frame keeps; none outside of the kernel's stacks.
pub(crate) fn caller_of(frame: u64) -> Option<(u64, u64)> {
    if frame < DIRECT_WINDOW + 16 || !frame.is_multiple_of(8) {
        return None;
    }
    let word = |address: u64| core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: the code is built with frame pointers, so a frame pointer in the kernel's half is one of a stack that
    // is mapped; a damaged one ends in a second panic, which says so.
    let (address, next) = unsafe { (word(frame - 8).read_volatile(), word(frame - 16).read_volatile()) };
    (address != 0).then_some((address, next))
}

/// A trap in the kernel itself: there is no good one.
extern "C" fn kernel_trap() -> ! {
    panic!("the kernel trapped");
}
