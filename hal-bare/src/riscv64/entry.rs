//! From the first instruction to Rust.

use coldframe_abi::CpuId;
use coldframe_hal::MAX_CPUS;

use super::kernel_map::{self, IMAGE_OFFSET};
use super::{DIRECT_WINDOW, HARTS, plic};
use crate::boot::{Bytes, FirmwareTexts, device_tree, kept_frames};
use crate::start::{self, Boot};

core::arch::global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _start
_start:
    /* a0: hart, a1: device tree; physical addresses. */
    csrw sie, zero
    la t0, first_is_here
    li t1, 1
    .option push
    .option arch, +a
    amoswap.w t0, t1, (t0)
    .option pop
    bnez t0, 4f
    la sp, __boot_stack_top
    li s2, {offset}
    la s3, 1f
    j 3f
1:  add sp, sp, s2
    li s0, 0
    tail {start}

    .global secondary_start
secondary_start:
    /* a0: hart, a1: CPU number. */
    csrw sie, zero
    li s2, {offset}
    la s3, 2f
    j 3f
2:  la t0, CPU_STACKS
    slli t1, a1, 3
    add t0, t0, t1
    ld sp, 0(t0)
    li s0, 0
    tail {secondary}

    /*
     * OpenSBI 1.1 lets a hart go before it has written down where to: one that was not asleep yet comes here instead
     * of to secondary_start. Its CPU number stands in the list of harts, written before firmware was asked.
     */
4:  la t0, {harts}
    li a1, 0
    li t2, {most}
5:  lw t1, 0(t0)
    beq t1, a0, secondary_start
    addi t0, t0, 4
    addi a1, a1, 1
    bltu a1, t2, 5b
6:  wfi
    j 6b

    /* Turns translation on and goes to s3, at its virtual address. */
3:  la t0, BOOT_ROOT
    srli t0, t0, 12
    li t1, 8 << 60
    or t0, t0, t1
    add s3, s3, s2
    sfence.vma
    csrw satp, t0
    sfence.vma
    jr s3

    .section .bss.first_is_here, "aw", @nobits
    .balign 4
first_is_here:
    .space 4

    .section .bss.boot_stack, "aw", @nobits
    .balign 16
    .space 131072
__boot_stack_top:
    "#,
    offset = const IMAGE_OFFSET,
    start = sym start_first,
    secondary = sym start_secondary,
    harts = sym HARTS,
    most = const MAX_CPUS,
);

/// The physical address at which other harts start.
pub(super) fn secondary_start() -> u64 {
    unsafe extern "C" {
        fn secondary_start();
    }
    (secondary_start as *const ()).addr() as u64 - IMAGE_OFFSET
}

extern "C" fn start_first(hart: u64, tree: u64) -> ! {
    kernel_map::build();
    super::user::set_trap_vector();
    let tree = tree_bytes(tree);
    let (start, end) = kernel_map::image();
    let used = [
        Bytes { start, length: end - start },
        Bytes { start: tree.as_ptr().addr() as u64 - DIRECT_WINDOW, length: tree.len() as u64 },
    ];
    let mut facts = match device_tree::read(tree, &used) {
        Ok(facts) => facts,
        Err(error) => panic!("the device tree cannot be used: {error:?}"),
    };
    super::set_devices(&facts);
    facts.cpus.put_first(hart as u32);
    HARTS[0].store(hart as u32, core::sync::atomic::Ordering::SeqCst);
    let own = facts.plic.as_ref().map(|plic| Bytes { start: plic.start, length: plic.length });
    let own = own.into_iter().chain([Bytes { start: facts.serial, length: 1 }]);
    let finisher = facts.finisher.map(|start| Bytes { start, length: 1 });
    let Ok(kept) = kept_frames(facts.memory().chain(own).chain(finisher)) else {
        panic!("the machine has too many separate pieces of memory");
    };
    if let Some(plic) = &facts.plic {
        plic::set_up(plic, facts.cpus.ids());
    }
    let archive = facts.archive.map(|range| bytes_at(range.start, range.length));
    let mut firmware = FirmwareTexts::default();
    firmware.push(tree);
    start::start(Boot { ram: facts.ram, kept, cpus: facts.cpus, archive, firmware, seed: facts.seed })
}

extern "C" fn start_secondary(_hart: u64, cpu: u64) -> ! {
    start::run(CpuId(cpu as u16))
}

fn bytes_at(start: u64, length: u64) -> &'static [u8] {
    let pointer = core::ptr::with_exposed_provenance((DIRECT_WINDOW + start) as usize);
    // SAFETY: firmware says that these bytes are there; they are kept out of the memory that is handed out.
    unsafe { core::slice::from_raw_parts(pointer, length as usize) }
}

/// The device tree: its header says how long it is.
fn tree_bytes(start: u64) -> &'static [u8] {
    let header = bytes_at(start, 8);
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    bytes_at(start, u64::from(length))
}
