//! The registers of user mode, as words of the ABI.

use coldframe_abi::{Carries, Message, Reply, Request};

/// The saved registers of a thread in user mode, with all that a ground must keep for it (FPU state included).
pub trait UserRegisters: Clone + Default + 'static {
    /// Makes them those with which a new thread starts.
    ///
    /// Precondition: they are at their default.
    /// Postcondition: all that is not named here is zero; the status word lets user mode be interrupted.
    fn begin(&mut self, entry: u64, stack: u64, argument: u64);

    /// Registers with which a new thread starts.
    #[must_use]
    fn start(entry: u64, stack: u64, argument: u64) -> Self {
        let mut registers = Self::default();
        registers.begin(entry, stack, argument);
        registers
    }

    /// The call that the thread made.
    ///
    /// Precondition: the thread trapped with `Trap::Syscall`.
    fn request(&self) -> Request;

    /// Puts the answer of a call where the thread looks for it.
    ///
    /// Postcondition: no other register that the calling convention preserves has changed.
    fn answer(&mut self, reply: Reply);

    /// The message that goes with the call.
    ///
    /// Precondition: the thread trapped with `Trap::Syscall`.
    fn message(&self) -> Message;

    /// What that message carries.
    ///
    /// Precondition: the thread trapped with `Trap::Syscall`.
    fn carries(&self) -> Carries;

    /// Puts a message where the thread looks for it when its call has been answered.
    ///
    /// Postcondition: of what `request` and `program_counter` say, nothing that a call made once more would need has
    /// changed unless the call is answered.
    fn deliver(&mut self, message: Message);

    /// Whether a thread that waits in a call of messages can go on with no more than the message and what a call keeps.
    fn is_light(&self) -> bool;

    /// Whether the fast way out of the kernel leads to where a thread goes on that does not run.
    #[inline]
    fn has_way_back(&self) -> bool {
        true
    }

    /// Whether a thread that can go on has made a call and needs no more of its registers than a call keeps and what answers it.
    fn rests_in_call(&self) -> bool;

    /// How many registers there are that others can look at and change while the thread is stopped: the place where it
    /// goes on, its stack, and then those that programs compute with.
    const COUNT: usize;

    /// One of them.
    ///
    /// Precondition: there is such a register.
    fn register(&self, number: usize) -> u64;

    /// Changes one of them.
    ///
    /// Precondition: there is such a register; of the first two it is an address of the user half, or the end of it.
    fn set_register(&mut self, number: usize, value: u64);

    /// How many words the registers of floating point are, the last of which says how they are computed with.
    const FLOAT_COUNT: usize;

    /// One of those words: of a thread that has not used them yet, what it would find there.
    ///
    /// Precondition: there is such a word.
    fn float_register(&self, number: usize) -> u64;

    /// Changes one of them, to as much of the value as the machine has room for; the thread has used them then.
    ///
    /// Precondition: there is such a word.
    fn set_float_register(&mut self, number: usize, value: u64);

    /// Where its thread-local storage starts.
    fn thread_pointer(&self) -> u64;

    /// Lets it start somewhere else.
    ///
    /// Precondition: it is an address of the user half.
    fn set_thread_pointer(&mut self, address: u64);

    /// Where the thread goes on.
    fn program_counter(&self) -> u64;

    /// Its stack.
    fn stack(&self) -> u64;

    /// Lets it go on somewhere else, and with another stack.
    ///
    /// Precondition: both are addresses of the user half, or the end of it.
    fn go_on_at(&mut self, program_counter: u64, stack: u64);
}
