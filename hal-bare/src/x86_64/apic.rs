//! The local interrupt controller through its memory window, and the HPET that calibrates (SDM 3, chapter 11).

use core::sync::atomic::{AtomicU64, Ordering};

use super::{
    APIC_TIMER, DIRECT_WINDOW, KICK_VECTOR, SPURIOUS_VECTOR, TIMER_VECTOR, TSC, inb, instructions, outb,
};

static BASE: AtomicU64 = AtomicU64::new(0xfee0_0000);

const ID: u64 = 0x20;
const TASK_PRIORITY: u64 = 0x80;
const END: u64 = 0xb0;
const SPURIOUS: u64 = 0xf0;
const COMMAND_LOW: u64 = 0x300;
const COMMAND_HIGH: u64 = 0x310;
const TIMER: u64 = 0x320;
const TIMER_INITIAL: u64 = 0x380;
const TIMER_CURRENT: u64 = 0x390;
const TIMER_DIVIDE: u64 = 0x3e0;

const MASKED: u32 = 1 << 16;
const ENABLED: u32 = 1 << 8;

fn register(offset: u64) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((DIRECT_WINDOW + BASE.load(Ordering::Relaxed) + offset) as usize)
}

fn read(offset: u64) -> u32 {
    // SAFETY: the MADT says that the controller is there; the direct window maps it uncached.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u64, value: u32) {
    // SAFETY: as for `read`; only registers named above are written.
    unsafe { register(offset).write_volatile(value) }
}

pub(super) fn set_base(base: u64) {
    BASE.store(base, Ordering::Relaxed);
}

/// The hardware id of this CPU.
pub(super) fn id() -> u32 {
    read(ID) >> 24
}

/// Readies the controller of this CPU; the old one is silenced.
pub(super) fn set_up() {
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    let _ = inb(0x21);
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, ENABLED | u32::from(SPURIOUS_VECTOR));
    write(TIMER_DIVIDE, 0b0011);
    write(TIMER, u32::from(TIMER_VECTOR));
    write(TIMER_INITIAL, 0);
}

/// Asks for one timer interrupt after so many ticks; none at zero.
pub(super) fn set_timer(ticks: u32) {
    write(TIMER_INITIAL, ticks);
}

pub(super) fn end_of_interrupt() {
    write(END, 0);
}

/// Sends a command to another CPU, once the last one is on its way.
pub(super) fn send(id: u32, command: u32) {
    const PENDING: u32 = 1 << 12;
    while read(COMMAND_LOW) & PENDING != 0 {
        core::hint::spin_loop();
    }
    write(COMMAND_HIGH, id << 24);
    write(COMMAND_LOW, command);
}

const _: () = assert!(KICK_VECTOR < TIMER_VECTOR, "the pending bits are counted from the kick on");

/// Measures how fast the time stamp counter and the timer count, by the HPET.
pub(super) fn calibrate(hpet: u64) {
    const CAPABILITIES: u64 = 0;
    const CONFIGURATION: u64 = 0x10;
    const COUNTER: u64 = 0xf0;
    const FEMTOS_PER_SECOND: u128 = 1_000_000_000_000_000;
    let register =
        |offset: u64| core::ptr::with_exposed_provenance_mut::<u64>((DIRECT_WINDOW + hpet + offset) as usize);
    // SAFETY: the HPET table says that the registers are there; the direct window maps them uncached.
    let read = |offset: u64| unsafe { register(offset).read_volatile() };
    let period = read(CAPABILITIES) >> 32;
    assert!((100_000..=100_000_000).contains(&period), "the HPET's period cannot be {period} fs");
    // SAFETY: as above; sets the enable bit.
    unsafe { register(CONFIGURATION).write_volatile(read(CONFIGURATION) | 1) };
    let span = FEMTOS_PER_SECOND as u64 / 50 / period;
    write(TIMER, MASKED);
    write(TIMER_DIVIDE, 0b0011);
    let start = read(COUNTER);
    let tsc = instructions::read_tsc();
    write(TIMER_INITIAL, u32::MAX);
    while read(COUNTER).wrapping_sub(start) < span {
        core::hint::spin_loop();
    }
    let passed = read(COUNTER).wrapping_sub(start);
    let tsc = instructions::read_tsc() - tsc;
    let timer = u32::MAX - self::read(TIMER_CURRENT);
    write(TIMER_INITIAL, 0);
    let hertz = |ticks: u64| (u128::from(ticks) * FEMTOS_PER_SECOND / u128::from(passed * period)) as u64;
    TSC.set("the speed of the time-stamp counter", hertz(tsc));
    APIC_TIMER.set("the speed of the local timer", hertz(u64::from(timer)));
}
