//! A whole simulated machine: what its CPUs share.

use std::marker::PhantomData;
use std::sync::Arc;

use coldframe_abi::{CounterRate, CpuId, DeviceMessage, ExitCode, Instant, Nanos};
use coldframe_hal::{
    Console, CpuSet, Devices, Entropy, Event, FLUSH_SLOTS, FlushSlot, Flushes, Frame, FrameRun, Kicks,
    MAX_CPUS, Machine, PhysicalAddress, PhysicalMemory, PortSpan, Power, Row, Stale, TraceSink, Translation,
};
use coldframe_memory::MemoryMap;
use coldframe_sync::plain::FlushBoard;
use crossbeam::channel::Sender;

use crate::devices::{DEVICE_FRAMES, DeviceBoard, FIRMWARE_FRAMES, FIRMWARE_WORD};
use crate::mmu::{is_lazy, walk};
use crate::ports::PortBoard;
use crate::{HardwareFormat, HostCpu, OwnedStore, Ram};

/// A trace event with where and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped {
    /// On which CPU.
    pub cpu: CpuId,
    /// When, on the machine's clock.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// The flushes that are under way in a machine.
pub type Board = FlushBoard<MAX_CPUS, FLUSH_SLOTS>;

#[derive(Clone, Debug)]
enum Wires {
    /// Kicks and flushes wait here until the ground decides that they arrive.
    Held { kicks: Vec<bool>, board: Box<Board> },
    /// Each CPU is a host thread with a mailbox, and answers flushes without the lock of the kernel.
    Mailboxes { mailboxes: Vec<Sender<()>>, board: Arc<Board> },
}

impl Wires {
    fn board(&self) -> &Board {
        match self {
            Self::Held { board, .. } => board,
            Self::Mailboxes { board, .. } => board,
        }
    }
}

/// Which requests for memory are refused: a fault that is played.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    /// One of so many; none, if this is zero.
    every: u64,
    requests: u64,
    refused: u64,
}

/// A machine under glass.
#[derive(Clone, Debug)]
pub struct HostMachine<F> {
    ram: Ram,
    /// How many frames of it are RAM; behind them are registers of devices.
    frames: u64,
    devices: DeviceBoard,
    ports: PortBoard,
    wires: Wires,
    console: Vec<u8>,
    status: Option<ExitCode>,
    entropy: u64,
    tags: u16,
    trace: Option<Vec<Stamped>>,
    refusals: Refusals,
    format: PhantomData<F>,
}

impl<F: HardwareFormat> HostMachine<F> {
    /// A machine whose kicks wait until `take_kick`.
    #[must_use]
    pub fn new(cpus: u16, frames: usize, entropy: u64) -> Self {
        let wires = Wires::Held { kicks: vec![false; usize::from(cpus)], board: Box::default() };
        Self::with_wires(wires, frames, entropy)
    }

    /// A machine whose kicks go to mailboxes.
    #[must_use]
    pub fn with_mailboxes(
        mailboxes: Vec<Sender<()>>,
        board: Arc<Board>,
        frames: usize,
        entropy: u64,
    ) -> Self {
        Self::with_wires(Wires::Mailboxes { mailboxes, board }, frames, entropy)
    }

    fn with_wires(wires: Wires, frames: usize, entropy: u64) -> Self {
        let mut ram = Ram::new(frames + (DEVICE_FRAMES + FIRMWARE_FRAMES) as usize);
        ram.write(Frame(frames as u64 + DEVICE_FRAMES).start(), FIRMWARE_WORD);
        Self {
            ram,
            frames: frames as u64,
            devices: DeviceBoard::default(),
            ports: PortBoard::default(),
            wires,
            console: Vec::new(),
            status: None,
            entropy,
            tags: 1,
            trace: None,
            refusals: Refusals::default(),
            format: PhantomData,
        }
    }

    /// The memory map that its firmware would hand over: all RAM but the first frame.
    #[must_use]
    pub fn memory_map(&self) -> MemoryMap {
        let mut map = MemoryMap::default();
        let run = FrameRun { start: Frame(1), count: self.frames - 1 };
        map.add(run).unwrap_or_else(|_| unreachable!("one run fits"));
        map
    }

    /// The RAM.
    #[must_use]
    pub const fn ram(&self) -> &Ram {
        &self.ram
    }

    /// The RAM, for what programs write.
    pub const fn ram_mut(&mut self) -> &mut Ram {
        &mut self.ram
    }

    /// Whether a kick for a CPU is on its way.
    #[must_use]
    pub fn kick_pending(&self, cpu: CpuId) -> bool {
        match &self.wires {
            Wires::Held { kicks, .. } => kicks[usize::from(cpu.0)],
            Wires::Mailboxes { .. } => false,
        }
    }

    /// Lets a kick arrive; says whether there was one.
    pub fn take_kick(&mut self, cpu: CpuId) -> bool {
        match &mut self.wires {
            Wires::Held { kicks, .. } => std::mem::take(&mut kicks[usize::from(cpu.0)]),
            Wires::Mailboxes { .. } => false,
        }
    }

    /// Whether a CPU has been asked to forget something and has not answered.
    #[must_use]
    pub fn is_asked(&self, cpu: CpuId) -> bool {
        self.wires.board().bell(usize::from(cpu.0)).has_rung()
    }

    /// A CPU answers what it has been asked, as it does at every trap; says whether it has to enter the kernel for
    /// that.
    pub fn answer(&self, cpu: &mut HostCpu<F>) -> bool {
        use coldframe_hal::Cpu;
        let id = usize::from(cpu.id().0);
        self.wires.board().answer(id, |words| cpu.forget(Stale::from_words(words)))
    }

    /// The registers of devices.
    #[must_use]
    pub const fn registers(&self) -> Frame {
        Frame(self.frames)
    }

    /// A device asks on a line, so often: for a moment each time, or until it is silenced.
    pub fn attach(&mut self, line: u32, is_edge: bool, every: Nanos, times: u32) {
        self.devices.attach(line, is_edge, every, times);
    }

    /// The devices do what they do until now.
    pub fn run_devices(&mut self, now: Instant) {
        let registers = self.registers();
        self.devices.run(now, &mut self.ram, registers);
    }

    /// When a device does something next.
    #[must_use]
    pub fn next_of_devices(&self) -> Option<Instant> {
        self.devices.next(&self.ram, self.registers())
    }

    /// The lines on which a device asks and is let in at a CPU.
    pub fn arriving(&self, cpu: CpuId) -> impl Iterator<Item = u32> {
        self.devices.arriving(cpu)
    }

    /// Lets an interrupt arrive: nothing more is let in on that line.
    pub fn take_line(&mut self, line: u32) {
        self.devices.take(line);
    }

    /// A driver silences its device.
    pub fn silence(&mut self, line: u32) {
        self.devices.silence(line);
    }

    /// Whether the interrupts of a line are let in.
    #[must_use]
    pub fn lets_in(&self, line: u32) -> bool {
        self.devices.is_open(line)
    }

    /// From now on the MMUs of this machine have so many tags.
    pub const fn set_tags(&mut self, tags: u16) {
        self.tags = tags;
    }

    /// What has been written to the console.
    #[must_use]
    pub fn console(&self) -> &[u8] {
        &self.console
    }

    /// From now on one request for memory of so many is refused, whatever room there is.
    pub const fn refuse_every(&mut self, requests: u64) {
        self.refusals.every = requests;
    }

    /// How many requests for memory have been refused so far that there would have been room for.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refusals.refused
    }

    /// The byte that hardware finds at a user address, if a program may read there.
    #[must_use]
    pub fn byte_of(&self, root: Frame, address: u64) -> Option<u8> {
        let word = self.word_of(root, address & !7)?;
        Some(word.to_le_bytes()[(address % 8) as usize])
    }

    /// The word that hardware finds at a user address that is a multiple of eight, if a program may read there.
    #[must_use]
    pub fn word_of(&self, root: Frame, address: u64) -> Option<u64> {
        match walk::<F>(&self.ram, root, address) {
            Some(page) => Some(self.ram.read(page.place_of(address))),
            None => is_lazy::<F>(&self.ram, root, address).then_some(0),
        }
    }

    /// Whether a first table has what all spaces have in common.
    #[must_use]
    pub fn has_kernel_half(&self, root: Frame) -> bool {
        self.ram.read(root.word(511)) == KERNEL_HALF
    }

    /// The frame that hardware finds at a user address, and whether a program may write there.
    #[must_use]
    pub fn place_of(&self, root: Frame, address: u64) -> Option<(u64, bool)> {
        walk::<F>(&self.ram, root, address).map(|page| (page.frame, page.write))
    }

    /// The status that it was turned off with.
    #[must_use]
    pub const fn status(&self) -> Option<ExitCode> {
        self.status
    }

    /// From now on trace events are kept.
    pub fn keep_trace(&mut self) {
        self.trace.get_or_insert_default();
    }

    /// The trace events since the last call.
    pub fn take_trace(&mut self) -> Vec<Stamped> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl<F: HardwareFormat> PhysicalMemory for HostMachine<F> {
    fn read_word(&self, address: PhysicalAddress) -> u64 {
        self.ram.read(address)
    }

    fn write_word(&mut self, address: PhysicalAddress, value: u64) {
        self.ram.write(address, value);
    }

    fn refuses(&mut self) -> bool {
        let refusals = &mut self.refusals;
        if refusals.every == 0 {
            return false;
        }
        refusals.requests += 1;
        let refuses = refusals.requests.is_multiple_of(refusals.every);
        refusals.refused += u64::from(refuses);
        refuses
    }

    fn refuses_next(&self) -> bool {
        let Refusals { requests, every, .. } = self.refusals;
        every != 0 && (requests + 1).is_multiple_of(every)
    }

    fn zero_frame(&mut self, frame: Frame) {
        self.ram.zero(frame);
    }

    fn copy_frame(&mut self, from: Frame, to: Frame) {
        self.ram.copy(from, to);
    }

    fn share_kernel_half(&mut self, root: Frame) {
        // The kernel itself is not in simulated RAM; a mark that user mode cannot reach stands for its half, so that
        // a kernel that lets user mode through is seen.
        self.ram.write(root.word(511), KERNEL_HALF);
    }
}

/// A valid kernel entry on every format: present or valid, without the user bit.
const KERNEL_HALF: u64 = 1 | 1 << 1;

impl<F: HardwareFormat> Kicks for HostMachine<F> {
    fn kick(&mut self, cpu: CpuId) {
        match &mut self.wires {
            Wires::Held { kicks, .. } => kicks[usize::from(cpu.0)] = true,
            Wires::Mailboxes { mailboxes, .. } => {
                // A CPU that has stopped because the machine is off needs no kick; a full box has one already.
                let _ = mailboxes[usize::from(cpu.0)].try_send(());
            }
        }
    }
}

impl<F: HardwareFormat> Flushes for HostMachine<F> {
    fn ask(&mut self, slot: FlushSlot, stale: Stale, cpus: &CpuSet) {
        let mailboxes = match &self.wires {
            Wires::Mailboxes { mailboxes, .. } => mailboxes.as_slice(),
            Wires::Held { .. } => &[],
        };
        let cpus = cpus.iter().map(|cpu| usize::from(cpu.0));
        self.wires.board().ask(usize::from(slot.0), stale.to_words(), cpus, |cpu| {
            if let Some(mailbox) = mailboxes.get(cpu) {
                let _ = mailbox.try_send(());
            }
        });
    }

    fn answered(&mut self) -> u64 {
        self.wires.board().take_done()
    }
}

impl<F: HardwareFormat> Devices for HostMachine<F> {
    fn lines(&self) -> u32 {
        match self.wires {
            Wires::Held { .. } => self.devices.lines(),
            // No host thread is a device.
            Wires::Mailboxes { .. } => 0,
        }
    }

    fn open_line(&mut self, line: u32, cpu: CpuId) {
        self.devices.open(line, cpu);
    }

    fn close_line(&mut self, line: u32) {
        self.devices.close(line);
    }

    fn message_of(&self, line: u32) -> Option<DeviceMessage> {
        DeviceBoard::message_of(line)
    }

    fn is_for_drivers(&self, run: FrameRun) -> bool {
        self.frames <= run.start.0 && run.end().0 <= self.frames + DEVICE_FRAMES
    }

    fn are_for_drivers(&self, ports: PortSpan) -> bool {
        PortBoard::are_for_drivers(ports)
    }

    fn firmware(&self) -> Option<FrameRun> {
        Some(FrameRun { start: Frame(self.frames + DEVICE_FRAMES), count: FIRMWARE_FRAMES })
    }

    fn read_ports(&mut self, ports: PortSpan) -> u32 {
        self.ports.read(ports)
    }

    fn write_ports(&mut self, ports: PortSpan, value: u32) {
        self.ports.write(ports, value);
    }
}

impl<F: HardwareFormat> Power for HostMachine<F> {
    fn power_off(&mut self, status: ExitCode) {
        self.status = Some(status);
        if let Wires::Mailboxes { mailboxes, .. } = &self.wires {
            // Nobody else would tell them that there is nothing to wait for any more.
            for mailbox in mailboxes {
                let _ = mailbox.try_send(());
            }
        }
    }
}

impl<F: HardwareFormat> Console for HostMachine<F> {
    fn write(&mut self, bytes: &[u8]) {
        self.console.extend_from_slice(bytes);
    }
}

impl<F: HardwareFormat> Entropy for HostMachine<F> {
    fn random(&mut self) -> u64 {
        // SplitMix64: enough for a machine whose randomness has to be repeatable.
        self.entropy = self.entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.entropy;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}

impl<F: HardwareFormat> TraceSink for HostMachine<F> {
    const TRACED: bool = true;

    #[inline]
    fn record(&mut self, cpu: CpuId, at: Instant, event: Event) {
        if let Some(trace) = &mut self.trace {
            trace.push(Stamped { cpu, at, event });
        }
    }
}

impl<F: HardwareFormat> Machine for HostMachine<F> {
    type Cpu = HostCpu<F>;
    type Paging = F;
    type Store<T: Row> = OwnedStore<T>;

    fn counter_rate(&self) -> CounterRate {
        // A tick is a nanosecond.
        CounterRate { nanos: 1, shift: 0 }
    }

    fn publish(&mut self, frame: Frame, words: [u64; 3]) {
        // An entry is one step here: nobody reads in the middle of it.
        let sequence = self.ram.read(frame.word(0));
        for (word, value) in (0..).zip([sequence + 2, words[0], words[1], words[2]]) {
            self.ram.write(frame.word(word), value);
        }
    }

    fn tags(&self) -> u16 {
        self.tags
    }

    fn store<T: Row>(&mut self) -> OwnedStore<T> {
        OwnedStore::default()
    }
}
