//! The user registers of a simulated CPU.

use coldframe_abi::{Carries, Message, Reply, Request};
use coldframe_hal::UserRegisters;

/// What a simulated thread has in its CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostRegisters {
    /// Where it goes on; what that means is up to the program.
    pub program_counter: u64,
    /// Its stack.
    pub stack: u64,
    /// What it was started with.
    pub argument: u64,
    /// Where its thread-local storage starts.
    pub thread_pointer: u64,
    /// The call that it makes.
    pub request: Request,
    /// The answer to its last call.
    pub reply: Reply,
    /// The message that it sends, or has received.
    pub message: Message,
    /// Registers that the kernel never changes: programs count in them, so that a lost one shows.
    pub saved: [u64; 4],
    /// Others, as floating point has them.
    pub float: [u64; 3],
}

impl UserRegisters for HostRegisters {
    fn begin(&mut self, entry: u64, stack: u64, argument: u64) {
        (self.program_counter, self.stack, self.argument) = (entry, stack, argument);
    }

    fn request(&self) -> Request {
        self.request
    }

    fn answer(&mut self, reply: Reply) {
        self.reply = reply;
    }

    fn message(&self) -> Message {
        self.message
    }

    fn carries(&self) -> Carries {
        self.message.carries
    }

    fn deliver(&mut self, message: Message) {
        self.message = message;
    }

    fn is_light(&self) -> bool {
        true
    }

    fn rests_in_call(&self) -> bool {
        true
    }

    const COUNT: usize = 6;

    fn register(&self, number: usize) -> u64 {
        match number {
            0 => self.program_counter,
            1 => self.stack,
            number => self.saved[number - 2],
        }
    }

    fn set_register(&mut self, number: usize, value: u64) {
        match number {
            0 => self.program_counter = value,
            1 => self.stack = value,
            number => self.saved[number - 2] = value,
        }
    }

    const FLOAT_COUNT: usize = 3;

    fn float_register(&self, number: usize) -> u64 {
        self.float[number]
    }

    fn set_float_register(&mut self, number: usize, value: u64) {
        self.float[number] = value;
    }

    fn thread_pointer(&self) -> u64 {
        self.thread_pointer
    }

    fn set_thread_pointer(&mut self, address: u64) {
        self.thread_pointer = address;
    }

    fn program_counter(&self) -> u64 {
        self.program_counter
    }

    fn stack(&self) -> u64 {
        self.stack
    }

    fn go_on_at(&mut self, program_counter: u64, stack: u64) {
        (self.program_counter, self.stack) = (program_counter, stack);
    }
}
