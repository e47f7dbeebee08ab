//! The interrupt controller of devices (RISC-V PLIC specification 1.0): a source each, counted from one, and a context
//! for each hart's S-mode.
//!
//! A source that a hart has claimed asks nobody until it is completed: a line that has come in is closed by that, and
//! opened by the completion, which counts only where the source is enabled.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use coldframe_abi::CpuId;
use coldframe_hal::MAX_CPUS;

use super::DIRECT_WINDOW;
use crate::boot::device_tree::{MOST_LINES, Plic};

const ENABLES: u64 = 0x2000;
const ENABLES_OF_CONTEXT: u64 = 0x80;
const THRESHOLDS: u64 = 0x20_0000;
const OF_CONTEXT: u64 = 0x1000;
const CLAIM: u64 = 4;
const NO_CONTEXT: u32 = u32::MAX;
const NOWHERE: u16 = u16::MAX;

static BASE: AtomicU64 = AtomicU64::new(0);
static LINES: AtomicU32 = AtomicU32::new(0);
/// The context of each CPU's S-mode.
static CONTEXTS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(NO_CONTEXT) }; MAX_CPUS];
/// The context that has claimed each source and not completed it: written by its CPU, before it enters the kernel, and
/// under the kernel's lock.
static CLAIMED: [AtomicU16; MOST_LINES] = [const { AtomicU16::new(NOWHERE) }; MOST_LINES];
/// The context in which each source is enabled; used under the kernel's lock.
static ROUTES: [AtomicU16; MOST_LINES] = [const { AtomicU16::new(NOWHERE) }; MOST_LINES];

fn register(offset: u64) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((DIRECT_WINDOW + BASE.load(Ordering::Relaxed) + offset) as usize)
}

fn read(offset: u64) -> u32 {
    // SAFETY: the device tree says that the controller is there; the direct window maps it.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u64, value: u32) {
    // SAFETY: as for `read`; only registers of sources and contexts that the tree names are written.
    unsafe { register(offset).write_volatile(value) }
}

/// Takes charge of the controller.
pub(super) fn set_up(plic: &Plic, harts: &[u32]) {
    BASE.store(plic.start, Ordering::Relaxed);
    for (cpu, hart) in harts.iter().enumerate() {
        if let Some(context) = plic.context_of(*hart) {
            CONTEXTS[cpu].store(context, Ordering::Relaxed);
        }
    }
    for line in 1..plic.lines {
        write(u64::from(line) * 4, 1);
    }
    LINES.store(plic.lines, Ordering::SeqCst);
}

/// Readies the context of this CPU: nothing is enabled, and whatever will be gets through.
pub(super) fn set_up_cpu(cpu: CpuId) {
    if let Some(context) = context(cpu) {
        for word in 0..LINES.load(Ordering::Relaxed).div_ceil(32) {
            write(enables(context, word * 32), 0);
        }
        write(THRESHOLDS + OF_CONTEXT * u64::from(context), 0);
    }
}

pub(super) fn lines() -> u32 {
    LINES.load(Ordering::Relaxed)
}

fn context(cpu: CpuId) -> Option<u16> {
    let context = CONTEXTS[usize::from(cpu.0)].load(Ordering::Relaxed);
    if context == NO_CONTEXT { None } else { Some(context as u16) }
}

fn enables(context: u16, line: u32) -> u64 {
    ENABLES + ENABLES_OF_CONTEXT * u64::from(context) + u64::from(line / 32) * 4
}

fn enable(context: u16, line: u32, on: bool) {
    let (at, bit) = (enables(context, line), 1 << (line % 32));
    let before = read(at);
    write(at, if on { before | bit } else { before & !bit });
}

fn complete(context: u16, line: u32) {
    write(THRESHOLDS + OF_CONTEXT * u64::from(context) + CLAIM, line);
}

/// Lets a line in at a CPU; called under the kernel's lock.
pub(super) fn open(line: u32, cpu: CpuId) {
    let Some(to) = context(cpu).filter(|_| line != 0) else { return };
    let route = ROUTES[line as usize].swap(to, Ordering::Relaxed);
    if route != NOWHERE && route != to {
        enable(route, line, false);
    }
    enable(to, line, true);
    finish(line, to);
}

/// Keeps a line out; called under the kernel's lock.
pub(super) fn close(line: u32) {
    let route = ROUTES[line as usize].swap(NOWHERE, Ordering::Relaxed);
    if route != NOWHERE {
        enable(route, line, false);
    }
}

/// Completes a line that was claimed, by the context that has done so.
fn finish(line: u32, enabled: u16) {
    let claimed = CLAIMED[line as usize].swap(NOWHERE, Ordering::SeqCst);
    if claimed == NOWHERE {
        return;
    }
    enable(claimed, line, true);
    complete(claimed, line);
    if claimed != enabled {
        enable(claimed, line, false);
    }
}

/// Claims what has come to this CPU, if it is still there: it stays closed until it is opened.
pub(super) fn claim(cpu: CpuId) -> Option<u32> {
    let context = context(cpu)?;
    let line = read(THRESHOLDS + OF_CONTEXT * u64::from(context) + CLAIM);
    if line == 0 {
        return None;
    }
    CLAIMED.get(line as usize)?.store(context, Ordering::SeqCst);
    Some(line)
}
