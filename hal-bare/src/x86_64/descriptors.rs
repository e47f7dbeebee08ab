//! Segments, the task state and the interrupt table (Intel SDM volume 3, chapters 3, 6 and 8).

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;

use coldframe_abi::CpuId;
use coldframe_hal::MAX_CPUS;

use super::instructions::write_msr;
use super::{CALL_VECTOR, user};

pub(super) const KERNEL_CODE: u16 = 0x08;
pub(super) const USER_DATA: u16 = 0x18 | 3;
pub(super) const USER_CODE: u16 = 0x20 | 3;
const TASK: u16 = 0x28;

/// Where the thread-local storage of user mode starts.
pub(super) const FS_BASE: u32 = 0xc000_0100;
const GS_BASE: u32 = 0xc000_0101;
const KERNEL_GS_BASE: u32 = 0xc000_0102;

/// What the hardware of one CPU points to. The assembly in `user` finds it through `gs`.
#[repr(C, align(16))]
struct Block {
    /// Interrupts that came while the kernel ran: a bit each, from `KICK_VECTOR` on.
    pending: u64,
    /// The program's stack pointer, for a moment at the start of a call.
    user_stack: u64,
    /// Where the CPU's own data are, while it runs user mode, and the stack on which the kernel goes on then.
    cpu: u64,
    kernel_stack: u64,
    /// The interrupt lines that have come to this CPU and that the kernel has not heard of: a bit each.
    lines: u64,
    /// What the register has that says where thread-local storage starts: writing it takes long.
    thread_pointer: u64,
    task: TaskState,
    segments: [u64; 7],
}

#[repr(C, packed(4))]
struct TaskState {
    reserved0: u32,
    stacks: [u64; 3],
    reserved1: u64,
    interrupt_stacks: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    io_map: u16,
}

pub(super) const PENDING: usize = offset_of!(Block, pending);
pub(super) const USER_STACK: usize = offset_of!(Block, user_stack);
pub(super) const CPU: usize = offset_of!(Block, cpu);
pub(super) const KERNEL_STACK: usize = offset_of!(Block, kernel_stack);
pub(super) const THREAD_POINTER_HERE: usize = offset_of!(Block, thread_pointer);
const LINES: usize = offset_of!(Block, lines);
/// Where the CPU finds the stack for a trap from user mode: the end of the thread's registers.
pub(super) const TRAP_STACK: usize = offset_of!(Block, task) + offset_of!(TaskState, stacks);

struct Blocks(UnsafeCell<[Block; MAX_CPUS]>);

// SAFETY: each CPU uses its own block only.
unsafe impl Sync for Blocks {}

const BLOCK: Block = Block {
    pending: 0,
    user_stack: 0,
    cpu: 0,
    kernel_stack: 0,
    lines: 0,
    thread_pointer: 0,
    task: TaskState {
        reserved0: 0,
        stacks: [0; 3],
        reserved1: 0,
        interrupt_stacks: [0; 7],
        reserved2: 0,
        reserved3: 0,
        io_map: size_of::<TaskState>() as u16,
    },
    segments: [
        0,
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x00cf_f300_0000_ffff,
        0x00af_fb00_0000_ffff,
        0,
        0,
    ],
};

static BLOCKS: Blocks = Blocks(UnsafeCell::new([BLOCK; MAX_CPUS]));

/// The stack for what must not happen: a double fault. Whoever gets there first says so and turns the machine off.
#[repr(C, align(16))]
struct LastStack(UnsafeCell<[u8; 16 * 1024]>);

// SAFETY: only the CPU pushes here, after a double fault, and the machine ends then.
unsafe impl Sync for LastStack {}

static LAST_STACK: LastStack = LastStack(UnsafeCell::new([0; 16 * 1024]));

#[repr(C, align(16))]
struct InterruptTable(UnsafeCell<[[u64; 2]; 256]>);

// SAFETY: written by the first CPU before the others start, and only read after that.
unsafe impl Sync for InterruptTable {}

static INTERRUPTS: InterruptTable = InterruptTable(UnsafeCell::new([[0; 2]; 256]));

#[repr(C, packed)]
struct Pointer {
    limit: u16,
    base: u64,
}

const DOUBLE_FAULT: usize = 8;

/// Fills the interrupt table: every vector has a stub, one may be called from user mode.
pub(super) fn build_interrupt_table() {
    for (vector, stub) in user::stubs().enumerate() {
        let from_user = if vector == usize::from(CALL_VECTOR) { 3 } else { 0 };
        let stack = u64::from(vector == DOUBLE_FAULT);
        let gate = 0x8e | from_user << 5;
        let low = stub & 0xffff
            | u64::from(KERNEL_CODE) << 16
            | stack << 32
            | gate << 40
            | (stub >> 16 & 0xffff) << 48;
        // SAFETY: the first CPU fills the table before any other starts.
        unsafe { (*INTERRUPTS.0.get())[vector] = [low, stub >> 32] };
    }
}

/// Gives this CPU its segments, its task state, the interrupt table, and `gs`.
pub(super) fn set_up(cpu: CpuId) {
    let block = BLOCKS.0.get().cast::<Block>().wrapping_add(usize::from(cpu.0));
    // SAFETY: the block is this CPU's own, and nothing of it is in use before `ltr`.
    unsafe {
        let task = (&raw const (*block).task).addr() as u64;
        let limit = size_of::<TaskState>() as u64 - 1;
        (*block).segments[5] = limit | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
        (*block).segments[6] = task >> 32;
        let last = LAST_STACK.0.get().addr() as u64 + size_of::<LastStack>() as u64;
        (&raw mut (*block).task.interrupt_stacks[0]).write_unaligned(last);
        let segments = Pointer {
            limit: size_of::<[u64; 7]>() as u16 - 1,
            base: (&raw const (*block).segments).addr() as u64,
        };
        let interrupts =
            Pointer { limit: size_of::<InterruptTable>() as u16 - 1, base: INTERRUPTS.0.get().addr() as u64 };
        asm!(
            "lgdt [{segments}]",
            "push {code}",
            "lea {scratch}, [rip + 2f]",
            "push {scratch}",
            "retfq",
            "2:",
            "mov ss, {data:e}",
            "mov ds, {data:e}",
            "mov es, {data:e}",
            "mov fs, {zero:e}",
            "mov gs, {zero:e}",
            "ltr {task:x}",
            "lidt [{interrupts}]",
            segments = in(reg) &raw const segments,
            interrupts = in(reg) &raw const interrupts,
            code = in(reg) u64::from(KERNEL_CODE),
            data = in(reg) 0x10,
            zero = in(reg) 0,
            task = in(reg) TASK,
            scratch = out(reg) _,
        );
        write_msr(FS_BASE, 0);
        write_msr(GS_BASE, block.addr() as u64);
        write_msr(KERNEL_GS_BASE, 0);
    }
}

/// Says where the data of this CPU are, for the entry of a call.
pub(super) fn set_cpu(address: u64) {
    // SAFETY: `gs` points to this CPU's block while the kernel runs.
    unsafe { asm!("mov gs:[{offset}], {}", in(reg) address, offset = const CPU, options(nostack)) };
}

/// The interrupts that came while the kernel ran, taken.
pub(super) fn take_pending() -> u64 {
    let pending: u64;
    // SAFETY: `gs` points to this CPU's block while the kernel runs.
    unsafe {
        asm!(
            "xor {0:e}, {0:e}",
            "xchg {0}, gs:[{offset}]",
            out(reg) pending,
            offset = const PENDING,
            options(nostack)
        );
    }
    pending
}

fn noted_lines() -> u64 {
    let lines: u64;
    // SAFETY: `gs` points to this CPU's block while the kernel runs.
    unsafe {
        asm!("mov {}, gs:[{offset}]", out(reg) lines, offset = const LINES, options(nostack, readonly))
    };
    lines
}

fn set_noted_lines(lines: u64) {
    // SAFETY: `gs` points to this CPU's block while the kernel runs, and no interrupt looks at this word.
    unsafe { asm!("mov gs:[{offset}], {}", in(reg) lines, offset = const LINES, options(nostack)) };
}

/// The interrupt of a line has come to this CPU, for the kernel to hear of.
pub(super) fn note_line(line: u32) {
    set_noted_lines(noted_lines() | 1 << line);
}

/// The first of the lines that have come, taken, and whether there are more.
pub(super) fn take_noted_line() -> Option<(u32, bool)> {
    let lines = noted_lines();
    if lines == 0 {
        return None;
    }
    let left = lines & (lines - 1);
    set_noted_lines(left);
    Some((lines.trailing_zeros(), left != 0))
}
