//! Registers of devices where a program has been shown them.

use coldframe_abi::UserAddress;

fn register(page: UserAddress, offset: u64) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((page.0 + offset) as usize)
}

/// Reads a register of 32 bits.
pub(super) fn read(page: UserAddress, offset: u64) -> u32 {
    // SAFETY: a scenario names the page at which it was shown the device, and the driver a register of it; no Rust object
    // is there.
    unsafe { register(page, offset).read_volatile() }
}

/// Writes a register of 32 bits.
pub(super) fn write(page: UserAddress, offset: u64, value: u32) {
    // SAFETY: as for `read`.
    unsafe { register(page, offset).write_volatile(value) }
}
