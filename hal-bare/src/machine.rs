//! The machine and its CPUs as the kernel sees them.

use coldframe_abi::{Carries, CounterRate, CpuId, DeviceMessage, ExitCode, Instant, Reply};
use coldframe_hal::{
    Clock, Console, Cpu, CpuSet, Devices, Entropy, Event, FLUSH_SLOTS, FRAME_BYTES, FRAME_WORDS, FlushSlot,
    Flushes, Frame, FrameRun, Kicks, MAX_CPUS, Machine, PhysicalAddress, PhysicalMemory, PortSpan, Power,
    Row, Stale, Tag, TraceSink, Translation,
};
use coldframe_memory::MemoryMap;
use coldframe_sync::{FlushBell, FlushBoard, KickWord, Lock, SeqWords};

use crate::boot::FirmwareTexts;
use crate::window::WindowStore;
use crate::{arch, entropy};

/// One word a CPU: set by whoever kicks it, taken when the interrupt arrives.
pub(crate) static KICKS: [KickWord; MAX_CPUS] = [const { KickWord::new() }; MAX_CPUS];

/// The flushes that are under way.
pub(crate) static FLUSHES: FlushBoard<MAX_CPUS, FLUSH_SLOTS> = FlushBoard::new();

/// What no driver may reach: not in the machine, which is in the kernel, whose parts are to be near each other.
static KEPT: Lock<Option<MemoryMap>> = Lock::new(None);

/// What firmware says of the machine; not in the machine either.
static FIRMWARE: Lock<Option<FrameRun>> = Lock::new(None);

/// What random words are made of; not in the machine either.
static ENTROPY: Lock<entropy::Entropy> = Lock::new(entropy::Entropy::new());

/// How often the clock is looked at for noise.
const JITTER_ROUNDS: usize = 256;

/// The machine that the kernel runs on. There is one; what it has is in hardware.
pub(crate) struct BareMachine {
    stores: usize,
}

impl BareMachine {
    /// Takes charge of the hardware.
    ///
    /// # Safety
    /// There is one in the machine, the direct window maps all RAM, and the kernel's tables are in place.
    pub(crate) unsafe fn new(kept: MemoryMap, seed: Option<[u64; 4]>) -> Self {
        *KEPT.lock() = Some(kept);
        let entropy = &mut *ENTROPY.lock();
        seed.iter().flatten().for_each(|word| entropy.feed(*word));
        // How long each round takes depends on caches, memory and what else the machine does.
        (0..JITTER_ROUNDS).for_each(|_| entropy.feed(arch::ticks()));
        Self { stores: 0 }
    }

    /// Keeps what firmware has left, in frames that are in no memory map.
    pub(crate) fn keep_firmware(&mut self, texts: &FirmwareTexts, run: FrameRun) {
        let start = run.start.start().0;
        for frame in 0..run.count {
            self.zero_frame(Frame(run.start.0 + frame));
        }
        for (at, word) in texts.words() {
            self.write_word(PhysicalAddress(start + at), word);
        }
        *FIRMWARE.lock() = Some(run);
    }
}

/// One CPU of it. The assembly at the entry finds one part from another.
#[repr(C)]
pub(crate) struct BareCpu {
    pub(crate) id: CpuId,
    /// Up to which change it knows the windows of the kernel tables.
    pub(crate) windows_seen: u64,
    /// Whether it is asked for a flush.
    pub(crate) flush_bell: FlushBell<'static>,
    pub(crate) registers: arch::Registers,
    /// What a call that is tried the fast way has left in registers.
    pub(crate) call: arch::Call,
}

fn pointer(address: PhysicalAddress) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut((arch::DIRECT_WINDOW + address.0) as usize)
}

impl PhysicalMemory for BareMachine {
    fn read_word(&self, address: PhysicalAddress) -> u64 {
        // SAFETY: the caller names an aligned word of RAM (precondition), all RAM is in the direct window, and the
        // kernel lock is held. Volatile: user mode and page walkers use the same memory.
        unsafe { pointer(address).read_volatile() }
    }

    fn zeros_from(&self, address: PhysicalAddress, words: u64) -> u64 {
        const AT_ONCE: u64 = 8;
        let word = |number: u64| self.read_word(PhysicalAddress(address.0 + number * 8));
        let mut passed = 0;
        // Most tables are nearly empty: what is asked of each word is asked of eight.
        while passed + AT_ONCE <= words
            && (passed..passed + AT_ONCE).fold(0, |all, next| all | word(next)) == 0
        {
            passed += AT_ONCE;
        }
        while passed < words && word(passed) == 0 {
            passed += 1;
        }
        passed
    }

    fn write_word(&mut self, address: PhysicalAddress, value: u64) {
        // SAFETY: as above, and the word belongs to the kernel or to user memory (precondition): no Rust object is
        // there.
        unsafe { pointer(address).write_volatile(value) }
    }

    fn zero_frame(&mut self, frame: Frame) {
        let words = pointer(frame.start());
        const A_ROUND: usize = 32;
        // So many stores a round: the library's loop takes three times the instructions on RISC-V.
        for line in (0..FRAME_WORDS).step_by(A_ROUND) {
            for word in line..line + A_ROUND {
                // SAFETY: the frame is RAM that the kernel owns (precondition): nobody else reads or writes it now.
                unsafe { words.add(word).write_volatile(0) }
            }
        }
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        let (from, to) = (pointer(from.start()).cast::<u8>(), pointer(to.start()).cast::<u8>());
        // SAFETY: both are RAM, and the kernel owns the target (precondition): nobody else writes either now, and
        // they are two.
        unsafe { core::ptr::copy_nonoverlapping(from, to, FRAME_BYTES as usize) }
    }

    fn share_kernel_half(&mut self, root: Frame) {
        for (index, entry) in arch::kernel_half() {
            self.write_word(root.word(index), entry);
        }
    }
}

impl Kicks for BareMachine {
    fn kick(&mut self, cpu: CpuId) {
        if KICKS[usize::from(cpu.0)].set() {
            arch::interrupt(cpu);
        }
    }
}

impl Flushes for BareMachine {
    fn ask(&mut self, slot: FlushSlot, stale: Stale, cpus: &CpuSet) {
        let cpus = cpus.iter().map(|cpu| usize::from(cpu.0));
        // The interrupt of a kick, without its word: who finds the word empty need not enter the kernel.
        FLUSHES.ask(usize::from(slot.0), stale.to_words(), cpus, |cpu| arch::interrupt(CpuId(cpu as u16)));
    }

    fn answered(&mut self) -> u64 {
        FLUSHES.take_done()
    }
}

impl Devices for BareMachine {
    fn lines(&self) -> u32 {
        arch::lines()
    }

    fn open_line(&mut self, line: u32, cpu: CpuId) {
        arch::open_line(line, cpu);
    }

    fn close_line(&mut self, line: u32) {
        arch::close_line(line);
    }

    fn message_of(&self, line: u32) -> Option<DeviceMessage> {
        arch::message_of(line)
    }

    fn is_for_drivers(&self, run: FrameRun) -> bool {
        let apart = |kept: &FrameRun| kept.end() <= run.start || run.end() <= kept.start;
        KEPT.lock().as_ref().is_some_and(|kept| kept.runs().iter().all(apart))
    }

    fn are_for_drivers(&self, ports: PortSpan) -> bool {
        arch::are_for_drivers(ports)
    }

    fn firmware(&self) -> Option<FrameRun> {
        *FIRMWARE.lock()
    }

    fn read_ports(&mut self, ports: PortSpan) -> u32 {
        arch::read_ports(ports)
    }

    fn write_ports(&mut self, ports: PortSpan, value: u32) {
        arch::write_ports(ports, value);
    }
}

impl Power for BareMachine {
    fn power_off(&mut self, status: ExitCode) {
        arch::power_off(status);
    }
}

impl Console for BareMachine {
    fn write(&mut self, bytes: &[u8]) {
        crate::console::write(bytes);
    }
}

impl Entropy for BareMachine {
    fn random(&mut self) -> u64 {
        ENTROPY.lock().word()
    }
}

impl TraceSink for BareMachine {
    const TRACED: bool = false;

    fn record(&mut self, _: CpuId, _: Instant, _: Event) {
        unreachable!("an untraced machine is told nothing");
    }
}

impl Machine for BareMachine {
    type Cpu = BareCpu;
    type Paging = arch::Paging;
    type Store<T: Row> = WindowStore<T>;

    fn counter_rate(&self) -> CounterRate {
        arch::rate().for_programs()
    }

    fn publish(&mut self, frame: Frame, words: [u64; 3]) {
        let words_there = pointer(frame.start()).cast::<SeqWords<3>>();
        // SAFETY: the frame is RAM that the kernel owns (precondition), larger than the words and aligned; programs only
        // read it, and all that is there are atomics, for which any bytes are valid.
        unsafe { &*words_there }.write(words);
    }

    fn tags(&self) -> u16 {
        arch::tags()
    }

    fn store<T: Row>(&mut self) -> WindowStore<T> {
        let store = self.stores;
        self.stores += 1;
        WindowStore::new(store)
    }
}

impl Clock for BareCpu {
    #[inline(always)]
    fn now(&self) -> Instant {
        arch::now()
    }

    fn arm(&mut self, deadline: Instant) {
        arch::arm(deadline);
    }

    fn disarm(&mut self) {
        arch::disarm();
    }
}

impl Translation for BareCpu {
    #[inline(always)]
    fn activate(&mut self, root: Frame, tag: Tag) {
        arch::activate(root, tag);
    }

    fn deactivate(&mut self) {
        arch::activate(arch::kernel_root(), Tag::NONE);
    }

    fn forget(&mut self, stale: Stale) {
        arch::forget(stale);
    }

    fn forget_all(&mut self) {
        arch::forget_all();
    }
}

impl Cpu for BareCpu {
    type Registers = arch::Registers;

    #[inline(always)]
    fn id(&self) -> CpuId {
        self.id
    }

    #[inline(always)]
    fn carries(&self) -> Carries {
        self.call.carries()
    }

    #[inline(always)]
    fn registers(&mut self) -> &mut arch::Registers {
        &mut self.registers
    }

    #[inline(always)]
    fn hand_over(&mut self, from: &mut arch::Registers, to: &mut arch::Registers) {
        self.call.hand_over(from, to);
    }

    #[inline(always)]
    fn swap(&mut self, from: &mut arch::Registers, answer: Option<Reply>, to: &arch::Registers) {
        self.call.swap(from, answer, to);
    }
}
