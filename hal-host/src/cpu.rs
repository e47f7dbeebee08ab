//! One simulated CPU.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coldframe_abi::{Carries, CpuId, Instant, Message, Reply};
use coldframe_hal::{Access, Clock, Cpu, Forget, Frame, PhysicalAddress, Stale, Tag, Translation};

use coldframe_kernel::FastReply;

use crate::mmu::Tlb;
use crate::{AccessFault, HardwareFormat, HostRegisters, Ram};

/// Where a CPU gets the time from.
#[derive(Clone, Debug)]
enum HostClock {
    /// The ground sets it before each entry: time is one of its decisions.
    Virtual(Instant),
    /// All CPUs share a counter that only rises.
    Shared(Arc<AtomicU64>),
}

/// A CPU under glass.
#[derive(Clone, Debug)]
pub struct HostCpu<F> {
    id: CpuId,
    clock: HostClock,
    armed: Option<Instant>,
    registers: HostRegisters,
    root: Option<Frame>,
    tag: Tag,
    tlb: Tlb,
    format: PhantomData<F>,
}

impl<F: HardwareFormat> HostCpu<F> {
    /// A CPU whose time the ground sets.
    #[must_use]
    pub fn new(id: CpuId) -> Self {
        Self::with_clock(id, HostClock::Virtual(Instant(0)))
    }

    /// A CPU that reads a counter that all CPUs of its machine share.
    #[must_use]
    pub fn with_shared_clock(id: CpuId, clock: Arc<AtomicU64>) -> Self {
        Self::with_clock(id, HostClock::Shared(clock))
    }

    fn with_clock(id: CpuId, clock: HostClock) -> Self {
        Self {
            id,
            clock,
            armed: None,
            registers: HostRegisters::default(),
            root: None,
            tag: Tag::NONE,
            tlb: Tlb::default(),
            format: PhantomData,
        }
    }

    /// Sets the time of a CPU whose time the ground sets.
    pub fn set_now(&mut self, now: Instant) {
        if let HostClock::Virtual(time) = &mut self.clock {
            *time = now;
        }
    }

    pub(crate) fn shared_clock(&self) -> Option<&AtomicU64> {
        match &self.clock {
            HostClock::Shared(counter) => Some(counter),
            HostClock::Virtual(_) => None,
        }
    }

    /// What its timer is set to.
    #[must_use]
    pub const fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// The timer has fired: it is one-shot.
    pub const fn fired(&mut self) {
        self.armed = None;
    }

    /// The registers, to be looked at.
    #[must_use]
    pub const fn peek(&self) -> &HostRegisters {
        &self.registers
    }

    /// The table that is active, and under which tag.
    #[must_use]
    pub const fn active(&self) -> Option<(Frame, Tag)> {
        match self.root {
            Some(root) => Some((root, self.tag)),
            None => None,
        }
    }

    /// The pages that the CPU remembers of the active table: number of the page, frame, whether it may be written.
    pub fn remembered(&self) -> impl Iterator<Item = (u64, u64, bool)> {
        self.tlb.remembered(self.tag)
    }

    /// Reads a word as the program that runs here: through TLB and page table.
    ///
    /// # Errors
    /// The fault that the program takes.
    pub fn load(&mut self, ram: &Ram, address: u64) -> Result<u64, AccessFault> {
        let physical = self.translate(ram, address, Access::Load)?;
        Ok(ram.read(physical))
    }

    /// Reads a word of the program that runs here, to run it.
    ///
    /// # Errors
    /// The fault that the program takes.
    pub fn fetch(&mut self, ram: &Ram, address: u64) -> Result<u64, AccessFault> {
        let physical = self.translate(ram, address, Access::Fetch)?;
        Ok(ram.read(physical))
    }

    /// Writes a word as the program that runs here.
    ///
    /// # Errors
    /// The fault that the program takes.
    pub fn store(&mut self, ram: &mut Ram, address: u64, value: u64) -> Result<(), AccessFault> {
        let physical = self.translate(ram, address, Access::Store)?;
        ram.write(physical, value);
        Ok(())
    }

    /// Translates as the program that runs here; an unaligned address is a fault.
    ///
    /// # Errors
    /// The fault that the program takes.
    pub fn translate(
        &mut self,
        ram: &Ram,
        address: u64,
        access: Access,
    ) -> Result<PhysicalAddress, AccessFault> {
        if !address.is_multiple_of(8) {
            return Err(AccessFault { address, access });
        }
        self.tlb.translate::<F>(ram, (self.root, self.tag), address, access)
    }
}

impl<F: HardwareFormat> HostCpu<F> {
    /// Lets the thread that goes on after a fast call find what that says.
    pub const fn find(&mut self, done: FastReply) {
        match done {
            FastReply::Answered(reply) => self.registers.reply = reply,
            FastReply::Passed(reply, arrival) => {
                self.registers.reply = reply;
                self.registers.message.arrival = arrival;
            }
            FastReply::Signalled(reply) => {
                self.registers.reply = reply;
                self.registers.message = Message::SIGNALLED;
            }
            FastReply::Swapped => {}
        }
    }
}

impl<F: HardwareFormat> Clock for HostCpu<F> {
    fn now(&self) -> Instant {
        match &self.clock {
            HostClock::Virtual(time) => *time,
            HostClock::Shared(counter) => Instant(counter.fetch_add(1, Ordering::SeqCst)),
        }
    }

    fn arm(&mut self, deadline: Instant) {
        self.armed = Some(deadline);
    }

    fn disarm(&mut self) {
        self.armed = None;
    }
}

impl<F: HardwareFormat> Translation for HostCpu<F> {
    fn activate(&mut self, root: Frame, tag: Tag) {
        self.root = Some(root);
        self.tag = tag;
        if tag == Tag::NONE {
            self.tlb.forget(Stale { tag, what: Forget::Everything });
        }
    }

    fn deactivate(&mut self) {
        self.root = None;
        self.tag = Tag::NONE;
        self.tlb.forget(Stale { tag: Tag::NONE, what: Forget::Everything });
    }

    fn forget(&mut self, stale: Stale) {
        self.tlb.forget(stale);
    }

    fn forget_all(&mut self) {
        self.tlb.forget_all();
    }
}

impl<F: HardwareFormat> Cpu for HostCpu<F> {
    type Registers = HostRegisters;

    fn id(&self) -> CpuId {
        self.id
    }

    fn carries(&self) -> Carries {
        self.registers.message.carries
    }

    fn registers(&mut self) -> &mut HostRegisters {
        &mut self.registers
    }

    fn hand_over(&mut self, from: &mut HostRegisters, to: &mut HostRegisters) {
        *from = self.registers;
        self.registers = HostRegisters { message: from.message, ..*to };
    }

    fn swap(&mut self, from: &mut HostRegisters, answer: Option<Reply>, to: &HostRegisters) {
        *from = HostRegisters { reply: answer.unwrap_or(self.registers.reply), ..self.registers };
        self.registers = *to;
    }
}
