//! The traits by concern. A ground implements them by values: two machines fit in one test.

use coldframe_abi::{Carries, CounterRate, CpuId, DeviceMessage, ExitCode, Instant, Reply};

use crate::{
    CpuSet, FlushSlot, Frame, FrameRun, PhysicalAddress, PortSpan, Row, Stale, Store, Tag, TraceSink,
    UserRegisters,
};

/// The monotonic clock and the one-shot timer of a CPU. There is no periodic tick anywhere.
pub trait Clock {
    /// The time since boot.
    ///
    /// Postcondition: never less than what this machine answered before, on any CPU.
    fn now(&self) -> Instant;

    /// Asks for one `Trap::Timer` on this CPU once `deadline` is reached; replaces what was asked before.
    ///
    /// Postcondition: a deadline that has passed already is delivered at once.
    fn arm(&mut self, deadline: Instant);

    /// Takes the request back.
    ///
    /// Postcondition: a trap that is already on its way may still arrive.
    fn disarm(&mut self);
}

/// What a CPU translates user addresses with.
pub trait Translation {
    /// Makes the table under `root` the one of this CPU's user half.
    ///
    /// Precondition: `root` came from `PhysicalMemory::share_kernel_half` and is not freed while it is active; what
    /// this CPU remembers under the tag is true of this table.
    /// Postcondition: no translation under another tag is used; under `Tag::NONE`, none of an earlier table at all.
    fn activate(&mut self, root: Frame, tag: Tag);

    /// Makes no table active: the user half translates nothing.
    ///
    /// Postcondition: no frame of an earlier table is read by this CPU's walker any more.
    fn deactivate(&mut self);

    /// Forgets what this CPU remembers.
    ///
    /// Postcondition: what is named is looked up anew by the next access.
    fn forget(&mut self, stale: Stale);

    /// Forgets what this CPU remembers of the user half under every tag.
    fn forget_all(&mut self);
}

/// Flushes of other CPUs. Each has a slot, and a CPU answers by forgetting, before it enters the kernel.
pub trait Flushes {
    /// Asks CPUs to forget.
    ///
    /// Precondition: no flush of this slot is under way; there is at least one CPU.
    /// Postcondition: each CPU forgets and answers at its next trap, which comes by itself.
    fn ask(&mut self, slot: FlushSlot, stale: Stale, cpus: &CpuSet);

    /// Which flushes have been answered by all their CPUs since the last time, a bit each. The last CPU to answer
    /// enters the kernel.
    fn answered(&mut self) -> u64;
}

/// Physical memory by the word and the frame.
pub trait PhysicalMemory {
    /// Reads a word.
    ///
    /// Precondition: the address is a multiple of eight inside of RAM.
    fn read_word(&self, address: PhysicalAddress) -> u64;

    /// How many words from there on are zero before one is not, of so many.
    ///
    /// Precondition: all of them are inside of RAM, and the address is a multiple of eight.
    #[inline]
    fn zeros_from(&self, address: PhysicalAddress, words: u64) -> u64 {
        let is_zero = |word: &u64| self.read_word(PhysicalAddress(address.0 + word * 8)) == 0;
        (0..words).take_while(is_zero).count() as u64
    }

    /// Writes a word.
    ///
    /// Precondition: the address is a multiple of eight inside of RAM that the kernel owns.
    fn write_word(&mut self, address: PhysicalAddress, value: u64);

    /// Whether a request for memory is refused that there would be room for: only glass does that, to see what comes of
    /// it.
    #[inline]
    fn refuses(&mut self) -> bool {
        false
    }

    /// Whether it will refuse the next one.
    #[inline]
    fn refuses_next(&self) -> bool {
        false
    }

    /// Makes a frame all zero.
    ///
    /// Precondition: the frame is RAM that the kernel owns.
    fn zero_frame(&mut self, frame: Frame);

    /// Copies what is in one frame to another.
    ///
    /// Precondition: both are RAM, and the kernel owns the target.
    fn copy_frame(&mut self, from: Frame, to: Frame);

    /// Writes what every address space has in common into a new top-level table.
    ///
    /// Precondition: `root` is a zeroed frame.
    /// Postcondition: no entry of the user half has changed.
    fn share_kernel_half(&mut self, root: Frame);
}

/// The way to another CPU.
pub trait Kicks {
    /// Asks a CPU to enter the kernel with `Trap::Kick`.
    ///
    /// Postcondition: the CPU enters the kernel after this call, for this or another reason, once at least; several
    /// kicks may arrive as one.
    fn kick(&mut self, cpu: CpuId);
}

/// The devices that programs drive.
pub trait Devices {
    /// How many interrupt lines there are, counted from zero.
    fn lines(&self) -> u32;

    /// Lets the interrupts of a line in, at this CPU if the machine can choose.
    ///
    /// Precondition: there is such a line.
    /// Postcondition: if its device asks, or has asked since the line came in last, that comes as `Trap::Line`, once:
    /// the line is closed then.
    fn open_line(&mut self, line: u32, cpu: CpuId);

    /// Keeps the interrupts of a line out.
    ///
    /// Precondition: there is such a line.
    /// Postcondition: a trap that is already on its way may still arrive; no other does.
    fn close_line(&mut self, line: u32);

    /// By which message a device asks on a line, if that has no wire.
    ///
    /// Precondition: there is such a line.
    fn message_of(&self, line: u32) -> Option<DeviceMessage>;

    /// Whether programs that drive devices may reach these frames: none is RAM, or what the kernel itself drives.
    fn is_for_drivers(&self, run: FrameRun) -> bool;

    /// Whether programs that drive devices may reach these ports: the machine has ports, and the kernel itself drives
    /// nothing by these.
    fn are_for_drivers(&self, ports: PortSpan) -> bool;

    /// Where the words are that firmware has left about the machine, if it has left any: frames that are in no memory map,
    /// zero behind the last word.
    fn firmware(&self) -> Option<FrameRun>;

    /// Reads what is in ports.
    ///
    /// Precondition: they are for drivers.
    /// Postcondition: it fits into them.
    fn read_ports(&mut self, ports: PortSpan) -> u32;

    /// Writes to ports.
    ///
    /// Precondition: they are for drivers, and the value fits into them.
    fn write_ports(&mut self, ports: PortSpan, value: u32);
}

/// The end.
pub trait Power {
    /// Turns the machine off.
    ///
    /// Postcondition: the status reaches whoever started the machine; the ground stops entering the kernel.
    fn power_off(&mut self, status: ExitCode);
}

/// A place for bytes that a person should see, from the first moment on.
pub trait Console {
    /// Writes bytes, in order, all of them.
    fn write(&mut self, bytes: &[u8]);
}

/// Numbers that a program cannot guess.
pub trait Entropy {
    /// A fresh random word.
    fn random(&mut self) -> u64;
}

/// One CPU, while it is in the kernel.
pub trait Cpu: Clock + Translation {
    /// The registers of user mode on this machine.
    type Registers: UserRegisters;

    /// Which one it is.
    fn id(&self) -> CpuId;

    /// The registers of the thread that runs here: they live in the CPU until the kernel puts others in.
    fn registers(&mut self) -> &mut Self::Registers;

    /// What the message carries of a call that is tried the fast way.
    ///
    /// Precondition: the CPU is in one.
    fn carries(&self) -> Carries;

    /// Puts what a call keeps of the running thread into `from`, and goes on with what it keeps of `to`. The message
    /// stays where it is, in registers that the kernel does not touch.
    ///
    /// Precondition: the CPU is in a call that is tried the fast way, and both are light.
    fn hand_over(&mut self, from: &mut Self::Registers, to: &mut Self::Registers);

    /// Puts what a call keeps of the running thread into `from`, and the answer, if there is one yet; goes on with what is in
    /// `to`, message and all.
    ///
    /// Precondition: the CPU is in a call that is tried the fast way and sends no message; both are light, and `to` rests
    /// in a call.
    fn swap(&mut self, from: &mut Self::Registers, answer: Option<Reply>, to: &Self::Registers);
}

/// A whole machine: all that its CPUs share.
pub trait Machine:
    PhysicalMemory + Kicks + Flushes + Devices + Power + Console + Entropy + TraceSink
{
    /// One of its CPUs.
    type Cpu: Cpu;

    /// Its page-table format.
    type Paging: crate::paging::Format;

    /// Its storage for kernel tables.
    type Store<T: Row>: Store<T>;

    /// How fast the counter runs that programs can read, from zero at the time zero.
    fn counter_rate(&self) -> CounterRate;

    /// Writes words to the beginning of a frame that programs read without a lock, all of them or none.
    ///
    /// Precondition: the frame is RAM that the kernel owns.
    fn publish(&mut self, frame: Frame, words: [u64; 3]);

    /// How many tags translations can have, `Tag::NONE` included; one, if the machine has none.
    fn tags(&self) -> u16;

    /// An empty table.
    fn store<T: Row>(&mut self) -> Self::Store<T>;
}
