//! Why a call failed, and how an answer travels.

use core::fmt;

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal),+ $(,)?) => {
        /// Why a call failed. Each variant says what happened and whose fault it was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Error {
            $($(#[doc = $doc])+ $name = $code),+
        }

        impl Error {
            /// Every error, by rising code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The error with this code, if there is one.
            #[must_use]
            pub const fn from_code(code: u64) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// One line for the reference.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

errors! {
    /// The caller named a call that is not in the table.
    UnknownCall = 1,
    /// The caller passed a word that this argument cannot have.
    BadArgument = 2,
    /// The caller named a range that wraps, leaves the user half, or is not mapped with the needed rights.
    BadAddress = 3,
    /// The caller's handle names nothing, or something that has already ended.
    BadHandle = 4,
    /// The kernel has no memory left for what the call needs.
    NoMemory = 5,
    /// The deadline passed before what the caller waited for happened.
    TimedOut = 6,
    /// Another thread already waits for the same thing.
    Busy = 7,
    /// The caller would wait for itself.
    Deadlock = 8,
    /// The object is not in a state in which this can be done.
    BadState = 9,
    /// Something is already where the call would put pages.
    Occupied = 10,
    /// Nothing is where the call needs pages.
    NotMapped = 11,
    /// The pages were placed by a mapping, and change only as a whole, through it.
    Foreign = 12,
    /// The budget of the caller does not reach for what the call needs.
    OverBudget = 13,
    /// The caller's capability does not allow it.
    NoRight = 14,
    /// The caller's process may not make this call, or has no authority for what it asks.
    NotAllowed = 15,
    /// The word does not hold what the caller expected.
    Changed = 16,
    /// Nobody is left whom the message could reach, or from whom one could come.
    PeerGone = 17,
    /// Another thread has ended the caller's wait.
    Cancelled = 18,
    /// Whoever would receive the message takes no such capabilities, or has no room for them.
    Refused = 19,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.meaning())
    }
}

impl core::error::Error for Error {}

/// The two words in which an answer travels: zero and a value, or the code of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reply {
    /// Zero, or the code of an [`Error`].
    pub status: u64,
    /// The value, if the status is zero.
    pub value: u64,
}

impl Reply {
    /// The answer of a call that succeeded.
    #[must_use]
    pub const fn ok(value: u64) -> Self {
        Self { status: 0, value }
    }

    /// What the caller makes of it.
    ///
    /// # Errors
    /// The error that the kernel answered with; a code unknown to this program counts as `UnknownCall`.
    #[inline]
    pub const fn result(self) -> Result<u64, Error> {
        if self.status == 0 {
            return Ok(self.value);
        }
        match Error::from_code(self.status) {
            Some(error) => Err(error),
            None => Err(Error::UnknownCall),
        }
    }
}

impl From<Result<u64, Error>> for Reply {
    fn from(result: Result<u64, Error>) -> Self {
        match result {
            Ok(value) => Self::ok(value),
            Err(error) => Self { status: error as u64, value: 0 },
        }
    }
}
