//! What travels between two threads.

/// How many words a message has, besides its label.
pub const MESSAGE_WORDS: usize = 7;

/// A message: it rides in registers, and the kernel never reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// What it is about.
    pub label: u64,
    /// The rest.
    pub words: [u64; MESSAGE_WORDS],
    /// Whether its sender waits for a reply. The kernel says so to whoever receives it, and heeds nothing else.
    pub wants_reply: bool,
}

impl Message {
    /// A message of a label and the first words.
    #[must_use]
    pub const fn new(label: u64, first: [u64; 4]) -> Self {
        let [a, b, c, d] = first;
        Self { label, words: [a, b, c, d, 0, 0, 0], wants_reply: false }
    }
}
