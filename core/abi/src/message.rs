//! What travels between two threads.

/// How many words a message has, besides its label.
pub const MESSAGE_WORDS: usize = 7;

/// How a message has come to whoever finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Arrival {
    /// Nobody waits for a reply.
    #[default]
    Sent = 0,
    /// Its sender waits for a reply.
    Called = 1,
    /// It is no message: signals have been raised at the endpoint, and are what the call answers with.
    Signalled = 2,
}

impl Arrival {
    #[inline]
    const fn of_tag(tag: u64) -> Self {
        match tag & 0xff {
            1 => Self::Called,
            2 => Self::Signalled,
            _ => Self::Sent,
        }
    }
}

/// How many capabilities a message can carry: the first so many of its words are their names.
pub const MOST_CARRIED: usize = 4;

/// Which capabilities go along with a message, or have come with it: the first words are their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Carries(u8);

impl Carries {
    /// None.
    pub const NONE: Self = Self(0);

    /// So many, of which those are moved whose bits are set, and the others copied.
    #[must_use]
    pub const fn new(count: u8, moved: u8) -> Self {
        Self(count & 0xf | moved << 4)
    }

    /// From the register that says so.
    #[must_use]
    #[inline]
    pub const fn of_tag(tag: u64) -> Self {
        Self((tag >> 8) as u8)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> usize {
        (self.0 & 0xf) as usize
    }

    /// Whether the sender gives one of them up.
    #[must_use]
    pub const fn moves(self, index: usize) -> bool {
        self.0 >> (4 + index) & 1 == 1
    }
}

/// A message: it rides in registers, and the kernel never reads it, but for the names of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// What it is about.
    pub label: u64,
    /// The rest.
    pub words: [u64; MESSAGE_WORDS],
    /// Which of the words are names of capabilities that go along.
    pub carries: Carries,
    /// How it has come. The kernel says so to whoever receives it, and heeds nothing else.
    pub arrival: Arrival,
}

impl Message {
    /// The message in a label, words, and the register that says the rest.
    #[must_use]
    #[inline]
    pub const fn from_registers(label: u64, words: [u64; MESSAGE_WORDS], tag: u64) -> Self {
        Self { label, words, carries: Carries::of_tag(tag), arrival: Arrival::of_tag(tag) }
    }

    /// How it has come and what it carries, as one register says it.
    #[must_use]
    #[inline]
    pub const fn tag(&self) -> u64 {
        self.arrival as u64 | (self.carries.0 as u64) << 8
    }

    /// What is found beside signals.
    pub const SIGNALLED: Self =
        Self { label: 0, words: [0; MESSAGE_WORDS], carries: Carries::NONE, arrival: Arrival::Signalled };

    /// A message of a label and the first words.
    #[must_use]
    pub const fn new(label: u64, first: [u64; 4]) -> Self {
        let [a, b, c, d] = first;
        Self { label, words: [a, b, c, d, 0, 0, 0], carries: Carries::NONE, arrival: Arrival::Sent }
    }

    /// The same message, whose first words are names of capabilities that go along.
    #[must_use]
    pub const fn carrying(self, carries: Carries) -> Self {
        Self { carries, ..self }
    }
}
