//! The runtime on metal.

#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod arch;

#[cfg_attr(target_arch = "riscv64", path = "goldfish.rs")]
#[cfg_attr(target_arch = "x86_64", path = "hpet.rs")]
mod alarm;
mod registers;

#[cfg_attr(target_arch = "riscv64", path = "goldfish_wall.rs")]
#[cfg_attr(target_arch = "x86_64", path = "pc_wall.rs")]
mod wall;

use core::cell::UnsafeCell;
use core::future::Future;
use core::panic::PanicInfo;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use core::task::{Context, Poll, Waker};

use coldframe_abi::{
    Call, ClockPage, Deadline, DeviceMessage, Error, ExitCode, Instant, Message, Reply, Request, Sys,
    UserAddress, UserRange, Word,
};
use coldframe_scenarios::{Alarm, CALLED, Ground, Part, Recorder, play};
use coldframe_sync::SeqWords;

use crate::locks::{Condition, Mutex, Park, ReadWrite, Semaphore, Word as LockWord};

/// How many threads a program can have at once.
const SEATS: usize = 16;
const STACK_BYTES: usize = 32 * 1024;

/// The stacks of the threads that the program makes, by seat.
#[repr(C, align(16))]
struct Stacks(UnsafeCell<[[u8; STACK_BYTES]; SEATS]>);

// SAFETY: a stack is used by the one thread in its seat; nobody makes a reference to it.
unsafe impl Sync for Stacks {}

static STACKS: Stacks = Stacks(UnsafeCell::new([[0; STACK_BYTES]; SEATS]));

static SAMPLE: [u8; 16] = *b"a text to print\n";

/// The real machine as a ground: calls are instructions, and are over when they return.
#[derive(Clone, Copy, Debug)]
pub struct Metal;

impl Metal {
    /// A program in three words that answers every call at the endpoint that its argument names with the message that
    /// came.
    #[must_use]
    pub const fn echo_program(&self) -> [u64; 3] {
        arch::ECHO_PROGRAM
    }

    /// A program that takes one capability and one page with each call at the endpoint that its argument names, the
    /// page where its stack would be, and answers with the message that came; with what came along, if it gives back.
    #[must_use]
    pub const fn taking_program(&self, gives_back: bool) -> &'static [u64] {
        if gives_back { arch::GIVING_PROGRAM } else { arch::TAKING_PROGRAM }
    }

    /// A program in three words that receives whatever comes to the endpoint that its argument names.
    #[must_use]
    pub const fn listening_program(&self) -> [u64; 3] {
        arch::LISTENING_PROGRAM
    }

    /// A program in two words that yields for ever.
    #[must_use]
    pub const fn yield_program(&self) -> [u64; 2] {
        arch::YIELD_PROGRAM
    }
}

impl Park for Metal {
    fn wait(&self, word: &LockWord, expected: u64) {
        let address = UserAddress(core::ptr::from_ref(word).addr() as u64);
        let (expected, deadline) = (Word(expected), Deadline::NEVER);
        // Why the wait ends does not matter: whoever waits looks again.
        let _ = arch::call(&Call::WordWait { address, expected, deadline }.encode());
    }

    fn wake(&self, word: &LockWord, most: u64) {
        let address = UserAddress(core::ptr::from_ref(word).addr() as u64);
        let mut left = most;
        while left > 0 {
            let woken = arch::call(&Call::WordWake { address, most: Word(left) }.encode()).result();
            match woken {
                Ok(woken) if woken > 0 => left -= woken,
                _ => return,
            }
        }
    }
}

/// What threads contend for: each number is changed in two steps under the lock beside it.
static NUMBERS: Mutex<[u64; 2], Metal> = Mutex::new([0; 2], Metal);
static CHANGED: Condition<Metal> = Condition::new(Metal);
static PERMITS: Semaphore<Metal> = Semaphore::new(2, Metal);
static SHARED: ReadWrite<[u64; 2], Metal> = ReadWrite::new([0; 2], Metal);

/// Takes part in a contest for locks of every kind; says whether all was as it has to be under a lock.
fn contend(rounds: u32) -> bool {
    let mut fine = true;
    for _ in 0..rounds {
        PERMITS.take();
        {
            let mut numbers = NUMBERS.lock();
            numbers[0] += 1;
            spend_time();
            numbers[1] += 1;
            fine &= numbers[0] == numbers[1];
        }
        CHANGED.tell_all();
        {
            let shared = SHARED.read();
            fine &= shared[0] == shared[1];
        }
        {
            let mut shared = SHARED.write();
            shared[0] += 1;
            spend_time();
            shared[1] += 1;
        }
        PERMITS.give();
    }
    fine
}

/// Waits until so many rounds have been done by all; says whether none was lost.
fn contended(rounds: u32) -> bool {
    let mut numbers = NUMBERS.lock();
    while numbers[0] < u64::from(rounds) {
        numbers = CHANGED.wait(numbers);
    }
    let fits = *numbers == [u64::from(rounds); 2];
    drop(numbers);
    // Whoever is not done has a permit.
    PERMITS.take();
    PERMITS.take();
    let fits = fits && *SHARED.read() == [u64::from(rounds); 2];
    PERMITS.give();
    PERMITS.give();
    fits
}

/// Long enough for others to come.
fn spend_time() {
    for _ in 0..50 {
        core::hint::spin_loop();
    }
}

impl Sys for Metal {
    #[inline]
    async fn request(&self, request: Request) -> Reply {
        arch::call(&request)
    }

    #[inline]
    async fn exchange(&self, request: Request, message: Message) -> (Reply, Message) {
        arch::exchange(&request, &message)
    }
}

impl Ground for Metal {
    fn entry(&self) -> UserAddress {
        UserAddress(arch::thread_entry())
    }

    fn stack(&self, seat: u8) -> UserAddress {
        let seats = STACKS.0.get().addr() as u64;
        UserAddress(seats + (u64::from(seat) + 1) * STACK_BYTES as u64)
    }

    fn sample(&self) -> UserAddress {
        UserAddress(SAMPLE.as_ptr().addr() as u64)
    }

    async fn print(&self, line: &str) {
        print(line);
    }

    #[inline]
    async fn load(&self, address: UserAddress) -> u64 {
        let word = core::ptr::with_exposed_provenance_mut::<u64>(address.0 as usize);
        // SAFETY: scenarios read only what they have reserved, at multiples of eight, and no Rust object is there.
        unsafe { AtomicU64::from_ptr(word) }.load(Ordering::Acquire)
    }

    #[inline]
    async fn store(&self, address: UserAddress, value: u64) {
        let word = core::ptr::with_exposed_provenance_mut::<u64>(address.0 as usize);
        // SAFETY: as for `load`.
        unsafe { AtomicU64::from_ptr(word) }.store(value, Ordering::Release);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn argument_register(&self) -> u64 {
        arch::ARGUMENT_REGISTER
    }

    fn small_program(&self) -> [u64; 2] {
        arch::SMALL_PROGRAM
    }

    fn started_program(&self) -> [u64; 3] {
        arch::STARTED_PROGRAM
    }

    fn calling_program(&self) -> [u64; 4] {
        arch::CALLING_PROGRAM
    }

    fn closing_program(&self) -> [u64; 12] {
        arch::closing_program()
    }

    async fn counter(&self) -> u64 {
        arch::counter()
    }

    async fn clock_page(&self, page: UserAddress) -> ClockPage {
        let words = core::ptr::with_exposed_provenance::<SeqWords<3>>(page.0 as usize);
        // SAFETY: a scenario names the page that it was shown; the kernel changes only atomics there.
        ClockPage::from_words(unsafe { &*words }.read())
    }

    async fn thread_word(&self) -> u64 {
        arch::thread_word()
    }

    fn upcall_handler(&self) -> UserAddress {
        UserAddress(arch::upcall_entry())
    }

    fn alarm(&self) -> Alarm {
        alarm::ALARM
    }

    fn some_ram(&self) -> u64 {
        arch::SOME_RAM
    }

    async fn start_alarm(&self, page: UserAddress) {
        alarm::start(page);
    }

    async fn stop_alarm(&self, page: UserAddress) -> bool {
        alarm::stop(page)
    }

    async fn message_line(&self, page: UserAddress) -> Option<u32> {
        alarm::message_line(page)
    }

    async fn ask_by(&self, page: UserAddress, message: DeviceMessage) {
        alarm::ask_by(page, message);
    }

    fn is_firmware(&self, first: u64) -> bool {
        arch::is_firmware(first)
    }

    async fn wall_time(&self, page: UserAddress) -> Result<Instant, Error> {
        wall::time(page).await
    }

    async fn contend(&self, rounds: u32) -> bool {
        contend(rounds)
    }

    async fn contended(&self, rounds: u32) -> bool {
        contended(rounds)
    }

    async fn put_float(&self, word: u64) {
        arch::put_float(word);
    }

    async fn float_word(&self) -> u64 {
        arch::float_word()
    }

    async fn has_fresh_registers(&self) -> bool {
        arch::float_registers() == 0
    }

    async fn hold_registers(&self, pattern: u64, rounds: u32) -> bool {
        // One round is about as long as one under glass.
        arch::hold_registers(pattern, u64::from(rounds) * 20_000)
    }

    async fn hold_plain_registers(&self, pattern: u64, rounds: u32) -> bool {
        arch::hold_plain_registers(pattern, u64::from(rounds) * 20_000)
    }
}

/// Writes text to the console, in as many calls as it takes.
pub fn print(mut text: &str) {
    while !text.is_empty() {
        let range = UserRange { start: UserAddress(text.as_ptr().addr() as u64), length: text.len() as u64 };
        let reply = arch::call(&Call::ConsoleWrite { text: range }.encode());
        match reply.result() {
            Ok(written) if written > 0 => text = text.get(written as usize..).unwrap_or(""),
            _ => return,
        }
    }
}

/// Turns the machine off.
pub fn power_off(status: u8) -> ! {
    loop {
        let _ = arch::call(&Call::PowerOff { status: ExitCode(status) }.encode());
    }
}

/// The executor: on metal a future is ready when it is polled, because its calls wait in the kernel.
#[inline]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Plays one part of a scenario.
pub fn play_part(part: Part) -> u64 {
    let recorder = Recorder::new(&Metal, part);
    block_on(play(&recorder, part))
}

/// Where the threads go that a scenario makes.
extern "C" fn thread_main(word: u64) -> ! {
    let result = play_part(Part::from_word(word));
    loop {
        let _ = arch::call(&Call::ThreadExit { result: Word(result) }.encode());
    }
}

/// Where a thread goes that signals interrupt.
extern "C" fn upcall_main(bits: u64) -> ! {
    let word = |at: u64| core::ptr::with_exposed_provenance_mut::<u64>((CALLED.0 + at) as usize);
    // SAFETY: the scenario has reserved the page before it lets itself be interrupted, and no Rust object is there.
    unsafe {
        AtomicU64::from_ptr(word(0)).fetch_or(bits, Ordering::SeqCst);
        AtomicU64::from_ptr(word(8)).fetch_add(1, Ordering::SeqCst);
    }
    loop {
        let _ = arch::call(&Call::UpcallEnd {}.encode());
    }
}

unsafe extern "Rust" {
    /// The program's own start, which `program!` defines.
    safe fn program_main();
}

extern "C" fn program_start(_: u64) -> ! {
    program_main();
    loop {
        let _ = arch::call(&Call::ProcessExit { status: ExitCode(0), reason: Word(0) }.encode());
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    print("a program panicked\n");
    loop {
        let _ = arch::call(&Call::ProcessExit { status: ExitCode(101), reason: Word(0) }.encode());
    }
}

/// Says which function a program starts with.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn program_main() {
            $main()
        }
    };
}
