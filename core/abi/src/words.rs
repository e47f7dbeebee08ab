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
    /// Names a thread of the caller's process.
    ThreadHandle
}
handle! {
    /// Names a scheduling group of the caller's process.
    GroupHandle
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
