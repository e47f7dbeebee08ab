//! x86_64: PVH start, local APICs, HPET for calibration, four levels of paging.

mod apic;
mod descriptors;
mod entry;
mod float;
mod instructions;
mod io_apic;
mod kernel_map;
mod user;

use core::sync::atomic::{AtomicU32, Ordering};

use coldframe_abi::{CpuId, DeviceMessage, ExitCode, Instant};
use coldframe_hal::paging::Format;
use coldframe_hal::paging::FourLevel;
use coldframe_hal::{
    Access, FRAME_BYTES, Forget, Frame, MAX_CPUS, PortSpan, Stale, Tag, Trap, UserRegisters,
};

pub(crate) use kernel_map::{
    DIRECT_WINDOW, catch_up_with_windows, frame_of_kernel_page, kernel_half, kernel_page, kernel_root,
    kernel_table, window, window_changed,
};
pub(crate) use user::{Call, Registers, UserExit, receive_leaf, run_user, signal_leaf, yield_leaf};

use crate::boot::TickRate;
use crate::console::say;
use crate::lines::MOST_LINES;
use crate::rate::RateCell;
use instructions::{inb, outb};

pub(crate) type Paging = FourLevel;

/// The vectors of the interrupts that the kernel takes, and of the slow way to make a call.
const KICK_VECTOR: u8 = 0x30;
const TIMER_VECTOR: u8 = 0x31;
const CALL_VECTOR: u8 = 0x69;
/// The vector of the first interrupt line; the others follow.
const LINE_VECTOR: u8 = 0x32;
/// The one behind the last.
const LAST_LINE_VECTOR: u8 = LINE_VECTOR + MOST_LINES as u8;
const SPURIOUS_VECTOR: u8 = 0xff;

const _: () = assert!(LAST_LINE_VECTOR <= CALL_VECTOR && LAST_LINE_VECTOR - KICK_VECTOR <= 64);

static TSC: RateCell = RateCell::new();
static APIC_TIMER: RateCell = RateCell::new();
static APIC_IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(u32::MAX) }; MAX_CPUS];

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

pub(crate) fn rate() -> TickRate {
    TSC.get()
}

#[inline(always)]
pub(crate) fn now() -> Instant {
    TSC.get().instant(ticks())
}

pub(crate) fn arm(deadline: Instant) {
    let span = deadline.since(now());
    // A moment that the counter cannot hold is reached in several parts; one that has passed comes at once.
    let ticks = APIC_TIMER.get().ticks_in(span).clamp(1, u64::from(u32::MAX));
    apic::set_timer(ticks as u32);
}

pub(crate) fn disarm() {
    apic::set_timer(0);
}

pub(crate) fn activate(root: Frame, tag: Tag) {
    instructions::write_cr3(FourLevel::root_word(root, tag));
}

/// How many address spaces this CPU tells apart: those of PCID, if it can forget them one by one.
pub(crate) fn tags() -> u16 {
    if kernel_map::has_tags() { 1 << 12 } else { 1 }
}

/// From so many pages on it costs less to forget all of a space: a page is one instruction that serialises, and what
/// is forgotten with the others is walked for again.
const MANY_PAGES: u64 = 32;

pub(crate) fn forget(stale: Stale) {
    let here = instructions::read_cr3() & 0xfff == u64::from(stale.tag.0);
    match stale.what {
        Forget::Pages { start, pages } if pages < MANY_PAGES => {
            for address in (0..pages).map(|page| start + page * FRAME_BYTES) {
                if here {
                    instructions::forget_page(address);
                } else {
                    instructions::forget_tagged(stale.tag, Some(address));
                }
            }
        }
        // Without PCID there is one tag only, and this register holds it.
        _ if here => instructions::write_cr3(instructions::read_cr3()),
        _ => instructions::forget_tagged(stale.tag, None),
    }
}

pub(crate) fn forget_all() {
    kernel_map::forget_all();
}

fn hardware_id(cpu: CpuId) -> u32 {
    APIC_IDS[usize::from(cpu.0)].load(Ordering::SeqCst)
}

pub(crate) fn lines() -> u32 {
    io_apic::lines()
}

/// What a device writes to interrupt the first CPU (SDM 3, 11.11): by an edge, at the vector of the line.
pub(crate) fn message_of(line: u32) -> Option<DeviceMessage> {
    const TO_CONTROLLERS: u64 = 0xfee0_0000;
    let to = u64::from(hardware_id(CpuId(0)));
    io_apic::has_no_wire(line).then(|| DeviceMessage {
        address: TO_CONTROLLERS | to << 12,
        data: u16::from(LINE_VECTOR) + line as u16,
    })
}

pub(crate) fn open_line(line: u32, cpu: CpuId) {
    io_apic::open(line, hardware_id(cpu));
}

pub(crate) fn close_line(line: u32) {
    io_apic::close(line);
}

/// By which the kernel itself drives something: the console, the old interrupt controllers, the way out of QEMU.
const KEPT_PORTS: [core::ops::RangeInclusive<u16>; 4] =
    [0x20..=0x21, 0xa0..=0xa1, 0xf4..=0xf7, 0x3f8..=0x3ff];

pub(crate) fn are_for_drivers(ports: PortSpan) -> bool {
    KEPT_PORTS.iter().all(|kept| ports.last() < *kept.start() || *kept.end() < ports.first())
}

pub(crate) fn read_ports(ports: PortSpan) -> u32 {
    instructions::read_ports(ports)
}

pub(crate) fn write_ports(ports: PortSpan, value: u32) {
    instructions::write_ports(ports, value);
}

pub(crate) fn interrupt(cpu: CpuId) {
    let id = hardware_id(cpu);
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

fn take_pending(cpu: CpuId) -> Option<Trap> {
    let pending = descriptors::take_pending();
    if pending == 0 {
        return None;
    }
    let mut lines = pending >> (LINE_VECTOR - KICK_VECTOR);
    while lines != 0 {
        let line = lines.trailing_zeros();
        lines &= lines - 1;
        if io_apic::arrives(line) {
            descriptors::note_line(line);
        }
    }
    // Several may be in service at once: as many ends as there were interrupts.
    for _ in 0..pending.count_ones() {
        apic::end_of_interrupt();
    }
    // What came together with the interrupt of a line is seen by the kernel all the same: the kick is a word that is
    // looked at in any case, and so is the time.
    match take_line(cpu) {
        Some(line) => Some(Trap::Line(line)),
        None if pending & 1 << (TIMER_VECTOR - KICK_VECTOR) != 0 => Some(Trap::Timer),
        None => Some(Trap::Kick),
    }
}

/// The interrupt of a line has come: it is noted, unless it is no news.
#[cold]
fn line_comes(line: u32) {
    if io_apic::arrives(line) {
        descriptors::note_line(line);
    }
    apic::end_of_interrupt();
}

/// One of the lines that have come to this CPU. If there are more, the CPU is interrupted for them.
pub(crate) fn take_line(_: CpuId) -> Option<u32> {
    let (line, more) = descriptors::take_noted_line()?;
    if more {
        apic::send(apic::id(), u32::from(KICK_VECTOR));
    }
    Some(line)
}

/// The interrupt that is pending, if one is, taken.
pub(crate) fn pending_interrupt(cpu: CpuId) -> Option<Trap> {
    instructions::let_interrupts_in();
    take_pending(cpu)
}

pub(crate) fn wait_for_interrupt(cpu: CpuId) -> Trap {
    loop {
        if let Some(trap) = take_pending(cpu) {
            return trap;
        }
        instructions::wait_for_interrupt();
    }
}

/// What a program did, by the error code of a page fault.
const fn access_of(error: u64) -> Access {
    if error >> 4 & 1 == 1 {
        Access::Fetch
    } else if error >> 1 & 1 == 1 {
        Access::Store
    } else {
        Access::Load
    }
}

/// What an exit from user mode means to the kernel.
#[inline(always)]
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
        LINE_VECTOR..LAST_LINE_VECTOR => {
            line_comes(u32::from(vector - LINE_VECTOR));
            Trap::Kick
        }
        // From the last instruction of user mode no way leads back: the address behind it is none.
        CALL_VECTOR if !registers.has_way_back() => Trap::Fault { cause: u64::from(vector), address: 0 },
        CALL_VECTOR => Trap::Syscall,
        NO_FLOAT if !registers.uses_float() => return UserExit::WantsFloat,
        PAGE_FAULT => {
            let access = access_of(registers.error());
            Trap::PageFault { cause: u64::from(vector), address: instructions::read_cr2(), access }
        }
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
