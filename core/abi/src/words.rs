//! The typed words that cross the user/kernel door.

use core::fmt;

/// A machine word without further meaning to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub u64);

/// A moment on the machine's monotonic clock, in nanoseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Instant {
    /// The moment `span` later, or the end of time.
    #[must_use]
    pub const fn after(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; zero if it is not in the past.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A whole number of microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// A whole number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// What is left after `other` is taken away, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// What is counted of threads and processes, and may be read by whoever may look at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Counter {
    /// The calls that it has made.
    Calls = 0,
    /// How often it touched a page that was not there, or not like that.
    Faults = 1,
    /// How often it named what it does not have.
    Refusals = 2,
    /// How often it was dismissed from an interrupt line: it was too slow, or the interrupts were nobody's.
    Dismissals = 3,
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 4] = [Self::Calls, Self::Faults, Self::Refusals, Self::Dismissals];
}

/// Until when a call may wait: an instant, `NOW` for "only if it can happen now", or `NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(pub u64);

impl Deadline {
    /// The call returns at once if it would have to wait.
    pub const NOW: Self = Self(0);
    /// The call waits as long as it takes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The deadline at a moment of the monotonic clock.
    #[must_use]
    pub const fn at(moment: Instant) -> Self {
        Self(moment.0)
    }
}

/// An address in the user half of an address space, as a program named it: never dereferenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserAddress(pub u64);

/// A range of user memory as a program named it: checked for wrap and split before use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UserRange {
    /// The first byte.
    pub start: UserAddress,
    /// How many bytes.
    pub length: u64,
}

/// How a process ended, or what the machine tells its owner at power off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExitCode(pub u8);

/// A CPU of the machine, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub u16);

/// A scheduling class; a thread of a higher class never waits for one of a lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Runs when nothing else wants to.
    Idle = 0,
    /// Ordinary work, with a bounded boost for threads that wait a lot.
    #[default]
    Normal = 1,
    /// Work that a person waits for.
    High = 2,
    /// Work with a deadline outside of the machine: no boost, long slices.
    RealTime = 3,
}

impl Class {
    /// Every class, the least urgent first.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Normal, Self::High, Self::RealTime];
}

/// Urgency within a class: 255 is the most urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

/// What user mode may do with a page: never writable and executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PageRights {
    /// Nothing.
    #[default]
    None = 0,
    /// Read.
    Read = 1,
    /// Read and write.
    ReadWrite = 2,
    /// Read and execute.
    ReadExecute = 3,
}

impl PageRights {
    /// Every set of rights.
    pub const ALL: [Self; 4] = [Self::None, Self::Read, Self::ReadWrite, Self::ReadExecute];

    /// Whether user mode may write.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, Self::ReadWrite)
    }

    /// Whether user mode may fetch instructions.
    #[must_use]
    pub const fn executes(self) -> bool {
        matches!(self, Self::ReadExecute)
    }

    /// Whether all that is allowed here is allowed there.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        match self {
            Self::None => true,
            Self::Read => !matches!(other, Self::None),
            Self::ReadWrite => other.writes(),
            Self::ReadExecute => other.executes(),
        }
    }
}

/// How a page of an address space comes by its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PageKind {
    /// Nothing is there.
    #[default]
    Empty = 0,
    /// It is reserved, and all zero until it is touched.
    Lazy = 1,
    /// It has a frame of its own.
    Own = 2,
    /// It shares a frame until somebody writes.
    Shared = 3,
    /// An object has it.
    Object = 4,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageState {
    /// How the page comes by its bytes.
    pub kind: PageKind,
    /// What the program may do with it.
    pub rights: PageRights,
}

impl PageState {
    /// As the word that a call answers with.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.kind as u64 | (self.rights as u64) << 8
    }

    /// From the word that a call has answered with.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let kind = match word & 0xff {
            1 => PageKind::Lazy,
            2 => PageKind::Own,
            3 => PageKind::Shared,
            4 => PageKind::Object,
            _ => PageKind::Empty,
        };
        Self { kind, rights: PageRights::ALL[(word >> 8 & 3) as usize] }
    }
}

/// What a process may have and has, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemoryUse {
    /// How many pages it has, page tables included.
    pub used: u32,
    /// How many it may have.
    pub limit: u32,
}

impl MemoryUse {
    /// As the word that a call answers with.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.used as u64 | (self.limit as u64) << 32
    }

    /// From the word that a call has answered with.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { used: word as u32, limit: (word >> 32) as u32 }
    }
}

/// By which message a device asks on an interrupt line that has no wire: what it writes, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceMessage {
    /// The physical address: no more than 48 bits of it.
    pub address: u64,
    /// What is written there.
    pub data: u16,
}

impl DeviceMessage {
    /// As the word that a call answers with.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.address << 16 | self.data as u64
    }

    /// From the word that a call has answered with.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { address: word >> 16, data: word as u16 }
    }
}

/// What a capability names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CapabilityKind {
    /// Nothing: the row is free, or what it named is gone.
    #[default]
    None = 0,
    /// A thread.
    Thread = 1,
    /// A scheduling group.
    Group = 2,
    /// A memory object.
    Object = 3,
    /// A mapping of a memory object.
    Mapping = 4,
    /// A process.
    Process = 5,
    /// Something that a process may do to the machine.
    Authority = 6,
    /// Where messages are handed over.
    Endpoint = 7,
    /// A reply that somebody waits for.
    Reply = 8,
    /// An interrupt line that somebody listens to.
    Line = 9,
}

impl CapabilityKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::Thread,
        Self::Group,
        Self::Object,
        Self::Mapping,
        Self::Process,
        Self::Authority,
        Self::Endpoint,
        Self::Reply,
        Self::Line,
    ];
}

/// What the holder of a capability may do with what it names, a bit each. Copies can only lose some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityRights(pub u8);

impl CapabilityRights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Look at it, and wait for its end.
    pub const INSPECT: Self = Self(1);
    /// Change it, stop it, let it go on, end it.
    pub const MANAGE: Self = Self(1 << 1);
    /// Map its pages for reading; take messages from it.
    pub const READ: Self = Self(1 << 2);
    /// Map its pages for writing; send it messages.
    pub const WRITE: Self = Self(1 << 3);
    /// Map its pages for execution.
    pub const EXECUTE: Self = Self(1 << 4);
    /// Put threads, mappings and capabilities into it.
    pub const FILL: Self = Self(1 << 5);
    /// Derive other capabilities from this one.
    pub const COPY: Self = Self(1 << 6);
    /// Raise signals at it.
    pub const SIGNAL: Self = Self(1 << 7);
    /// All that can be.
    pub const ALL: Self = Self(0xff);
    /// Each of them, and what it is called.
    pub const NAMED: [(Self, &'static str); 8] = [
        (Self::INSPECT, "inspect"),
        (Self::MANAGE, "manage"),
        (Self::READ, "read"),
        (Self::WRITE, "write"),
        (Self::EXECUTE, "execute"),
        (Self::FILL, "fill"),
        (Self::COPY, "copy"),
        (Self::SIGNAL, "signal"),
    ];

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all that is allowed here is allowed there.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether something of what is allowed here is allowed there.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a process may do to the machine, beyond what is its own: whoever has no capability to it may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Authority {
    /// Turn it off.
    #[default]
    Power = 0,
    /// Write to its console.
    Console = 1,
    /// Take CPUs off-line and back; its range are CPUs.
    Cpus = 2,
    /// Make threads more urgent, and groups; its range are levels, of which a class has 256.
    Urgency = 3,
    /// See the clock page, which is number 0 of its range, and set the wall time, which is number 1.
    Clock = 4,
    /// Listen to interrupts; its range are lines.
    Lines = 5,
    /// Reach the registers of devices; its range are pages of physical memory.
    Devices = 6,
    /// Let threads run where they may not yet; its range are CPUs.
    Affinity = 7,
    /// Draw words that nobody can guess.
    Entropy = 8,
    /// Reach devices by ports; its range are ports.
    Ports = 9,
    /// Have what firmware says of the machine.
    Firmware = 10,
}

impl Authority {
    /// Every authority.
    pub const ALL: [Self; 11] = [
        Self::Power,
        Self::Console,
        Self::Cpus,
        Self::Urgency,
        Self::Clock,
        Self::Lines,
        Self::Devices,
        Self::Affinity,
        Self::Entropy,
        Self::Ports,
        Self::Firmware,
    ];
}

/// Over what an authority reaches: numbers from the first to the one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The first.
    pub start: u32,
    /// The one behind the last.
    pub end: u32,
}

impl Reach {
    /// As far as there is anything.
    pub const ALL: Self = Self { start: 0, end: u32::MAX };

    /// As the badge of a capability.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.start as u64 | (self.end as u64) << 32
    }

    /// From the badge of a capability.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { start: word as u32, end: (word >> 32) as u32 }
    }

    /// Whether a number is in it.
    #[must_use]
    pub const fn covers(self, number: u32) -> bool {
        self.start <= number && number < self.end
    }

    /// Whether it is not empty, and no part of it is outside of the other.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.start < self.end && other.start <= self.start && self.end <= other.end
    }
}

/// From this number on the registers of a stopped thread are those of floating point: the halves of xmm0 to xmm15 and then
/// mxcsr on x86_64, f0 to f31 and then fcsr on RISC-V.
pub const FLOAT_REGISTERS: u64 = 64;

/// What a capability is, as its holder may know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CapabilityState {
    /// What it names.
    pub kind: CapabilityKind,
    /// What may be done with that.
    pub rights: CapabilityRights,
    /// Which authority it is, if it is one.
    pub authority: Authority,
}

impl CapabilityState {
    /// As the word that a call answers with.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.kind as u64 | (self.rights.0 as u64) << 8 | (self.authority as u64) << 16
    }

    /// From the word that a call has answered with.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        let kind = match word & 0xff {
            1 => CapabilityKind::Thread,
            2 => CapabilityKind::Group,
            3 => CapabilityKind::Object,
            4 => CapabilityKind::Mapping,
            5 => CapabilityKind::Process,
            6 => CapabilityKind::Authority,
            7 => CapabilityKind::Endpoint,
            8 => CapabilityKind::Reply,
            9 => CapabilityKind::Line,
            _ => CapabilityKind::None,
        };
        let authority = match word >> 16 & 0xff {
            1 => Authority::Console,
            2 => Authority::Cpus,
            3 => Authority::Urgency,
            4 => Authority::Clock,
            5 => Authority::Lines,
            6 => Authority::Devices,
            7 => Authority::Affinity,
            8 => Authority::Entropy,
            9 => Authority::Ports,
            10 => Authority::Firmware,
            _ => Authority::Power,
        };
        Self { kind, rights: CapabilityRights((word >> 8) as u8), authority }
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// Which row of the table.
            pub slot: u32,
            /// Which object that lived in this row, counted from one: a stale handle never fits a new one.
            pub generation: u32,
        }

        impl $name {
            /// The handle as the word that a program holds.
            #[must_use]
            pub const fn to_word(self) -> u64 {
                (self.generation as u64) << 32 | self.slot as u64
            }

            /// The handle that a program's word claims to be.
            #[must_use]
            pub const fn from_word(word: u64) -> Self {
                Self { slot: word as u32, generation: (word >> 32) as u32 }
            }
        }
    };
}

handle! {
    /// Names a capability of the caller's process, whatever it is for.
    CapabilityHandle
}

macro_rules! kinds_of_handles {
    ($($name:ident),+) => {
        $(impl From<$name> for CapabilityHandle {
            fn from(handle: $name) -> Self {
                Self { slot: handle.slot, generation: handle.generation }
            }
        })+
    };
}
kinds_of_handles!(
    ThreadHandle,
    GroupHandle,
    ObjectHandle,
    MappingHandle,
    ProcessHandle,
    EndpointHandle,
    ReplyHandle,
    LineHandle
);

handle! {
    /// Names a process that the caller has a capability to.
    ProcessHandle
}
handle! {
    /// Names a thread that the caller has a capability to.
    ThreadHandle
}
handle! {
    /// Names a scheduling group that the caller has a capability to.
    GroupHandle
}
handle! {
    /// Names a memory object that the caller has a capability to.
    ObjectHandle
}
handle! {
    /// Names a mapping of a memory object into the caller's address space.
    MappingHandle
}
handle! {
    /// Names an endpoint that the caller has a capability to.
    EndpointHandle
}
handle! {
    /// Names an interrupt line that the caller listens to.
    LineHandle
}
handle! {
    /// Names a reply that somebody waits for, and that the caller owes until it has given it, once.
    ReplyHandle
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n < 10_000 => write!(f, "{n} ns"),
            n if n < 10_000_000 => write!(f, "{} µs", n / 1_000),
            n if n < 10_000_000_000 => write!(f, "{} ms", n / 1_000_000),
            n => write!(f, "{} s", n / 1_000_000_000),
        }
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu{}", self.0)
    }
}
