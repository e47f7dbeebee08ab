//! From the first instruction to Rust: the PVH entry in 32 bits, and the other CPUs in 16.

use core::sync::atomic::{AtomicU64, Ordering};

use coldframe_abi::{CpuId, Nanos};

use super::kernel_map::{self, IMAGE_OFFSET};
use super::{APIC_IDS, DIRECT_WINDOW, apic, descriptors, instructions, io_apic, outb};
use crate::boot::{Bytes, CpuList, FirmwareTexts, acpi, kept_frames, pvh, usable_ram};
use crate::start::{self, Boot};

/// Where the code for the other CPUs is copied: a page below 1 MiB, whose number is the start vector.
const TRAMPOLINE: u64 = 0x8000;

core::arch::global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long __pvh_start_physical

    .section .text.entry, "ax"
    .code32
    .global pvh_start
pvh_start:
    cld
    mov esi, ebx
    mov esp, offset __boot_stack_physical
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov eax, offset __boot_root_physical
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x901
    wrmsr
    mov eax, cr0
    or eax, 0x80010001
    mov cr0, eax
    lgdt [__boot_segments_physical]
    push 8
    mov eax, offset __long_start_physical
    push eax
    retf
    .code64
    .global long_start
long_start:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    movabs rax, offset long_high
    jmp rax
long_high:
    movabs rsp, offset boot_stack_top
    mov edi, esi
    xor ebp, ebp
    call {start}

    /* Copied to TRAMPOLINE: nothing in here may depend on where it is linked. */
    .section .rodata.trampoline, "a"
    .code16
    .global trampoline_start
trampoline_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    .byte 0x66, 0x0f, 0x01, 0x16
    .word {trampoline} + trampoline_segments - trampoline_start
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long {trampoline} + trampoline_32 - trampoline_start
    .word 0x18
    .code32
trampoline_32:
    mov ax, 0x10
    mov ds, ax
    mov ss, ax
    mov eax, cr4
    or eax, 1 << 5
    mov cr4, eax
    mov eax, offset __boot_root_physical
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x901
    wrmsr
    mov eax, cr0
    or eax, 0x80010001
    mov cr0, eax
    .byte 0xea
    .long {trampoline} + trampoline_64 - trampoline_start
    .word 0x08
    .code64
trampoline_64:
    movabs rax, offset secondary_high
    jmp rax
    .balign 8
trampoline_segments:
    .word 31
    .long __boot_segment_table_physical
    .global trampoline_end
trampoline_end:

    .section .text
    .code64
secondary_high:
    /* The boot tables show one gigabyte; the stack may lie beyond. */
    movabs rcx, offset {root}
    mov rcx, [rcx]
    mov cr3, rcx
    movabs rcx, offset {number}
    mov rdi, [rcx]
    movabs rcx, offset CPU_STACKS
    mov rsp, [rcx + rdi * 8]
    xor ebp, ebp
    call {secondary}

    .section .data.boot, "aw"
    .balign 8
    .global boot_segment_table
boot_segment_table:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cf9b000000ffff
    .global boot_segments
boot_segments:
    .word 31
    .long __boot_segment_table_physical
    /* The first gigabyte, where it is, in the direct window and at the image's address. */
    .balign 4096
    .global boot_root
boot_root:
    .quad __boot_upper_physical + 3
    .fill 255, 8, 0
    .quad __boot_upper_physical + 3
    .fill 254, 8, 0
    .quad __boot_upper_physical + 3
    .global boot_upper
boot_upper:
    .quad __boot_lower_physical + 3
    .fill 509, 8, 0
    .quad __boot_lower_physical + 3
    .quad 0
    .global boot_lower
boot_lower:
    .set page, 0
    .rept 512
    .quad page + 0x83
    .set page, page + 0x200000
    .endr

    .section .bss.boot_stack, "aw", @nobits
    .balign 16
    .space 131072
    .global boot_stack_top
boot_stack_top:
    "#,
    trampoline = const TRAMPOLINE,
    start = sym start_first,
    secondary = sym start_secondary,
    number = sym STARTING,
    root = sym ROOT,
);

/// Which CPU is being started; it takes its number from here.
static STARTING: AtomicU64 = AtomicU64::new(0);
/// Where the final tables are, for those CPUs.
static ROOT: AtomicU64 = AtomicU64::new(0);
/// How many CPUs have come to Rust.
static ARRIVED: AtomicU64 = AtomicU64::new(1);

extern "C" fn start_first(start_info: u64) -> ! {
    kernel_map::build();
    ROOT.store(kernel_map::kernel_root().start().0, Ordering::SeqCst);
    descriptors::build_interrupt_table();
    kernel_map::protect();
    descriptors::set_up(CpuId(0));
    let Some(info) = pvh::StartInfo::read(bytes_at(start_info, pvh::INFO_LENGTH as u64)) else {
        panic!("the loader has left no PVH start info: start with qemu -kernel");
    };
    let archive = modules(&info).next();
    let tables = Tables::find(&info);
    let mut cpus = tables.cpus;
    apic::set_base(tables.local_apic);
    apic::set_up();
    let id = apic::id();
    cpus.put_first(id);
    APIC_IDS[0].store(id, Ordering::SeqCst);
    apic::calibrate(tables.hpet);
    silence_pit();
    if let Some(base) = tables.io_apic {
        io_apic::set_up(base, tables.triggers);
    }
    let (start, end) = kernel_map::image();
    let used = [
        // What lies below 1 MiB belongs to firmware and to the start of the other CPUs.
        Bytes { start: 0, length: 1 << 20 },
        Bytes { start, length: end - start },
        archive.unwrap_or_default(),
        Bytes { start: kernel_map::direct_end(), length: u64::MAX - kernel_map::direct_end() },
    ];
    let Ok(ram) = usable_ram(ram(&info), used) else {
        panic!("the memory map has too many separate pieces");
    };
    let own = [tables.local_apic, tables.io_apic.unwrap_or(0)].map(|start| Bytes { start, length: 1 });
    let low = Bytes { start: 0, length: 1 << 20 };
    let Ok(kept) = kept_frames(memory(&info).chain(own).chain([low])) else {
        panic!("the memory map has too many separate pieces");
    };
    let archive = archive.map(|range| bytes_at(range.start, range.length));
    start::start(Boot { ram, kept, cpus, archive, firmware: tables.texts, seed: instructions::seed() })
}

/// Stops the old timer, which firmware leaves running: it would ask on a line that others use, and nobody drives it. Its
/// first channel counts down once from a low number, and stays silent then (8254, mode 0).
fn silence_pit() {
    const FIRST_CHANNEL: u16 = 0x40;
    const MODE: u16 = 0x43;
    outb(MODE, 0x30);
    outb(FIRST_CHANNEL, 1);
    outb(FIRST_CHANNEL, 0);
}

extern "C" fn start_secondary(cpu: u64) -> ! {
    ARRIVED.fetch_add(1, Ordering::SeqCst);
    start::run(CpuId(cpu as u16))
}

/// Starts another CPU by INIT and two start-ups (SDM 3, chapter 9.4); says whether it came.
pub(super) fn start_cpu(cpu: CpuId, id: u32) -> bool {
    unsafe extern "C" {
        static trampoline_start: u8;
        static trampoline_end: u8;
    }
    const INIT: u32 = 0x4500;
    const START: u32 = 0x4600 | (TRAMPOLINE / 4096) as u32;
    let from = &raw const trampoline_start;
    let length = (&raw const trampoline_end).addr() - from.addr();
    let to = core::ptr::with_exposed_provenance_mut::<u8>((DIRECT_WINDOW + TRAMPOLINE) as usize);
    // SAFETY: memory below 1 MiB is kept out of what is handed out; no other CPU is being started.
    unsafe { core::ptr::copy_nonoverlapping(from, to, length) };
    STARTING.store(u64::from(cpu.0), Ordering::SeqCst);
    let before = ARRIVED.load(Ordering::SeqCst);
    apic::send(id, INIT);
    pause(Nanos::from_millis(10));
    for patience in [1, 200] {
        apic::send(id, START);
        for _ in 0..patience {
            pause(Nanos::from_millis(1));
            if ARRIVED.load(Ordering::SeqCst) != before {
                return true;
            }
        }
    }
    false
}

fn pause(span: Nanos) {
    let end = super::now().after(span);
    while super::now() < end {
        core::hint::spin_loop();
    }
}

fn bytes_at(start: u64, length: u64) -> &'static [u8] {
    let pointer = core::ptr::with_exposed_provenance((DIRECT_WINDOW + start) as usize);
    // SAFETY: firmware says that these bytes are there; they are kept out of the memory that is handed out, or read
    // before any is.
    unsafe { core::slice::from_raw_parts(pointer, length as usize) }
}

fn ram(info: &pvh::StartInfo) -> impl Iterator<Item = Bytes> {
    let length = u64::from(info.memory_entries) * pvh::MEMORY_ENTRY_LENGTH as u64;
    bytes_at(info.memory_map, length).chunks_exact(pvh::MEMORY_ENTRY_LENGTH).filter_map(pvh::ram)
}

/// All that the memory map calls memory, whoever uses it.
fn memory(info: &pvh::StartInfo) -> impl Iterator<Item = Bytes> {
    let length = u64::from(info.memory_entries) * pvh::MEMORY_ENTRY_LENGTH as u64;
    bytes_at(info.memory_map, length).chunks_exact(pvh::MEMORY_ENTRY_LENGTH).filter_map(pvh::memory)
}

fn modules(info: &pvh::StartInfo) -> impl Iterator<Item = Bytes> + use<> {
    let length = u64::from(info.modules) * pvh::MODULE_ENTRY_LENGTH as u64;
    bytes_at(info.module_list, length).chunks_exact(pvh::MODULE_ENTRY_LENGTH).filter_map(pvh::module)
}

/// What the ACPI tables say.
struct Tables {
    cpus: CpuList,
    local_apic: u64,
    io_apic: Option<u64>,
    triggers: acpi::Triggers,
    hpet: u64,
    texts: FirmwareTexts<'static>,
}

impl Tables {
    fn find(info: &pvh::StartInfo) -> Self {
        let mut tables = Self {
            cpus: CpuList::default(),
            local_apic: 0xfee0_0000,
            io_apic: None,
            triggers: acpi::Triggers::default(),
            hpet: 0,
            texts: FirmwareTexts::default(),
        };
        let Some(root) = root_table(info.rsdp) else {
            panic!("there are no ACPI tables: the CPUs and the HPET are described there");
        };
        let (address, wide) = match root {
            acpi::RootTable::Rsdt(address) => (address, false),
            acpi::RootTable::Xsdt(address) => (address, true),
        };
        for address in acpi::tables(table_at(address), wide) {
            let table = table_at(address);
            tables.texts.push(table);
            match acpi::header(table) {
                Some((signature, _)) if signature == *b"APIC" => {
                    if let Some(madt) = acpi::madt(table) {
                        tables.cpus = madt.cpus;
                        tables.local_apic = madt.local_apic;
                        (tables.io_apic, tables.triggers) = (madt.io_apic, madt.triggers);
                    }
                }
                // That of the devices themselves is in no list, and the kernel can do without it.
                Some((signature, _)) if signature == *b"FACP" => {
                    let devices = acpi::dsdt(table).and_then(intact_table);
                    devices.into_iter().for_each(|table| tables.texts.push(table));
                }
                Some((signature, _)) if signature == *b"HPET" => tables.hpet = acpi::hpet(table).unwrap_or(0),
                _ => {}
            }
        }
        assert_ne!(tables.hpet, 0, "there is no HPET to calibrate the clocks by");
        tables
    }
}

fn root_table(rsdp: u64) -> Option<acpi::RootTable> {
    const LENGTH: u64 = 36;
    if rsdp != 0
        && let Some(root) = acpi::root_pointer(bytes_at(rsdp, LENGTH))
    {
        return Some(root);
    }
    // Where a BIOS leaves it.
    (0xe_0000..0x10_0000).step_by(16).find_map(|address| acpi::root_pointer(bytes_at(address, LENGTH)))
}

/// The kernel goes by what these say: one that is damaged must not be believed.
fn table_at(address: u64) -> &'static [u8] {
    let Some(table) = intact_table(address) else { panic!("the ACPI table at {address:#x} is damaged") };
    table
}

fn intact_table(address: u64) -> Option<&'static [u8]> {
    let (_, length) = acpi::header(bytes_at(address, acpi::HEADER_LENGTH as u64))?;
    Some(bytes_at(address, length as u64)).filter(|table| acpi::is_intact(table))
}

const _: () = assert!(IMAGE_OFFSET == 0xffff_ffff_8000_0000, "the linker script says the same");
