//! Single instructions with names.

use core::arch::asm;

use coldframe_hal::{PortSpan, PortWidth, Tag};

pub(super) fn outb(port: u16, value: u8) {
    // SAFETY: only ports of devices that the kernel drives are named by those who call this.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

pub(super) fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: as for `outb`.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// Reads what is in ports.
pub(super) fn read_ports(ports: PortSpan) -> u32 {
    let port = ports.first();
    let mut value = 0_u32;
    // SAFETY: the kernel itself drives nothing by ports that it reads for programs; what else there is does nothing to
    // memory that the kernel would not have to expect of a device.
    unsafe {
        match ports.width() {
            PortWidth::Byte => asm!("in al, dx", in("dx") port, inout("eax") value, options(nostack)),
            PortWidth::Half => asm!("in ax, dx", in("dx") port, inout("eax") value, options(nostack)),
            PortWidth::Word => asm!("in eax, dx", in("dx") port, inout("eax") value, options(nostack)),
        }
    }
    value
}

/// Writes to ports.
pub(super) fn write_ports(ports: PortSpan, value: u32) {
    let port = ports.first();
    // SAFETY: as for `read_ports`; whoever has authority over these ports answers for the device.
    unsafe {
        match ports.width() {
            PortWidth::Byte => asm!("out dx, al", in("dx") port, in("eax") value, options(nostack)),
            PortWidth::Half => asm!("out dx, ax", in("dx") port, in("eax") value, options(nostack)),
            PortWidth::Word => asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack)),
        }
    }
}

pub(super) fn read_tsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

pub(super) fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: only registers that every x86_64 CPU has are named here.
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The value is one that the register takes and under which the code that runs goes on as it is.
pub(super) unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack));
    }
}

pub(super) fn read_cr2() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack)) };
    value
}

pub(super) fn read_cr3() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack)) };
    value
}

/// Makes another table active. Without PCID, or with bit 63 clear, what is remembered under its tag is forgotten.
pub(super) fn write_cr3(word: u64) {
    // SAFETY: every root shares the kernel's half, so the code and stack that run now stay where they are.
    unsafe { asm!("mov cr3, {}", in(reg) word, options(nostack)) };
}

/// Forgets one page of the active table, and the tables that led there.
pub(super) fn forget_page(address: u64) {
    // SAFETY: a flush only costs time.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack)) };
}

/// Forgets one page, or all, of a table under another tag.
pub(super) fn forget_tagged(tag: Tag, address: Option<u64>) {
    let kind: u64 = if address.is_some() { 0 } else { 1 };
    let descriptor = [u64::from(tag.0), address.unwrap_or(0)];
    // SAFETY: a flush only costs time; tags are given out only if the CPU has this instruction.
    unsafe { asm!("invpcid {}, [{}]", in(reg) kind, in(reg) &raw const descriptor, options(nostack)) };
}

/// The registers that `cpuid` answers with: eax, ebx, ecx, edx.
pub(super) fn cpuid(leaf: u32) -> [u32; 4] {
    let result = core::arch::x86_64::__cpuid_count(leaf, 0);
    [result.eax, result.ebx, result.ecx, result.edx]
}

/// What the CPU says that nobody can guess, if it can.
pub(super) fn seed() -> Option<[u64; 4]> {
    let has_it = cpuid(1)[2] >> 30 & 1 == 1;
    let mut words = [0; 4];
    for word in words.iter_mut().filter(|_| has_it) {
        // Ten tries in a row fail only on a CPU that is broken (SDM 1, chapter 7.3.17.1).
        *word = (0..10).find_map(|_| random())?;
    }
    has_it.then_some(words)
}

/// Precondition: the CPU has the instruction.
fn random() -> Option<u64> {
    let (word, there): (u64, u8);
    // SAFETY: the instruction is there (precondition), and changes these two registers only.
    unsafe {
        asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) there, options(nomem, nostack));
    }
    (there == 1).then_some(word)
}

/// Lets interrupts in that are pending, and no others.
pub(super) fn let_interrupts_in() {
    // SAFETY: the kernel's interrupt stubs only note what came.
    unsafe { asm!("sti", "nop", "nop", "cli", options(nostack)) };
}

/// Sleeps until an interrupt has been noted; one that comes before the `hlt` ends it too.
pub(super) fn wait_for_interrupt() {
    // SAFETY: as above; `sti` takes effect after the instruction behind it.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

pub(super) fn halt_for_good() {
    // SAFETY: nothing of this CPU is needed any more.
    unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
}
