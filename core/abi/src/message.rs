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
    /// From the register that says so.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        match word {
            1 => Self::Called,
            2 => Self::Signalled,
            _ => Self::Sent,
        }
    }
}

/// A message: it rides in registers, and the kernel never reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// What it is about.
    pub label: u64,
    /// The rest.
    pub words: [u64; MESSAGE_WORDS],
    /// How it has come. The kernel says so to whoever receives it, and heeds nothing else.
    pub arrival: Arrival,
}

impl Message {
    /// What is found beside signals.
    pub const SIGNALLED: Self = Self { label: 0, words: [0; MESSAGE_WORDS], arrival: Arrival::Signalled };

    /// A message of a label and the first words.
    #[must_use]
    pub const fn new(label: u64, first: [u64; 4]) -> Self {
        let [a, b, c, d] = first;
        Self { label, words: [a, b, c, d, 0, 0, 0], arrival: Arrival::Sent }
    }
}
