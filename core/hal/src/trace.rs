//! What the kernel tells about itself, and why it was entered.

use coldframe_abi::{Class, CpuId, Instant, Number};

/// What a program does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Access {
    /// It reads.
    Load,
    /// It writes.
    Store,
    /// It fetches instructions.
    Fetch,
}

/// Why a CPU enters the kernel.
// By words: packed beside the tag, it would be copied byte by byte where words have to be aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Trap {
    /// The thread made a call.
    Syscall,
    /// The one-shot deadline of this CPU passed.
    Timer,
    /// Another CPU asked this one to look.
    Kick,
    /// The device of a line asks.
    Line(u32),
    /// The kernel asked to be entered again.
    Again,
    /// The page table does not allow what the thread did.
    PageFault {
        /// The machine's own number for it.
        cause: u64,
        /// Where.
        address: u64,
        /// What it did.
        access: Access,
    },
    /// The thread did something that it may not.
    Fault {
        /// The machine's own number for it.
        cause: u64,
        /// The address it is about, or zero.
        address: u64,
    },
}

/// Something that happened inside the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A CPU came in.
    Enter(Trap),
    /// A call was decoded.
    Call(Number),
    /// A thread got the CPU.
    Run {
        /// Which thread.
        thread: u32,
    },
    /// The CPU has nothing to do.
    Idle,
    /// The running thread has to wait.
    Block {
        /// Which thread.
        thread: u32,
    },
    /// The running thread lost the CPU to another.
    Preempt {
        /// Which thread.
        thread: u32,
    },
    /// A thread may run again.
    Wake {
        /// Which thread.
        thread: u32,
        /// Where it will run.
        cpu: CpuId,
    },
    /// Another CPU was asked to look.
    Kick {
        /// Which CPU.
        cpu: CpuId,
    },
    /// The timer of this CPU was set.
    Arm {
        /// When it will fire.
        deadline: Instant,
    },
    /// The timer of this CPU was stopped.
    Disarm,
    /// A thread was made.
    Create {
        /// Which thread.
        thread: u32,
        /// Its class.
        class: Class,
    },
    /// A thread ended.
    End {
        /// Which thread.
        thread: u32,
    },
}

/// Where a machine's trace events go. Whether there is such a place is a constant, so that an untraced image
/// pays nothing.
pub trait TraceSink {
    /// Whether events are wanted at all.
    const TRACED: bool;

    /// Takes an event of a CPU.
    ///
    /// Precondition: `TRACED`.
    fn record(&mut self, cpu: CpuId, at: Instant, event: Event);
}
