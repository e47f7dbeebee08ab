//! What a scenario needs from the ground that it is played on, besides syscalls.

use core::future::Future;

use coldframe_abi::{ClockPage, DeviceMessage, Error, Instant, Sys, UserAddress};

/// Which part of which scenario a thread plays: the word that it is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The scenario, by index.
    pub scenario: u8,
    /// The role in it; 0 is the first thread.
    pub role: u8,
    /// Which thread of the program this is: it decides stack and buffer.
    pub seat: u8,
}

impl Part {
    /// As the word that a thread is started with.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.scenario as u64 | (self.role as u64) << 8 | (self.seat as u64) << 16
    }

    /// From the word that a thread was started with.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { scenario: word as u8, role: (word >> 8) as u8, seat: (word >> 16) as u8 }
    }
}

/// A device that asks on an interrupt line when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The physical address of the page with its registers.
    pub page: u64,
    /// The line.
    pub line: u32,
}

/// The ground under a scenario.
pub trait Ground: Sys {
    /// Where every thread of the program starts.
    fn entry(&self) -> UserAddress;

    /// The top of the stack of a seat.
    fn stack(&self, seat: u8) -> UserAddress;

    /// Memory that the program can read, a text of `SAMPLE_LENGTH` bytes in it.
    fn sample(&self) -> UserAddress;

    /// Writes a line to the console, whole.
    fn print(&self, line: &str) -> impl Future<Output = ()>;

    /// Reads a word of the program's memory.
    fn load(&self, address: UserAddress) -> impl Future<Output = u64>;

    /// Writes a word of the program's memory.
    fn store(&self, address: UserAddress, value: u64) -> impl Future<Output = ()>;

    /// Postcondition: of two threads that each store, fence and load what the other stores, one finds it. A load finds
    /// with what was stored all that was stored before it.
    fn fence(&self);

    /// A program in two words, for wherever it is put: it ends its process with the byte that its argument points to,
    /// and goes on into no instruction if that does not end it.
    fn small_program(&self) -> [u64; 2];

    /// A program in three words, for wherever it is put: it ends its process with the first byte of the text whose address
    /// is the third word on its stack.
    fn started_program(&self) -> [u64; 3];

    /// A program in four words, for wherever it is put: it calls the endpoint that its argument names, with a message
    /// of zeros, and ends its process with the error that it has heard.
    fn calling_program(&self) -> [u64; 4];

    /// A program for wherever it is put, given where it finds two names: it closes its process to the group that the
    /// first one names, makes an endpoint, sends its name to the second, and ends with the badge of what it hears there.
    fn closing_program(&self) -> [u64; 12];

    /// The number of the register that holds its argument.
    fn argument_register(&self) -> u64;

    /// Reads the machine's counter, without the kernel.
    fn counter(&self) -> impl Future<Output = u64>;

    /// Reads the clock page where it is shown.
    fn clock_page(&self, page: UserAddress) -> impl Future<Output = ClockPage>;

    /// Reads the first word of the thread-local storage.
    fn thread_word(&self) -> impl Future<Output = u64>;

    /// A handler of upcalls: it says at `CALLED` that it has been called, and ends.
    fn upcall_handler(&self) -> UserAddress;

    /// A device to be driven.
    fn alarm(&self) -> Alarm;

    /// The physical address of a page that is RAM.
    fn some_ram(&self) -> u64;

    /// Has the device ask in about a millisecond; `page` is where its registers are shown.
    fn start_alarm(&self, page: UserAddress) -> impl Future<Output = ()>;

    /// Silences it, and says whether it had asked.
    fn stop_alarm(&self, page: UserAddress) -> impl Future<Output = bool>;

    /// The line on which it can ask by a message, if it can.
    fn message_line(&self, page: UserAddress) -> impl Future<Output = Option<u32>>;

    /// Has it ask by this message from now on, or by its wire again if that goes nowhere.
    fn ask_by(&self, page: UserAddress, message: DeviceMessage) -> impl Future<Output = ()>;

    /// Whether this is how the texts begin that firmware leaves on this machine.
    fn is_firmware(&self, first: u64) -> bool;

    /// What time the clock shows that goes on while the machine is off; its registers may be shown at a page meanwhile.
    fn wall_time(&self, page: UserAddress) -> impl Future<Output = Result<Instant, Error>>;

    /// Takes so many rounds part in a contest for the locks of the runtime; says whether they kept others out.
    fn contend(&self, rounds: u32) -> impl Future<Output = bool>;

    /// Waits until so many rounds have been done by all threads, and says whether none was lost.
    fn contended(&self, rounds: u32) -> impl Future<Output = bool>;

    /// Puts a word into the first register of floating point.
    fn put_float(&self, word: u64) -> impl Future<Output = ()>;

    /// Reads the first register of floating point.
    fn float_word(&self) -> impl Future<Output = u64>;

    /// Whether a thread that has not used floating point yet finds all of its registers zero.
    fn has_fresh_registers(&self) -> impl Future<Output = bool>;

    /// Fills all registers that user mode has, lets `rounds` rounds pass, and says whether each kept its value.
    fn hold_registers(&self, pattern: u64, rounds: u32) -> impl Future<Output = bool>;

    /// The same for those that are not of floating point, which stay unused; it yields once in the middle, by a way that
    /// keeps all of them if there is one.
    fn hold_plain_registers(&self, pattern: u64, rounds: u32) -> impl Future<Output = bool>;
}

/// Where the handler of upcalls says by which signals it was called, and behind that, how often.
pub const CALLED: UserAddress = UserAddress(0x2f_0000_0000);

/// How long the sample text is.
pub const SAMPLE_LENGTH: u64 = 16;
