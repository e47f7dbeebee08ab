//! User mode as a function: it is called with registers and returns when it traps.

use core::ops::{Deref, DerefMut};

use coldframe_abi::{Arrival, Carries, Message, Reply, Request};
use coldframe_hal::{Trap, UserRegisters};
use coldframe_kernel::FastCall;

use super::descriptors::{
    CPU, FS_BASE, KERNEL_CODE, KERNEL_STACK, PENDING, THREAD_POINTER_HERE, TRAP_STACK, USER_CODE, USER_DATA,
    USER_STACK,
};
use super::float::Float;
use super::instructions::write_msr;
use super::{CALL_VECTOR, KICK_VECTOR, LAST_LINE_VECTOR};
use crate::cpu_loop::{Entries, Entry, Fast, entries};
use crate::machine::BareCpu;

/// The registers of user mode. The CPU and the assembly below push into the end of it, so the order is theirs.
#[repr(C, align(16))]
#[derive(Debug)]
pub(crate) struct Registers {
    float: Float,
    general: General,
}

/// All but floating point.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct General {
    /// What it has beyond general registers: `USES_FLOAT`, `HAS_THREAD_POINTER`.
    more: u64,
    thread_pointer: u64,
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rbp: u64,
    rdi: u64,
    rsi: u64,
    rdx: u64,
    rcx: u64,
    rbx: u64,
    rax: u64,
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    flags: u64,
    rsp: u64,
    ss: u64,
}

/// What a call that is tried the fast way leaves in registers, and what is in them when user mode goes on.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    rax: u64,
    rdi: u64,
    rsi: u64,
    rdx: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    rip: u64,
    flags: u64,
    rsp: u64,
    /// What a leaf keeps: rbx, rbp, r12 to r15. Only those leaves put it here that change it.
    kept: [u64; 6],
}

/// User mode ends here: an address behind it would not be one, and returning to it would fault in the kernel. Who made a call
/// behind the last address that is one has this very bit set in it.
const END_OF_USER_BIT: u32 = 47;

impl Call {
    /// The first three arguments.
    #[inline(always)]
    pub(crate) fn arguments(&self) -> [u64; 3] {
        [self.rdi, self.rsi, self.rdx]
    }

    pub(crate) fn carries(&self) -> Carries {
        Carries::of_tag(self.rdx)
    }

    pub(crate) fn answer(&mut self, reply: Reply, arrival: Arrival) {
        (self.rax, self.rdx, self.rdi) = (reply.status, reply.value, arrival as u64);
    }

    /// The same, and what lies here of a message goes.
    pub(crate) fn answer_signalled(&mut self, reply: Reply) {
        self.answer(reply, Arrival::Signalled);
        (self.r8, self.r9, self.r10) = (0, 0, 0);
    }

    /// Changes from the thread that has made the call to one that waits in one. Words of a message stay where they are.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, from: &mut Registers, to: &Registers) {
        (from.rip, from.flags, from.rsp) = (self.rip, self.flags, self.rsp);
        (self.rip, self.flags, self.rsp) = (to.rip, to.flags, to.rsp);
    }

    /// Changes from the thread that has made the call to one that rests in one and has its answer.
    pub(crate) fn swap(&mut self, from: &mut Registers, answer: Option<Reply>, to: &Registers) {
        self.hand_over(from, to);
        if let Some(answer) = answer {
            from.answer(answer);
        }
        (from.vector, from.error) = (u64::from(CALL_VECTOR), KEEPS_LITTLE);
        [from.rbx, from.rbp, from.r12, from.r13, from.r14, from.r15] = self.kept;
        self.kept = [to.rbx, to.rbp, to.r12, to.r13, to.r14, to.r15];
        (self.rax, self.rdi, self.rdx) = (to.rax, to.rdi, to.rdx);
        (self.r8, self.r9, self.r10) = (to.r8, to.r9, to.r10);
    }
}

const IN_CALL: usize = core::mem::offset_of!(BareCpu, call);
const MORE: usize = core::mem::offset_of!(Registers, general.more);
const THREAD_POINTER: usize = core::mem::offset_of!(Registers, general.thread_pointer);
const KEPT: usize = IN_CALL + core::mem::offset_of!(Call, kept);
/// The error code of a call by `syscall`: of the other one it is zero, and that keeps all registers.
const KEEPS_LITTLE: u64 = 1;
const USES_FLOAT: u64 = 1;
const HAS_THREAD_POINTER: u64 = 2;
const GENERAL: usize = core::mem::offset_of!(Registers, general.r15);
const END: usize = size_of::<Registers>();
const _: () = assert!(END.is_multiple_of(16), "the CPU aligns the stack on which it pushes");

/// Why user mode was left.
pub(crate) enum UserExit {
    /// For the kernel.
    Trap(Trap),
    /// It used a floating-point register for the first time.
    WantsFloat,
}

const INTERRUPTS_ON: u64 = 1 << 9 | 1 << 1;

/// A thread that has not used floating point has nothing there worth to be copied: what lies there may be another's, and is
/// cleared before it is used.
impl Clone for Registers {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    #[inline]
    fn clone_from(&mut self, from: &Self) {
        if from.uses_float() {
            self.float.clone_from(&from.float);
        }
        self.general = from.general;
    }
}

impl Deref for Registers {
    type Target = General;

    fn deref(&self) -> &General {
        &self.general
    }
}

impl DerefMut for Registers {
    fn deref_mut(&mut self) -> &mut General {
        &mut self.general
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self { float: Float::FRESH, general: General::default() }
    }
}

impl General {
    fn numbered(&mut self, number: usize) -> &mut u64 {
        let all = [
            &mut self.rip,
            &mut self.rsp,
            &mut self.rax,
            &mut self.rbx,
            &mut self.rcx,
            &mut self.rdx,
            &mut self.rsi,
            &mut self.rdi,
            &mut self.rbp,
            &mut self.r8,
            &mut self.r9,
            &mut self.r10,
            &mut self.r11,
            &mut self.r12,
            &mut self.r13,
            &mut self.r14,
            &mut self.r15,
        ];
        let Some(register) = all.into_iter().nth(number) else {
            unreachable!("the kernel names registers that there are")
        };
        register
    }
}

impl Default for General {
    fn default() -> Self {
        Self {
            more: 0,
            thread_pointer: 0,
            r15: 0,
            r14: 0,
            r13: 0,
            r12: 0,
            r11: 0,
            r10: 0,
            r9: 0,
            r8: 0,
            rbp: 0,
            rdi: 0,
            rsi: 0,
            rdx: 0,
            rcx: 0,
            rbx: 0,
            rax: 0,
            vector: 0,
            error: 0,
            rip: 0,
            cs: u64::from(USER_CODE),
            flags: INTERRUPTS_ON,
            rsp: 0,
            ss: u64::from(USER_DATA),
        }
    }
}

impl Registers {
    pub(super) fn vector(&self) -> u8 {
        self.vector as u8
    }

    pub(super) fn error(&self) -> u64 {
        self.error
    }

    /// Somebody has put something into registers that a call does not keep, or may have.
    fn needs_all(&mut self) {
        self.error = 0;
    }

    pub(super) fn uses_float(&self) -> bool {
        self.more & USES_FLOAT != 0
    }

    pub(crate) fn allow_float(&mut self) {
        self.more |= USES_FLOAT;
        self.float = Float::FRESH;
    }
}

impl UserRegisters for Registers {
    fn begin(&mut self, entry: u64, stack: u64, argument: u64) {
        (self.general.rip, self.general.rsp, self.general.rdi) = (entry, stack, argument);
    }

    fn request(&self) -> Request {
        Request { number: self.rax, arguments: [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9] }
    }

    fn answer(&mut self, reply: Reply) {
        self.rax = reply.status;
        self.rdx = reply.value;
    }

    fn message(&self) -> Message {
        let words = [self.r12, self.r13, self.r14, self.r15, self.r8, self.r9, self.r10];
        Message::from_registers(self.rbx, words, self.rdx)
    }

    fn carries(&self) -> Carries {
        Carries::of_tag(self.rdx)
    }

    fn deliver(&mut self, message: Message) {
        self.rbx = message.label;
        [self.r12, self.r13, self.r14, self.r15, self.r8, self.r9, self.r10] = message.words;
        self.rdi = message.tag();
    }

    fn is_light(&self) -> bool {
        self.more == 0
    }

    #[inline]
    fn has_way_back(&self) -> bool {
        self.rip >> END_OF_USER_BIT == 0
    }

    fn rests_in_call(&self) -> bool {
        (self.vector, self.error) == (u64::from(CALL_VECTOR), KEEPS_LITTLE)
    }

    // rip and rsp; rax, rbx, rcx, rdx, rsi, rdi, rbp; r8 to r15.
    const COUNT: usize = 17;

    fn register(&self, number: usize) -> u64 {
        *{ self.general }.numbered(number)
    }

    fn set_register(&mut self, number: usize, value: u64) {
        *self.general.numbered(number) = value;
        self.needs_all();
    }

    // xmm0 to xmm15 by halves, and mxcsr.
    const FLOAT_COUNT: usize = Float::WORDS;

    fn float_register(&self, number: usize) -> u64 {
        if self.uses_float() { self.float.word(number) } else { Float::FRESH.word(number) }
    }

    fn set_float_register(&mut self, number: usize, value: u64) {
        if !self.uses_float() {
            self.allow_float();
        }
        self.float.set_word(number, value);
    }

    fn thread_pointer(&self) -> u64 {
        self.thread_pointer
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.thread_pointer = address;
        // The fast way between threads does not load it: it is for those that have none.
        self.more = self.more & !HAS_THREAD_POINTER | if address == 0 { 0 } else { HAS_THREAD_POINTER };
    }

    fn program_counter(&self) -> u64 {
        self.rip
    }

    fn stack(&self) -> u64 {
        self.rsp
    }

    fn go_on_at(&mut self, program_counter: u64, stack: u64) {
        (self.rip, self.rsp) = (program_counter, stack);
        self.needs_all();
    }
}

core::arch::global_asm!(
    r#"
    .section .text
    .global run_user_asm
run_user_asm:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    /* From here on a call finds the stack aligned. */
    sub rsp, 8
    mov gs:[{kernel_stack}], rsp
    lea rax, [rdi + {end}]
    mov gs:[{trap_stack}], rax
    mov rax, [rdi + {thread_pointer}]
    cmp rax, gs:[{loaded_pointer}]
    jne 9f
4:  test byte ptr [rdi + {more}], {float}
    jz 5f
    clts
    fxrstor64 [rdi]
5:  lea rsp, [rdi + {general}]
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
    swapgs
    iretq

9:  mov gs:[{loaded_pointer}], rax
    mov rdx, rax
    shr rdx, 32
    mov ecx, {fs_base}
    wrmsr
    jmp 4b

    /* Leaves that change as well what a leaf keeps: another thread goes on, or signals come in place of a message. */
    .macro keeping_leaf name, leaf
    .global \name
\name:
    mov [rdi + {kept} + 0], rbx
    mov [rdi + {kept} + 8], rbp
    mov [rdi + {kept} + 16], r12
    mov [rdi + {kept} + 24], r13
    mov [rdi + {kept} + 32], r14
    mov [rdi + {kept} + 40], r15
    push rdi
    call \leaf
    pop rdi
    cmp eax, {passed}
    jb 1f
    jne 2f
    mov rbx, [rdi + {kept} + 0]
    mov rbp, [rdi + {kept} + 8]
    mov r12, [rdi + {kept} + 16]
    mov r13, [rdi + {kept} + 24]
    mov r14, [rdi + {kept} + 32]
    mov r15, [rdi + {kept} + 40]
    mov eax, {answered}
1:  ret
2:  xor ebx, ebx
    xor r12d, r12d
    xor r13d, r13d
    xor r14d, r14d
    xor r15d, r15d
    mov eax, {answered}
    ret
    .endm
    keeping_leaf yield_leaf, {yield_now}
    keeping_leaf signal_leaf, {signal_whole}
    keeping_leaf receive_leaf, {receive}

    .global call_entry
call_entry:
    swapgs
    mov gs:[{user_stack}], rsp
    cmp rax, {last_entry}
    ja slow_entry
    bt rcx, {end_of_user_bit}
    jc slow_entry
    jmp [{entries} + rax * 8]

    /* Calls that need nothing but a word or two, and are answered with nothing but that they are done. */
    .global null_entry
null_entry:
    mov rsp, gs:[{kernel_stack}]
    push r11
    push rcx
    mov rdi, gs:[{cpu}]
    call {null}
    pop rcx
    pop r11
    sub eax, 1
    jae done
    /* Nothing of the kernel's stays where the caller finds it. */
    xor edi, edi
    xor esi, esi
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    mov eax, {null_number}
    jmp slow_entry

    .global signal_entry
signal_entry:
    mov rsp, gs:[{kernel_stack}]
    push r11
    push rcx
    push rdi
    push rsi
    mov rdx, rsi
    mov rsi, rdi
    mov rdi, gs:[{cpu}]
    call {signal}
    pop rsi
    pop rdi
    pop rcx
    pop r11
    sub eax, 1
    jae done
    /* Somebody may wait who runs at once. */
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    mov eax, {signal_number}
    jmp whole_entry

    /* Calls of three words that are answered with nothing but that they are done. */
    .global page_entry
page_entry:
    mov rsp, gs:[{kernel_stack}]
    push r11
    push rcx
    push rdi
    push rsi
    push rdx
    push rax
    mov rcx, rdx
    mov rdx, rsi
    mov rsi, rdi
    mov rdi, gs:[{cpu}]
    call [{page_leaves} + rax * 8]
    sub eax, 1
    jb 6f
    mov rcx, [rsp + 32]
    mov r11, [rsp + 40]
    jmp done
6:  pop rax
    pop rdx
    pop rsi
    pop rdi
    pop rcx
    pop r11
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    jmp slow_entry

done:
    xor edi, edi
    xor esi, esi
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    mov rsp, gs:[{user_stack}]
    swapgs
    sysretq

    /* All others: whatever may be part of a message. */
    .global whole_entry
whole_entry:
    mov rsp, gs:[{cpu}]
    mov [rsp + {call} + 0], rax
    mov [rsp + {call} + 8], rdi
    mov [rsp + {call} + 16], rsi
    mov [rsp + {call} + 24], rdx
    mov [rsp + {call} + 32], r8
    mov [rsp + {call} + 40], r9
    mov [rsp + {call} + 48], r10
    mov [rsp + {call} + 56], rcx
    mov [rsp + {call} + 64], r11
    mov rdi, gs:[{user_stack}]
    mov [rsp + {call} + 72], rdi
    mov rdi, rsp
    mov rsp, gs:[{kernel_stack}]
    call [{leaves} + rax * 8]
    mov rsp, gs:[{cpu}]
    mov ecx, eax
    mov rax, [rsp + {call} + 0]
    mov rdi, [rsp + {call} + 8]
    mov rdx, [rsp + {call} + 24]
    mov r8, [rsp + {call} + 32]
    mov r9, [rsp + {call} + 40]
    mov r10, [rsp + {call} + 48]
    mov r11, [rsp + {call} + 64]
    sub ecx, 1
    jb 7f
    je 8f
    /* Another thread goes on: what is not part of the message is not its own. */
    xor ebp, ebp
8:  xor esi, esi
    mov rcx, [rsp + {call} + 56]
    mov rsp, [rsp + {call} + 72]
    swapgs
    sysretq
7:  mov rsi, [rsp + {call} + 16]
    mov rcx, [rsp + {call} + 56]
    .global slow_entry
slow_entry:
    mov rsp, gs:[{trap_stack}]
    push {user_data}
    push qword ptr gs:[{user_stack}]
    push r11
    push {user_code}
    push rcx
    push {keeps_little}
    push {call_vector}
    jmp leave_user

trap_common:
    test qword ptr [rsp + 24], 3
    jz trap_in_kernel
    swapgs
leave_user:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cld
    lea rdi, [rsp - {general}]
    test byte ptr [rdi + {more}], {float}
    jz 2f
    fxsave64 [rdi]
    mov rax, cr0
    or rax, 8
    mov cr0, rax
2:  mov rsp, gs:[{kernel_stack}]
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

    /* The kernel lets kicks, timers and devices in while it waits: they are noted. Everything else is the end. */
trap_in_kernel:
    cmp qword ptr [rsp], {kick_vector}
    jb 3f
    cmp qword ptr [rsp], {last_vector}
    jae 4f
    push rcx
    mov rcx, [rsp + 8]
    sub rcx, {kick_vector}
    bts qword ptr gs:[{pending}], rcx
    pop rcx
    add rsp, 16
    iretq
4:  cmp qword ptr [rsp], 255
    jne 3f
    add rsp, 16
    iretq
3:  mov rdi, rsp
    and rsp, -16
    call {kernel_trap}

    /* One stub a vector, 16 bytes each; the CPU pushes an error code for some. */
    .balign 16
    .global trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector != 8) & (vector != 10) & (vector != 11) & (vector != 12) & (vector != 13) & (vector != 14) & (vector != 17) & (vector != 21) & (vector != 29) & (vector != 30)
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
    .endr
    "#,
    kernel_stack = const KERNEL_STACK,
    more = const MORE,
    float = const USES_FLOAT,
    thread_pointer = const THREAD_POINTER,
    loaded_pointer = const THREAD_POINTER_HERE,
    fs_base = const FS_BASE,
    general = const GENERAL,
    end = const END,
    trap_stack = const TRAP_STACK,
    user_stack = const USER_STACK,
    pending = const PENDING,
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    call_vector = const CALL_VECTOR,
    kick_vector = const KICK_VECTOR,
    last_vector = const LAST_LINE_VECTOR,
    kernel_trap = sym super::kernel_trap,
    kept = const KEPT,
    keeps_little = const KEEPS_LITTLE,
    yield_now = sym crate::cpu_loop::yield_now,
    receive = sym crate::cpu_loop::receive,
    signal_whole = sym crate::cpu_loop::signal_whole,
    passed = const Fast::Passed as u32,
    answered = const Fast::Answered as u32,
    cpu = const CPU,
    call = const IN_CALL,
    leaves = sym crate::cpu_loop::LEAVES,
    page_leaves = sym crate::cpu_loop::PAGE_LEAVES,
    entries = sym ENTRIES,
    last_entry = const ENTRIES.len() - 1,
    end_of_user_bit = const END_OF_USER_BIT,
    null = sym crate::cpu_loop::null,
    null_number = const FastCall::Null.number() as u64,
    signal = sym crate::cpu_loop::signal,
    signal_number = const FastCall::Signal.number() as u64,
);

unsafe extern "C" {
    fn run_user_asm(registers: *mut Registers);
    fn call_entry();
    fn trap_stubs();
    fn slow_entry();
    fn whole_entry();
    fn null_entry();
    fn signal_entry();
    fn page_entry();
}

/// Where a call goes on in the assembly, by its number.
static ENTRIES: [Entry; 64] = entries(&Entries {
    slow: slow_entry,
    null: null_entry,
    signal: signal_entry,
    page: page_entry,
    whole: whole_entry,
});

// SAFETY: it calls what it is declared as, with what it is called with, and finds its own data by that.
#[expect(improper_ctypes, reason = "the assembly passes on what Rust has passed to it")]
unsafe extern "C" {
    // The leaves that change as well what leaves keep.
    pub(crate) safe fn yield_leaf(cpu: &mut BareCpu) -> Fast;
    pub(crate) safe fn signal_leaf(cpu: &mut BareCpu) -> Fast;
    pub(crate) safe fn receive_leaf(cpu: &mut BareCpu) -> Fast;
}

/// The addresses of the stubs, by vector.
pub(super) fn stubs() -> impl Iterator<Item = u64> {
    let first = (trap_stubs as *const ()).addr() as u64;
    (0..256).map(move |vector| first + vector * 16)
}

/// Readies the fast call instruction of this CPU (SDM 3, chapter 5.8.8).
pub(super) fn set_up() {
    const STAR: u32 = 0xc000_0081;
    const LSTAR: u32 = 0xc000_0082;
    const MASK: u32 = 0xc000_0084;
    /// Trap, interrupt, direction, nested task and alignment check are off in the kernel.
    const CLEARED: u64 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 14 | 1 << 18;
    let selectors = u64::from(KERNEL_CODE) << 32 | u64::from(0x10_u16 | 3) << 48;
    // SAFETY: the selectors are those of this CPU's segments, and the entry is code that expects just this.
    unsafe {
        write_msr(STAR, selectors);
        write_msr(LSTAR, (call_entry as *const ()).addr() as u64);
        write_msr(MASK, CLEARED);
    }
}

/// Runs user mode until it traps and the fast way does not do.
#[inline]
pub(crate) fn run_user(cpu: &mut BareCpu) -> UserExit {
    super::descriptors::set_cpu(core::ptr::from_mut(cpu).addr() as u64);
    let registers = &raw mut cpu.registers;
    // SAFETY: the registers lead to user mode (cs, ss), whose memory is apart from the kernel's; segments, task state
    // and interrupt table are set, and the assembly keeps all registers that a call keeps. Until it returns, the CPU's
    // data are its own: calls that it tries the fast way get them from it.
    unsafe { run_user_asm(registers) };
    super::trap_of(&cpu.registers)
}
