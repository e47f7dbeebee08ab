//! How one argument becomes words and is decoded again, once, at the door.

use crate::{
    CapabilityHandle, CapabilityRights, CapabilityState, Class, Counter, CpuId, Deadline, DeviceMessage,
    EndpointHandle, Error, ExitCode, GroupHandle, Instant, LineHandle, MappingHandle, MemoryUse, Nanos,
    ObjectHandle, PageRights, PageState, Priority, ProcessHandle, ReplyHandle, ThreadHandle, UserAddress,
    UserRange, Word,
};

/// The words of a call as they stand in registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// Which call.
    pub number: u64,
    /// Its arguments, the unused ones zero.
    pub arguments: [u64; 6],
}

/// What an argument or a result is, for generators, traces and the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing.
    Nothing,
    /// A word that means something to the program only.
    Word,
    /// An address.
    Address,
    /// A range: start and length, in two words.
    Range,
    /// A handle of a capability of any kind.
    Capability,
    /// What a capability allows.
    CapabilityRights,
    /// What a capability is.
    CapabilityState,
    /// A handle of a process.
    Process,
    /// A handle of a thread.
    Thread,
    /// A handle of a scheduling group.
    Group,
    /// A handle of a memory object.
    Object,
    /// A handle of a mapping.
    Mapping,
    /// A handle of an endpoint.
    Endpoint,
    /// A reply that somebody waits for.
    Reply,
    /// A handle of an interrupt line.
    Line,
    /// A moment until which a call may wait.
    Deadline,
    /// A moment.
    Instant,
    /// A length of time.
    Nanos,
    /// A scheduling class.
    Class,
    /// A priority within a class.
    Priority,
    /// A CPU.
    Cpu,
    /// What is counted.
    Counter,
    /// A status for whoever waits for the end.
    ExitCode,
    /// What a program may do with pages.
    PageRights,
    /// What is at an address.
    PageState,
    /// How much memory a process has and may have.
    MemoryUse,
    /// By which message a device asks.
    DeviceMessage,
}

impl Kind {
    /// The name in the reference.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Word => "word",
            Self::Address => "address",
            Self::Range => "range",
            Self::Capability => "capability handle",
            Self::CapabilityRights => "capability rights",
            Self::CapabilityState => "capability state",
            Self::Process => "process handle",
            Self::Thread => "thread handle",
            Self::Group => "group handle",
            Self::Object => "object handle",
            Self::Mapping => "mapping handle",
            Self::Endpoint => "endpoint handle",
            Self::Reply => "reply handle",
            Self::Line => "line handle",
            Self::Deadline => "deadline",
            Self::Instant => "instant",
            Self::Nanos => "nanoseconds",
            Self::Class => "class",
            Self::Priority => "priority",
            Self::Cpu => "cpu",
            Self::Counter => "counter",
            Self::ExitCode => "exit code",
            Self::PageRights => "page rights",
            Self::PageState => "page state",
            Self::MemoryUse => "memory use",
            Self::DeviceMessage => "message of a device",
        }
    }

    /// How many registers it takes.
    #[must_use]
    #[inline]
    pub const fn words(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Range => 2,
            _ => 1,
        }
    }
}

/// A type that can be an argument or a result of a call.
pub trait Argument: Sized + Copy {
    /// What it is called in the table.
    const KIND: Kind;

    /// Reads the value from the first words of `words`; what cannot be such a value is refused here.
    ///
    /// # Errors
    /// `BadArgument` if the words do not encode a value of this type.
    fn decode(words: &[u64]) -> Result<Self, Error>;

    /// Writes the value into the first words of `words`.
    fn encode(self, words: &mut [u64]);
}

macro_rules! plain {
    ($($name:ident => $kind:ident),+ $(,)?) => {
        $(impl Argument for $name {
            const KIND: Kind = Kind::$kind;
            #[inline]
            fn decode(words: &[u64]) -> Result<Self, Error> {
                Ok(Self(words[0]))
            }
            #[inline]
            fn encode(self, words: &mut [u64]) {
                words[0] = self.0;
            }
        })+
    };
}
plain!(Word => Word, UserAddress => Address, Deadline => Deadline, Instant => Instant, Nanos => Nanos);

macro_rules! narrow {
    ($($name:ident($inner:ty) => $kind:ident),+ $(,)?) => {
        $(impl Argument for $name {
            const KIND: Kind = Kind::$kind;
            #[inline]
            fn decode(words: &[u64]) -> Result<Self, Error> {
                <$inner>::try_from(words[0]).map(Self).map_err(|_| Error::BadArgument)
            }
            #[inline]
            fn encode(self, words: &mut [u64]) {
                words[0] = u64::from(self.0);
            }
        })+
    };
}
narrow!(CapabilityRights(u8) => CapabilityRights, Priority(u8) => Priority, CpuId(u16) => Cpu, ExitCode(u8) => ExitCode);

macro_rules! packed {
    ($($name:ident => $kind:ident),+ $(,)?) => {
        $(impl Argument for $name {
            const KIND: Kind = Kind::$kind;
            #[inline]
            fn decode(words: &[u64]) -> Result<Self, Error> {
                Ok(Self::from_word(words[0]))
            }
            #[inline]
            fn encode(self, words: &mut [u64]) {
                words[0] = self.to_word();
            }
        })+
    };
}
packed!(
    ProcessHandle => Process, CapabilityHandle => Capability, CapabilityState => CapabilityState,
    ObjectHandle => Object, MappingHandle => Mapping, EndpointHandle => Endpoint,
    ReplyHandle => Reply, LineHandle => Line, ThreadHandle => Thread, GroupHandle => Group, PageState => PageState, MemoryUse => MemoryUse,
    DeviceMessage => DeviceMessage);

impl Argument for () {
    const KIND: Kind = Kind::Nothing;
    #[inline]
    fn decode(_: &[u64]) -> Result<Self, Error> {
        Ok(())
    }
    #[inline]
    fn encode(self, _: &mut [u64]) {}
}

impl Argument for UserRange {
    const KIND: Kind = Kind::Range;
    #[inline]
    fn decode(words: &[u64]) -> Result<Self, Error> {
        Ok(Self { start: UserAddress(words[0]), length: words[1] })
    }
    #[inline]
    fn encode(self, words: &mut [u64]) {
        words[0] = self.start.0;
        words[1] = self.length;
    }
}

impl Argument for Class {
    const KIND: Kind = Kind::Class;
    #[inline]
    fn decode(words: &[u64]) -> Result<Self, Error> {
        let index = usize::try_from(words[0]).map_err(|_| Error::BadArgument)?;
        Self::ALL.get(index).copied().ok_or(Error::BadArgument)
    }
    #[inline]
    fn encode(self, words: &mut [u64]) {
        words[0] = self as u64;
    }
}

impl Argument for Counter {
    const KIND: Kind = Kind::Counter;
    #[inline]
    fn decode(words: &[u64]) -> Result<Self, Error> {
        let index = usize::try_from(words[0]).map_err(|_| Error::BadArgument)?;
        Self::ALL.get(index).copied().ok_or(Error::BadArgument)
    }
    #[inline]
    fn encode(self, words: &mut [u64]) {
        words[0] = self as u64;
    }
}

impl Argument for PageRights {
    const KIND: Kind = Kind::PageRights;
    #[inline]
    fn decode(words: &[u64]) -> Result<Self, Error> {
        let index = usize::try_from(words[0]).map_err(|_| Error::BadArgument)?;
        Self::ALL.get(index).copied().ok_or(Error::BadArgument)
    }
    #[inline]
    fn encode(self, words: &mut [u64]) {
        words[0] = self as u64;
    }
}
