//! x86_64: `syscall` with the number in rax, status and value in rax and rdx; `int 0x69` as the slow way.

use coldframe_abi::{Message, Number, Reply, Request};

core::arch::global_asm!(
    ".section .text._start",
    ".global _start",
    "_start: xor ebp, ebp",
    "call {start}",
    ".global thread_start, upcall_start",
    "thread_start: xor ebp, ebp",
    "call {thread}",
    "upcall_start: xor ebp, ebp",
    "call {upcall}",
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
    let [rdi, rsi, rdx, r10, r8, r9] = request.arguments;
    let (status, value);
    // The slow way has to work as well: the call by which a thread asks for its name takes it.
    if request.number == Number::ThreadSelf as u64 {
        // SAFETY: as below; an interrupt keeps rcx and r11 too.
        unsafe {
            core::arch::asm!("int 0x69", inlateout("rax") request.number => status, inlateout("rdx") rdx => value,
                in("rdi") rdi, in("rsi") rsi, in("r10") r10, in("r8") r8, in("r9") r9);
        }
        return Reply { status, value };
    }
    // SAFETY: the kernel reads and writes only the memory that the call names, which its caller vouches for, and
    // keeps those registers that are not named here.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") request.number => status,
            inlateout("rdx") rdx => value,
            inlateout("rdi") rdi => _, inlateout("rsi") rsi => _, inlateout("r10") r10 => _,
            inlateout("r8") r8 => _, inlateout("r9") r9 => _,
            out("rcx") _, out("r11") _,
            options(nostack)
        );
    }
    Reply { status, value }
}

/// A call with a message in rbx, r12 to r15 and r8 to r10; in rdx goes what it carries, in rdi comes how it came.
#[inline(always)]
pub(super) fn exchange(request: &Request, message: &Message) -> (Reply, Message) {
    let [rdi, rsi, ..] = request.arguments;
    let mut label = message.label;
    let [mut r12, mut r13, mut r14, mut r15, mut r8, mut r9, mut r10] = message.words;
    let (status, value, tag): (u64, u64, u64);
    // SAFETY: as above; messages come in the registers that are named here; rbx and rbp, which the compiler keeps for
    // itself, are put back.
    unsafe {
        core::arch::asm!(
            "push rbp",
            "push rbx",
            "mov rbx, rcx",
            "syscall",
            "mov rcx, rbx",
            "pop rbx",
            "pop rbp",
            inlateout("rax") request.number => status,
            inlateout("rdx") message.tag() => value,
            inlateout("rdi") rdi => tag,
            inlateout("rsi") rsi => _,
            inlateout("rcx") label,
            inlateout("r12") r12, inlateout("r13") r13, inlateout("r14") r14, inlateout("r15") r15,
            inlateout("r8") r8, inlateout("r9") r9, inlateout("r10") r10,
            out("r11") _,
        );
    }
    let words = [r12, r13, r14, r15, r8, r9, r10];
    (Reply { status, value }, Message::from_registers(label, words, tag))
}

pub(super) fn counter() -> u64 {
    // SAFETY: reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

pub(super) fn thread_word() -> u64 {
    let word;
    // SAFETY: a scenario reads what it has said is its storage.
    unsafe { core::arch::asm!("mov {}, fs:[0]", out(reg) word, options(readonly, nostack)) };
    word
}

/// The number of the register with a thread's argument: rdi.
pub(super) const ARGUMENT_REGISTER: u64 = 7;

/// A page that is RAM in every such machine.
pub(super) const SOME_RAM: u64 = 0x20_0000;

/// Puts a word into the first register of floating point, which no compiled code uses here.
pub(super) fn put_float(word: u64) {
    // SAFETY: changes the register that it names.
    unsafe { core::arch::asm!("movq xmm0, {}", in(reg) word, options(nomem, nostack)) };
}

pub(super) fn float_word() -> u64 {
    let word;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("movq {}, xmm0", out(reg) word, options(nomem, nostack)) };
    word
}

/// Whether a table of ACPI begins so: with the four letters of the one that all lists begin with, the FADT.
pub(super) const fn is_firmware(first: u64) -> bool {
    first as u32 == u32::from_le_bytes(*b"FACP")
}

/// All bits that are set in any floating-point register.
pub(super) fn float_registers() -> u64 {
    let bits;
    // SAFETY: reads registers, and touches those that it names.
    unsafe {
        core::arch::asm!(
            "xor eax, eax",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movq rcx, xmm\\n",
            "or rax, rcx",
            ".endr",
            out("rax") bits,
            out("rcx") _,
            options(nomem, nostack)
        );
    }
    bits
}

/// Fills registers with a pattern, counts down, and compares.
pub(super) fn hold_registers(pattern: u64, rounds: u64) -> bool {
    let wrong: u64;
    // SAFETY: touches the registers that it names as clobbered, and rbx, which it puts back.
    unsafe {
        core::arch::asm!(
            "push rbx",
            "lea rbx, [rax + 1]", "lea rcx, [rax + 2]", "lea rdx, [rax + 3]", "lea rsi, [rax + 4]",
            "lea r8, [rax + 5]", "lea r9, [rax + 6]", "lea r10, [rax + 7]", "lea r11, [rax + 8]",
            "lea r12, [rax + 9]", "lea r13, [rax + 10]", "lea r14, [rax + 11]", "lea r15, [rax + 12]",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movq xmm\\n, rax",
            ".endr",
            "2: dec rdi",
            "jnz 2b",
            "sub rbx, 1", "sub rcx, 2", "sub rdx, 3", "sub rsi, 4", "sub r8, 5", "sub r9, 6", "sub r10, 7",
            "sub r11, 8", "sub r12, 9", "sub r13, 10", "sub r14, 11", "sub r15, 12",
            ".irp r, rbx,rcx,rdx,rsi,r8,r9,r10,r11,r12,r13,r14,r15",
            "xor \\r, rax",
            "or rdi, \\r",
            ".endr",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movq rcx, xmm\\n",
            "xor rcx, rax",
            "or rdi, rcx",
            ".endr",
            "pop rbx",
            in("rax") pattern,
            inout("rdi") rounds => wrong,
            out("rcx") _, out("rdx") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        );
    }
    wrong == 0
}

/// The same without floating point; in the middle it yields, by an interrupt.
pub(super) fn hold_plain_registers(pattern: u64, rounds: u64) -> bool {
    let wrong: u64;
    // SAFETY: touches the registers that it names as clobbered, and rbx and rbp, which it puts back; the call keeps all
    // but those two in which it is answered.
    unsafe {
        core::arch::asm!(
            "push rbx",
            "push rbp",
            "lea rbx, [rax + 1]", "lea rcx, [rax + 2]", "lea rbp, [rax + 3]", "lea rsi, [rax + 4]",
            "lea r8, [rax + 5]", "lea r9, [rax + 6]", "lea r10, [rax + 7]", "lea r11, [rax + 8]",
            "lea r12, [rax + 9]", "lea r13, [rax + 10]", "lea r14, [rax + 11]", "lea r15, [rax + 12]",
            "push rdi",
            "2: dec rdi",
            "jnz 2b",
            "push rax",
            "mov eax, {yield_now}",
            "int 0x69",
            "pop rax",
            "pop rdi",
            "2: dec rdi",
            "jnz 2b",
            "sub rbx, 1", "sub rcx, 2", "sub rbp, 3", "sub rsi, 4", "sub r8, 5", "sub r9, 6", "sub r10, 7",
            "sub r11, 8", "sub r12, 9", "sub r13, 10", "sub r14, 11", "sub r15, 12",
            ".irp r, rbx,rcx,rbp,rsi,r8,r9,r10,r11,r12,r13,r14,r15",
            "xor \\r, rax",
            "or rdi, \\r",
            ".endr",
            "pop rbp",
            "pop rbx",
            yield_now = const Number::YieldNow as u32,
            in("rax") pattern,
            inout("rdi") rounds => wrong,
            out("rcx") _, out("rdx") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        );
    }
    wrong == 0
}

/// `mov rsp, rdi; 1: mov rdi, rsp; or rsi, -1; mov eax, 61; syscall; jmp 1b`.
pub(super) const ECHO_PROGRAM: [u64; 3] =
    [0x8348_e789_48fc_8948, 0x0f00_0000_3db8_ffce, 0xcccc_cccc_ccf0_eb05];
const _: () = assert!(coldframe_abi::Number::ReplyReceive as u64 == 61, "the program makes this call");

/// `mov rsp, rdi; 1: mov rdi, rsp; or rsi, -1; mov eax, 58; syscall; jmp 1b`.
pub(super) const LISTENING_PROGRAM: [u64; 3] =
    [0x8348_e789_48fc_8948, 0x0f00_0000_3ab8_ffce, 0xcccc_cccc_ccf0_eb05];
const _: () = assert!(coldframe_abi::Number::Receive as u64 == 58, "the program makes this call");

/// `mov rbx, rdi; mov edi, 4; mov eax, 67; syscall; mov rdi, rsp; mov esi, 4096; mov eax, 72; syscall; mov rsp, rbx;
/// xor edx, edx; 1: mov rdi, rsp; or rsi, -1; mov eax, 61; syscall; lea edx, [rdi + 4096]; jmp 1b`.
pub(super) const GIVING_PROGRAM: &[u64] = &[
    0x0000_0004_bffb_8948,
    0x4805_0f00_0000_43b8,
    0xb800_0010_00be_e789,
    0x8948_050f_0000_0048,
    0x8348_e789_48d2_31dc,
    0x0f00_0000_3db8_ffce,
    0xeb00_0010_0097_8d05,
    0xcccc_cccc_cccc_ccea,
];

/// The same with `xor edx, edx` in place of `lea`.
pub(super) const TAKING_PROGRAM: &[u64] = &[
    0x0000_0004_bffb_8948,
    0x4805_0f00_0000_43b8,
    0xb800_0010_00be_e789,
    0x8948_050f_0000_0048,
    0x8348_e789_48d2_31dc,
    0x0f00_0000_3db8_ffce,
    0xcccc_ccee_ebd2_3105,
];
const _: () = assert!(
    coldframe_abi::Number::Accept as u64 == 67 && coldframe_abi::Number::AcceptPages as u64 == 72,
    "the programs make these calls"
);

/// `1: mov eax, 1; syscall; jmp 1b`.
pub(super) const YIELD_PROGRAM: [u64; 2] = [0xeb05_0f00_0000_01b8, 0xcccc_cccc_cccc_ccf7];
const _: () = assert!(coldframe_abi::Number::YieldNow as u64 == 1, "the program makes this call");

/// `movzx edi, byte ptr [rdi]; mov eax, 19; syscall; ud2`.
pub(super) const SMALL_PROGRAM: [u64; 2] = [0x0000_0013_b83f_b60f, 0xcccc_cccc_0b0f_050f];
const _: () = assert!(coldframe_abi::Number::ProcessExit as u64 == 19, "the program makes this call");

/// `mov rdi, [rsp + 16]; movzx edi, byte ptr [rdi]; xor esi, esi; mov eax, 19; syscall; ud2`.
pub(super) const STARTED_PROGRAM: [u64; 3] =
    [0x3fb6_0f10_247c_8b48, 0x0f00_0000_13b8_f631, 0xcccc_cccc_cc0b_0f05];

/// `or rsi, -1; xor edx, edx; mov eax, 59; syscall; mov edi, eax; xor esi, esi; mov eax, 19; syscall; ud2`.
pub(super) const CALLING_PROGRAM: [u64; 4] =
    [0x3bb8_d231_ffce_8348, 0x31c7_8905_0f00_0000, 0x050f_0000_0013_b8f6, 0xcccc_cccc_cccc_0b0f];
const _: () = assert!(coldframe_abi::Number::Call as u64 == 59, "the program makes this call");

core::arch::global_asm!(
    ".section .text.closing_program",
    ".balign 8",
    ".global closing_program",
    "closing_program: mov rsp, rdi",
    "mov rdi, [rsp]",
    "mov eax, {close}",
    "syscall",
    "mov eax, {create}",
    "syscall",
    // The first word of the message, and the one thing that goes along.
    "mov r12, rdx",
    "mov rbp, rdx",
    "mov edx, 0x100",
    "mov rdi, [rsp + 8]",
    "or rsi, -1",
    "mov eax, {send}",
    "syscall",
    "mov rdi, rbp",
    "or rsi, -1",
    "mov eax, {receive}",
    "syscall",
    "mov edi, edx",
    "xor esi, esi",
    "mov eax, {exit}",
    "syscall",
    "ud2",
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
