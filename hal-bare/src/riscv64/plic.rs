//! The registers of the PLIC, where the direct window shows them.

use core::sync::atomic::{AtomicU64, Ordering};

use coldframe_abi::CpuId;

use super::DIRECT_WINDOW;
use crate::boot::device_tree;
use crate::lines::{Plic, Registers};

static BASE: AtomicU64 = AtomicU64::new(0);
/// Opened and closed under the kernel's lock.
static PLIC: Plic = Plic::new();

struct Hardware;

fn register(offset: u64) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((DIRECT_WINDOW + BASE.load(Ordering::Relaxed) + offset) as usize)
}

impl Registers for Hardware {
    fn read(&self, offset: u64) -> u32 {
        // SAFETY: the device tree says that the controller is there; the direct window maps it, and only registers of
        // sources and contexts that the tree names are used.
        unsafe { register(offset).read_volatile() }
    }

    fn write(&self, offset: u64, value: u32) {
        // SAFETY: as for `read`.
        unsafe { register(offset).write_volatile(value) }
    }
}

/// Takes charge of the controller.
pub(super) fn set_up(plic: &device_tree::Plic, harts: &[u32]) {
    BASE.store(plic.start, Ordering::Relaxed);
    PLIC.set_up(plic.lines, harts.iter().map(|hart| plic.context_of(*hart)), &Hardware);
}

/// Readies what of it belongs to this CPU.
pub(super) fn set_up_cpu(cpu: CpuId) {
    PLIC.set_up_cpu(usize::from(cpu.0), &Hardware);
}

pub(super) fn lines() -> u32 {
    PLIC.lines()
}

pub(super) fn open(line: u32, cpu: CpuId) {
    PLIC.open(line, usize::from(cpu.0), &Hardware);
}

pub(super) fn close(line: u32) {
    PLIC.close(line, &Hardware);
}

pub(super) fn claim(cpu: CpuId) -> Option<u32> {
    PLIC.claim(usize::from(cpu.0), &Hardware)
}
