//! The registers of user mode, as words of the ABI.

use coldframe_abi::{Reply, Request};

/// The saved registers of a thread in user mode, with all that a ground must keep for it (FPU state included).
pub trait UserRegisters: Clone + Default + 'static {
    /// Registers with which a new thread starts.
    ///
    /// Postcondition: all that is not named here is zero; the status word lets user mode be interrupted.
    fn start(entry: u64, stack: u64, argument: u64) -> Self;

    /// The call that the thread made.
    ///
    /// Precondition: the thread trapped with `Trap::Syscall`.
    fn request(&self) -> Request;

    /// Puts the answer of a call where the thread looks for it.
    ///
    /// Postcondition: no other register that the calling convention preserves has changed.
    fn answer(&mut self, reply: Reply);

    /// Where the thread goes on.
    fn program_counter(&self) -> u64;
}
