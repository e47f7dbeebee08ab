//! User mode as a function: it is called with registers and returns when it traps.

use coldframe_abi::{Arrival, Carries, Message, Reply, Request};
use coldframe_hal::{Trap, UserRegisters};
use coldframe_kernel::FastCall;

use super::read_csr;
use crate::cpu_loop::{Entries, Entry, Fast, entries};
use crate::machine::BareCpu;

/// The registers of user mode. The assembly below knows the layout.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Registers {
    /// x1 to x31 by number; the first word keeps the kernel's stack while user mode runs.
    x: [u64; 32],
    pc: u64,
    status: u64,
    float: [u64; 32],
    float_status: u64,
    /// Whether it has made a call and nobody has put anything else into registers since.
    in_call: bool,
}

/// What a call that is tried the fast way leaves in registers, and what is in them when user mode goes on. The assembly
/// below knows the layout.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// a0 to a7.
    a: [u64; 8],
    pc: u64,
    sp: u64,
    gp: u64,
    tp: u64,
    /// What a leaf keeps: s0 to s11. Only those leaves put it here that change it.
    kept: [u64; 12],
}

impl Call {
    /// The first three arguments.
    #[inline(always)]
    pub(crate) fn arguments(&self) -> [u64; 3] {
        [self.a[0], self.a[1], self.a[2]]
    }

    pub(crate) fn carries(&self) -> Carries {
        Carries::of_tag(self.a[2])
    }

    pub(crate) fn answer(&mut self, reply: Reply, arrival: Arrival) {
        (self.a[0], self.a[1], self.a[2]) = (reply.status, reply.value, arrival as u64);
    }

    /// The same: of a message nothing lies here.
    pub(crate) fn answer_signalled(&mut self, reply: Reply) {
        self.answer(reply, Arrival::Signalled);
    }

    /// Changes from the thread that has made the call to one that waits in one. Words of a message stay where they are.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self, from: &mut Registers, to: &Registers) {
        // Behind the call.
        from.pc = self.pc + 4;
        [from.x[2], from.x[3], from.x[4]] = [self.sp, self.gp, self.tp];
        self.pc = to.pc - 4;
        [self.sp, self.gp, self.tp] = [to.x[2], to.x[3], to.x[4]];
    }

    /// Changes from the thread that has made the call to one that rests in one and has its answer.
    pub(crate) fn swap(&mut self, from: &mut Registers, answer: Option<Reply>, to: &Registers) {
        self.hand_over(from, to);
        if let Some(answer) = answer {
            from.answer(answer);
        }
        from.in_call = true;
        // One by one: the compiler would call a function for as many at once, which takes longer than they do.
        for (number, kept) in KEPT_BY_LEAVES.into_iter().zip(&mut self.kept) {
            from.x[number] = core::mem::replace(kept, to.x[number]);
        }
        [self.a[0], self.a[1], self.a[2]] = [to.x[10], to.x[11], to.x[12]];
    }
}

/// The numbers of s0 to s11.
const KEPT_BY_LEAVES: [usize; 12] = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/// From a CPU's registers to what is kept of a call.
const CALL: usize = core::mem::offset_of!(BareCpu, call) - core::mem::offset_of!(BareCpu, registers);
/// From a CPU to what a leaf keeps; gp and tp lie before it.
const KEPT: usize = core::mem::offset_of!(BareCpu, call) + core::mem::offset_of!(Call, kept);
const REGISTERS: usize = core::mem::offset_of!(BareCpu, registers);

/// Why user mode was left.
pub(crate) enum UserExit {
    /// For the kernel.
    Trap(Trap),
    /// It used a floating-point register for the first time.
    WantsFloat,
}

/// Interrupts on after `sret`, user mode, floating point off.
const START_STATUS: u64 = 1 << 5;
const FLOAT: u64 = 3 << 13;
const FLOAT_INITIAL: u64 = 1 << 13;
/// UXL: user mode has 64 bits. The field is read-only on most harts and must be kept on the others.
const USER_64: u64 = 2 << 32;

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
        // In parts that need no function of the library: that one takes five instructions a word.
        let (parts, _) = self.x.as_chunks_mut::<8>();
        for (part, from) in parts.iter_mut().zip(from.x.as_chunks::<8>().0) {
            *part = *from;
        }
        (self.pc, self.status, self.in_call) = (from.pc, from.status, from.in_call);
        if from.uses_float() {
            (self.float, self.float_status) = (from.float, from.float_status);
        }
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            x: [0; 32],
            pc: 0,
            status: START_STATUS | USER_64,
            float: [0; 32],
            float_status: 0,
            in_call: false,
        }
    }
}

impl Registers {
    /// Notes whether what has ended user mode was a call, behind which the thread goes on then.
    pub(super) fn note_call(&mut self, is_call: bool) {
        self.in_call = is_call;
        if is_call {
            self.pc += 4;
        }
    }

    pub(super) fn uses_float(&self) -> bool {
        self.status & FLOAT != 0
    }

    pub(crate) fn allow_float(&mut self) {
        self.status |= FLOAT_INITIAL;
        (self.float, self.float_status) = ([0; 32], 0);
    }
}

/// The register that has a number, from one on.
const fn place_of(number: usize) -> usize {
    match number {
        1 => 2,
        2 => 1,
        number => number,
    }
}

impl UserRegisters for Registers {
    fn begin(&mut self, entry: u64, stack: u64, argument: u64) {
        self.pc = entry;
        self.x[2] = stack;
        self.x[10] = argument;
    }

    fn request(&self) -> Request {
        let mut arguments = [0; 6];
        arguments.copy_from_slice(&self.x[10..16]);
        Request { number: self.x[17], arguments }
    }

    fn answer(&mut self, reply: Reply) {
        self.x[10] = reply.status;
        self.x[11] = reply.value;
    }

    fn message(&self) -> Message {
        let mut words = [0; coldframe_abi::MESSAGE_WORDS];
        words.copy_from_slice(&self.x[19..26]);
        Message::from_registers(self.x[18], words, self.x[12])
    }

    fn carries(&self) -> Carries {
        Carries::of_tag(self.x[12])
    }

    fn deliver(&mut self, message: Message) {
        self.x[18] = message.label;
        self.x[19..26].copy_from_slice(&message.words);
        self.x[12] = message.tag();
    }

    fn is_light(&self) -> bool {
        !self.uses_float()
    }

    fn rests_in_call(&self) -> bool {
        self.in_call
    }

    // pc and x2, the stack; x1, x3 and those behind it.
    const COUNT: usize = 32;

    fn register(&self, number: usize) -> u64 {
        if number == 0 { self.pc } else { self.x[place_of(number)] }
    }

    fn set_register(&mut self, number: usize, value: u64) {
        if number == 0 {
            self.pc = value;
        } else {
            self.x[place_of(number)] = value;
        }
        self.in_call = false;
    }

    // f0 to f31, and fcsr, of which eight bits mean something.
    const FLOAT_COUNT: usize = 33;

    fn float_register(&self, number: usize) -> u64 {
        match self.float.get(number) {
            _ if !self.uses_float() => 0,
            Some(register) => *register,
            None => self.float_status,
        }
    }

    fn set_float_register(&mut self, number: usize, value: u64) {
        if !self.uses_float() {
            self.allow_float();
        }
        match self.float.get_mut(number) {
            Some(register) => *register = value,
            None => self.float_status = value & 0xff,
        }
    }

    fn thread_pointer(&self) -> u64 {
        self.x[4]
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.x[4] = address;
    }

    fn program_counter(&self) -> u64 {
        self.pc
    }

    fn stack(&self) -> u64 {
        self.x[2]
    }

    fn go_on_at(&mut self, program_counter: u64, stack: u64) {
        (self.pc, self.x[2]) = (program_counter, stack);
        self.in_call = false;
    }
}

core::arch::global_asm!(
    r#"
    .section .text
    .option push
    .option arch, +d
    .balign 4
    .global run_user_asm
run_user_asm:
    addi sp, sp, -112
    sd ra, 0(sp)
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd s\n, 8 + 8*\n(sp)
    .endr
    sd sp, 0(a0)
    /* A call that is tried the fast way finds the registers from its stack. */
    sd a0, 104(sp)
    csrw sscratch, a0
    ld t0, 256(a0)
    csrw sepc, t0
    ld t0, 264(a0)
    csrw sstatus, t0
    srli t1, t0, 13
    andi t1, t1, 3
    beqz t1, 1f
    ld t1, 528(a0)
    fscsr t1
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\n, 272 + 8*\n(a0)
    .endr
    /* Clean: whoever leaves it clean has nothing to save. */
    li t1, 1 << 13
    csrc sstatus, t1
    li t1, 2 << 13
    csrs sstatus, t1
1:  .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\n, 8*\n(a0)
    .endr
    ld a0, 80(a0)
    sret

    /* Leaves that change as well what a leaf keeps: another thread goes on, or signals come in place of a message. */
    .macro keeping_leaf name, leaf
    .global \name
\name:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd s\n, {kept} + 8*\n(a0)
    .endr
    addi sp, sp, -16
    sd ra, 0(sp)
    sd a0, 8(sp)
    call \leaf
    ld ra, 0(sp)
    ld t0, 8(sp)
    addi sp, sp, 16
    li t1, {passed}
    bltu a0, t1, 8f
    bne a0, t1, 9f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld s\n, {kept} + 8*\n(t0)
    .endr
    ld gp, {kept} - 16(t0)
    ld tp, {kept} - 8(t0)
    li a0, {answered}
8:  ret
9:  .irp n, 2,3,4,5,6,7,8,9
    li s\n, 0
    .endr
    li a0, {answered}
    ret
    .endm
    keeping_leaf yield_leaf, {yield_now}
    keeping_leaf signal_leaf, {signal_whole}
    keeping_leaf receive_leaf, {receive}

    .balign 4
    .global trap_vector
trap_vector:
    csrrw a0, sscratch, a0
    beqz a0, 3f
    sd t0, 40(a0)
    csrr t0, scause
    addi t0, t0, -8
    beqz t0, 5f
4:  .irp n, 1,2,3,4,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, 8*\n(a0)
    .endr
    csrr t0, sscratch
    sd t0, 80(a0)
    csrw sscratch, zero
    csrr t0, sepc
    sd t0, 256(a0)
    csrr t0, sstatus
    sd t0, 264(a0)
    srli t1, t0, 13
    andi t1, t1, 3
    li t2, 3
    bne t1, t2, 2f
    frcsr t1
    sd t1, 528(a0)
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\n, 272 + 8*\n(a0)
    .endr
2:  ld sp, 0(a0)
    ld ra, 0(sp)
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld s\n, 8 + 8*\n(sp)
    .endr
    addi sp, sp, 112
    ret
    /* A call: t1 need not be kept, but nothing of the kernel's may stay there. */
5:  li t0, {last_entry}
    bltu t0, a7, 4b
    lla t0, {entries}
    slli t1, a7, 3
    add t0, t0, t1
    ld t0, 0(t0)
    jr t0

    .global slow_entry
slow_entry:
    li t1, 0
    j 4b

    /* Calls that need nothing but a word or two, and are answered with nothing but that they are done. */
    .global null_entry
null_entry:
    sd sp, {call} + 72(a0)
    ld sp, 0(a0)
    csrw sscratch, zero
    addi a0, a0, -{registers}
    jal {null}
    bnez a0, done
    li a7, {null_number}
    ld t0, 104(sp)
    li t1, 0
    li a1, 0
    j declined

    .global signal_entry
signal_entry:
    sd sp, {call} + 72(a0)
    ld sp, 0(a0)
    csrrw t1, sscratch, zero
    sd a1, {call} + 8(a0)
    sd t1, {call}(a0)
    mv a2, a1
    mv a1, t1
    addi a0, a0, -{registers}
    jal {signal}
    bnez a0, done
    /* Somebody may wait who runs at once. */
    ld a0, 104(sp)
    ld a1, {call}(a0)
    csrw sscratch, a1
    ld a1, {call} + 8(a0)
    ld sp, {call} + 72(a0)
    li t1, {signal_number} * 8
    li a7, {signal_number}
    .irp r, a2,a3,a4,a5,a6
    li \r, 0
    .endr
    j whole_entry

    /* Calls of three words that are answered with nothing but that they are done. */
    .global page_entry
page_entry:
    lla t0, {page_leaves}
    add t0, t0, t1
    ld t0, 0(t0)
    sd sp, {call} + 72(a0)
    ld sp, 0(a0)
    csrrw t1, sscratch, zero
    sd t1, {call}(a0)
    sd a1, {call} + 8(a0)
    sd a2, {call} + 16(a0)
    sd a7, {call} + 56(a0)
    mv a3, a2
    mv a2, a1
    mv a1, t1
    addi a0, a0, -{registers}
    jalr t0
    bnez a0, done
    ld a0, 104(sp)
    ld t0, {call}(a0)
    csrw sscratch, t0
    ld sp, {call} + 72(a0)
    ld a1, {call} + 8(a0)
    ld a2, {call} + 16(a0)
    ld a7, {call} + 56(a0)
    .irp r, ra,a3,a4,a5,a6,t1,t2,t3,t4,t5,t6
    li \r, 0
    .endr
    j 4b
    /* In t0 the registers, in t1 what the caller has had in a0. */
declined:
    mv a0, t0
    csrw sscratch, t1
    ld sp, {call} + 72(a0)
    .irp r, ra,a2,a3,a4,a5,a6,t1,t2,t3,t4,t5,t6
    li \r, 0
    .endr
    j 4b

done:
    ld t0, 104(sp)
    csrw sscratch, t0
    csrr t1, sepc
    addi t1, t1, 4
    csrw sepc, t1
    ld sp, {call} + 72(t0)
    .irp r, ra,a0,a1,a2,a3,a4,a5,a6,a7,t0,t1,t2,t3,t4,t5,t6
    li \r, 0
    .endr
    sret

    /* All others: whatever may be part of a message. */
    .global whole_entry
whole_entry:
    .irp n, 1,2,3,4,5,6,7
    sd a\n, {call} + 8*\n(a0)
    .endr
    lla t0, {leaves}
    add t0, t0, t1
    ld t0, 0(t0)
    sd sp, {call} + 72(a0)
    sd gp, {call} + 80(a0)
    sd tp, {call} + 88(a0)
    csrrw a1, sscratch, zero
    sd a1, {call}(a0)
    csrr a1, sepc
    sd a1, {call} + 64(a0)
    ld sp, 0(a0)
    addi a0, a0, -{registers}
    jalr t0
    ld t0, 104(sp)
    addi a0, a0, -1
    bltz a0, 7f
    beqz a0, 6f
    /* Another thread goes on: what is not part of the message is not its own. */
    li s0, 0
    li s1, 0
    li s10, 0
    li s11, 0
    ld gp, {call} + 80(t0)
    ld tp, {call} + 88(t0)
6:  csrw sscratch, t0
    ld t1, {call} + 64(t0)
    addi t1, t1, 4
    csrw sepc, t1
    ld sp, {call} + 72(t0)
    ld a0, {call}(t0)
    ld a1, {call} + 8(t0)
    ld a2, {call} + 16(t0)
    .irp r, ra,a3,a4,a5,a6,a7,t0,t1,t2,t3,t4,t5,t6
    li \r, 0
    .endr
    sret
7:  mv a0, t0
    ld t0, {call}(a0)
    csrw sscratch, t0
    ld sp, {call} + 72(a0)
    .irp n, 1,2,3,4,5,6,7
    ld a\n, {call} + 8*\n(a0)
    .endr
    .irp r, ra,t1,t2,t3,t4,t5,t6
    li \r, 0
    .endr
    j 4b
    /* From the kernel itself. */
3:  csrrw a0, sscratch, a0
    tail {kernel_trap}
    .option pop
    "#,
    kernel_trap = sym super::kernel_trap,
    kept = const KEPT,
    yield_now = sym crate::cpu_loop::yield_now,
    receive = sym crate::cpu_loop::receive,
    signal_whole = sym crate::cpu_loop::signal_whole,
    passed = const Fast::Passed as u32,
    answered = const Fast::Answered as u32,
    call = const CALL,
    registers = const REGISTERS,
    leaves = sym crate::cpu_loop::LEAVES,
    page_leaves = sym crate::cpu_loop::PAGE_LEAVES,
    entries = sym ENTRIES,
    last_entry = const ENTRIES.len() - 1,
    null = sym crate::cpu_loop::null,
    null_number = const FastCall::Null.number() as u64,
    signal = sym crate::cpu_loop::signal,
    signal_number = const FastCall::Signal.number() as u64,
);

unsafe extern "C" {
    fn run_user_asm(registers: *mut Registers);
    fn trap_vector();
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

/// From now on traps of this CPU are seen.
pub(super) fn set_trap_vector() {
    // SAFETY: `trap_vector` is aligned code; sscratch zero says that the kernel runs.
    unsafe {
        core::arch::asm!(
            "csrw sscratch, zero",
            "csrw stvec, {}",
            in(reg) (trap_vector as *const ()).addr(),
            options(nomem, nostack)
        );
    }
}

/// Runs user mode until it traps and the fast way does not do.
#[inline]
pub(crate) fn run_user(cpu: &mut BareCpu) -> UserExit {
    let cpu = &raw mut *cpu;
    // SAFETY: the registers' status word leads to user mode, whose memory is apart from the kernel's; the trap vector
    // is set, and the assembly keeps all registers that a call keeps. Until it returns, the CPU's data are its own: it
    // finds them from the registers in them, and calls that it tries the fast way get them from it.
    unsafe { run_user_asm(&raw mut (*cpu).registers) };
    let (cause, value) = (read_csr!("scause"), read_csr!("stval"));
    // SAFETY: the assembly has returned, and nobody else has these data.
    super::trap_of(cause, value, unsafe { &mut (*cpu).registers })
}
