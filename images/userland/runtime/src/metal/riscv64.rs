//! RISC-V: `ecall` with the number in a7, status and value in a0 and a1.

use coldframe_abi::{Message, Number, Reply, Request};

core::arch::global_asm!(
    ".section .text._start",
    ".global _start",
    "_start: j {start}",
    ".global thread_start, upcall_start",
    "thread_start: j {thread}",
    "upcall_start: j {upcall}",
    start = sym super::program_start,
    thread = sym super::thread_main,
    upcall = sym super::upcall_main,
);

pub(super) fn upcall_entry() -> u64 {
    unsafe extern "C" {
        fn upcall_start();
    }
    (upcall_start as *const ()).addr() as u64
}

pub(super) fn thread_entry() -> u64 {
    unsafe extern "C" {
        fn thread_start();
    }
    (thread_start as *const ()).addr() as u64
}

#[inline(always)]
pub(super) fn call(request: &Request) -> Reply {
    let [a0, a1, a2, a3, a4, a5] = request.arguments;
    let (status, value);
    // SAFETY: the kernel reads and writes only the memory that the call names, which its caller vouches for, and
    // keeps those registers that are not named here.
    unsafe {
        core::arch::asm!(
            "ecall",
            inlateout("a0") a0 => status,
            inlateout("a1") a1 => value,
            inlateout("a2") a2 => _, inlateout("a3") a3 => _, inlateout("a4") a4 => _, inlateout("a5") a5 => _,
            inlateout("a7") request.number => _, lateout("a6") _,
            lateout("ra") _, lateout("t0") _, lateout("t1") _, lateout("t2") _, lateout("t3") _,
            lateout("t4") _, lateout("t5") _, lateout("t6") _,
            options(nostack)
        );
    }
    Reply { status, value }
}

/// A call with a message in s2 to s9; in a2 goes what it carries, and comes how it came.
#[inline(always)]
pub(super) fn exchange(request: &Request, message: &Message) -> (Reply, Message) {
    let [a0, a1, ..] = request.arguments;
    let mut label = message.label;
    let [mut s3, mut s4, mut s5, mut s6, mut s7, mut s8, mut s9] = message.words;
    let (status, value, tag): (u64, u64, u64);
    // SAFETY: as above; messages come in the registers that are named here; s0 and s1, which the compiler keeps for itself,
    // are put back.
    unsafe {
        core::arch::asm!(
            "addi sp, sp, -16",
            "sd s0, 0(sp)",
            "sd s1, 8(sp)",
            "ecall",
            "ld s0, 0(sp)",
            "ld s1, 8(sp)",
            "addi sp, sp, 16",
            inlateout("a0") a0 => status,
            inlateout("a1") a1 => value,
            inlateout("a2") message.tag() => tag,
            inlateout("a7") request.number => _,
            lateout("a3") _, lateout("a4") _, lateout("a5") _, lateout("a6") _,
            lateout("ra") _, lateout("t0") _, lateout("t1") _, lateout("t2") _, lateout("t3") _,
            lateout("t4") _, lateout("t5") _, lateout("t6") _, lateout("s10") _, lateout("s11") _,
            inlateout("s2") label, inlateout("s3") s3, inlateout("s4") s4, inlateout("s5") s5,
            inlateout("s6") s6, inlateout("s7") s7, inlateout("s8") s8, inlateout("s9") s9,
        );
    }
    let words = [s3, s4, s5, s6, s7, s8, s9];
    (Reply { status, value }, Message::from_registers(label, words, tag))
}

pub(super) fn counter() -> u64 {
    let ticks;
    // SAFETY: reads a counter.
    unsafe { core::arch::asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

pub(super) fn thread_word() -> u64 {
    let word;
    // SAFETY: a scenario reads what it has said is its storage.
    unsafe { core::arch::asm!("ld {}, 0(tp)", out(reg) word, options(readonly, nostack)) };
    word
}

/// The number of the register with a thread's argument: a0.
pub(super) const ARGUMENT_REGISTER: u64 = 10;

/// A page that is RAM in every such machine.
pub(super) const SOME_RAM: u64 = 0x8020_0000;

/// Puts a word into the first register of floating point, which no compiled code uses here.
pub(super) fn put_float(word: u64) {
    // SAFETY: changes the register that it names.
    unsafe { core::arch::asm!("fmv.d.x f0, {}", in(reg) word, options(nomem, nostack)) };
}

pub(super) fn float_word() -> u64 {
    let word;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("fmv.x.d {}, f0", out(reg) word, options(nomem, nostack)) };
    word
}

/// Whether a device tree begins so (Devicetree specification 0.4, chapter 5.2).
pub(super) const fn is_firmware(first: u64) -> bool {
    const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];
    first as u32 == u32::from_le_bytes(MAGIC)
}

/// All bits that are set in any floating-point register.
pub(super) fn float_registers() -> u64 {
    let bits;
    // SAFETY: reads registers, and touches those that it names.
    unsafe {
        core::arch::asm!(
            "li a0, 0",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "fmv.x.d t0, f\\n",
            "or a0, a0, t0",
            ".endr",
            out("a0") bits,
            out("t0") _,
            options(nomem, nostack)
        );
    }
    bits
}

/// Fills registers with a pattern, counts down, and compares.
///
/// Not inlined: what it changes is saved where it is called, and threads that never call it would have used floating point.
#[inline(never)]
pub(super) fn hold_registers(pattern: u64, rounds: u64) -> bool {
    let wrong: u64;
    // SAFETY: touches the registers that it names as clobbered and nothing else.
    unsafe {
        core::arch::asm!(
            ".irp n, 1,5,6,7,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29",
            "addi x\\n, a0, \\n",
            ".endr",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "fmv.d.x f\\n, a0",
            ".endr",
            "2: addi t6, t6, -1",
            "bnez t6, 2b",
            ".irp n, 1,5,6,7,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29",
            "addi x\\n, x\\n, -\\n",
            "sub x\\n, x\\n, a0",
            "or t6, t6, x\\n",
            ".endr",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "fmv.x.d t0, f\\n",
            "sub t0, t0, a0",
            "or t6, t6, t0",
            ".endr",
            in("a0") pattern,
            inout("t6") rounds => wrong,
            out("ra") _, out("t0") _, out("t1") _, out("t2") _,
            out("a1") _, out("a2") _, out("a3") _, out("a4") _, out("a5") _, out("a6") _, out("a7") _,
            out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _, out("s8") _,
            out("s9") _, out("s10") _, out("s11") _, out("t3") _, out("t4") _,
            out("ft0") _, out("ft1") _, out("ft2") _, out("ft3") _, out("ft4") _, out("ft5") _, out("ft6") _,
            out("ft7") _, out("fs0") _, out("fs1") _, out("fa0") _, out("fa1") _, out("fa2") _, out("fa3") _,
            out("fa4") _, out("fa5") _, out("fa6") _, out("fa7") _, out("fs2") _, out("fs3") _, out("fs4") _,
            out("fs5") _, out("fs6") _, out("fs7") _, out("fs8") _, out("fs9") _, out("fs10") _, out("fs11") _,
            out("ft8") _, out("ft9") _, out("ft10") _, out("ft11") _,
            options(nostack)
        );
    }
    wrong == 0
}

/// The same without floating point; in the middle it yields.
pub(super) fn hold_plain_registers(pattern: u64, rounds: u64) -> bool {
    holds_through(pattern, rounds) && {
        let yields = Request { number: Number::YieldNow as u64, ..Request::default() };
        call(&yields).result().is_ok() && holds_through(pattern, rounds)
    }
}

/// The count is in a register that a call keeps: were all others lost, this would still end and say so.
fn holds_through(pattern: u64, rounds: u64) -> bool {
    let wrong: u64;
    // SAFETY: touches the registers that it names as clobbered and nothing else.
    unsafe {
        core::arch::asm!(
            ".irp n, 1,5,6,7,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,28,29,31",
            "addi x\\n, a0, \\n",
            ".endr",
            "2: addi s11, s11, -1",
            "bnez s11, 2b",
            ".irp n, 1,5,6,7,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,28,29,31",
            "addi x\\n, x\\n, -\\n",
            "sub x\\n, x\\n, a0",
            "or s11, s11, x\\n",
            ".endr",
            in("a0") pattern,
            inout("s11") rounds => wrong,
            out("ra") _, out("t0") _, out("t1") _, out("t2") _,
            out("a1") _, out("a2") _, out("a3") _, out("a4") _, out("a5") _, out("a6") _, out("a7") _,
            out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _, out("s8") _,
            out("s9") _, out("s10") _, out("t3") _, out("t4") _, out("t6") _,
            options(nostack)
        );
    }
    wrong == 0
}

/// `mv sp, a0; 1: mv a0, sp; li a1, -1; li a7, 61; ecall; j 1b`.
pub(super) const ECHO_PROGRAM: [u64; 3] =
    [0x0001_0513_0005_0113, 0x03d0_0893_fff0_0593, 0xff1f_f06f_0000_0073];
const _: () = assert!(coldframe_abi::Number::ReplyReceive as u64 == 61, "the program makes this call");

/// `mv sp, a0; 1: mv a0, sp; li a1, -1; li a7, 58; ecall; j 1b`.
pub(super) const LISTENING_PROGRAM: [u64; 3] =
    [0x0001_0513_0005_0113, 0x03a0_0893_fff0_0593, 0xff1f_f06f_0000_0073];
const _: () = assert!(coldframe_abi::Number::Receive as u64 == 58, "the program makes this call");

/// `mv s2, a0; li a0, 4; li a7, 67; ecall; mv a0, sp; lui a1, 1; li a7, 72; ecall; mv sp, s2; li a2, 0; 1: mv a0, sp;
/// li a1, -1; li a7, 61; ecall; lui t0, 1; or a2, a2, t0; j 1b`.
pub(super) const GIVING_PROGRAM: &[u64] = &[
    0x0040_0513_0005_0913,
    0x0000_0073_0430_0893,
    0x0000_15b7_0001_0513,
    0x0000_0073_0480_0893,
    0x0000_0613_0009_0113,
    0xfff0_0593_0001_0513,
    0x0000_0073_03d0_0893,
    0x0056_6633_0000_12b7,
    0x0000_0000_fe9f_f06f,
];

/// The same with `li a2, 0` in place of `lui` and `or`.
pub(super) const TAKING_PROGRAM: &[u64] = &[
    0x0040_0513_0005_0913,
    0x0000_0073_0430_0893,
    0x0000_15b7_0001_0513,
    0x0000_0073_0480_0893,
    0x0000_0613_0009_0113,
    0xfff0_0593_0001_0513,
    0x0000_0073_03d0_0893,
    0xfedf_f06f_0000_0613,
];
const _: () = assert!(
    coldframe_abi::Number::Accept as u64 == 67 && coldframe_abi::Number::AcceptPages as u64 == 72,
    "the programs make these calls"
);

/// `1: li a7, 1; ecall; j 1b`.
pub(super) const YIELD_PROGRAM: [u64; 2] = [0x0000_0073_0010_0893, 0x0000_0000_ff9f_f06f];
const _: () = assert!(coldframe_abi::Number::YieldNow as u64 == 1, "the program makes this call");

/// `lbu a0, 0(a0); li a7, 19; ecall`, and then nothing that could be run.
pub(super) const SMALL_PROGRAM: [u64; 2] = [0x0130_0893_0005_4503, 0x0000_0000_0000_0073];
const _: () = assert!(coldframe_abi::Number::ProcessExit as u64 == 19, "the program makes this call");

/// `ld a0, 16(sp); lbu a0, 0(a0); li a1, 0; li a7, 19; ecall`, and then nothing that could be run.
pub(super) const STARTED_PROGRAM: [u64; 3] =
    [0x0005_4503_0101_3503, 0x0130_0893_0000_0593, 0x0000_0000_0000_0073];

/// `li a1, -1; li a2, 0; li a7, 59; ecall; li a1, 0; li a7, 19; ecall`, and then nothing that could be run.
pub(super) const CALLING_PROGRAM: [u64; 4] =
    [0x0000_0613_fff0_0593, 0x0000_0073_03b0_0893, 0x0130_0893_0000_0593, 0x0000_0000_0000_0073];
const _: () = assert!(coldframe_abi::Number::Call as u64 == 59, "the program makes this call");

core::arch::global_asm!(
    ".section .text.closing_program",
    ".balign 8",
    ".global closing_program",
    "closing_program: mv sp, a0",
    "ld a0, 0(sp)",
    "li a7, {close}",
    "ecall",
    "li a7, {create}",
    "ecall",
    // The first word of the message, and the one thing that goes along.
    "mv s3, a1",
    "mv s1, a1",
    "li a2, 0x100",
    "ld a0, 8(sp)",
    "li a1, -1",
    "li a7, {send}",
    "ecall",
    "mv a0, s1",
    "li a1, -1",
    "li a7, {receive}",
    "ecall",
    "mv a0, a1",
    "li a1, 0",
    "li a7, {exit}",
    "ecall",
    "unimp",
    ".zero 32",
    close = const Number::ProcessClose as u64,
    create = const Number::EndpointCreate as u64,
    send = const Number::Send as u64,
    receive = const Number::Receive as u64,
    exit = const Number::ProcessExit as u64,
);

pub(super) fn closing_program() -> [u64; 12] {
    unsafe extern "C" {
        fn closing_program();
    }
    let words = closing_program as *const [u64; 12];
    // SAFETY: so many words are there, aligned like words, in what the image may read.
    unsafe { words.read() }
}
