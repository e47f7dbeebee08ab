//! What travels between two threads.

use crate::PageRights;

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

/// How many ranges of pages a message can carry: the words behind the names of capabilities are their addresses.
pub const MOST_RANGES: usize = 2;

/// How many pages such a range has at most: more are shared by a memory object.
pub const MOST_PAGES: u64 = 32;

/// How pages go along with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Passage {
    /// They are the receiver's from then on.
    Moved = 1,
    /// The receiver can read them until the call is over.
    LentToRead = 2,
    /// The receiver can read and write them until the call is over.
    LentToWrite = 3,
}

impl Passage {
    #[inline]
    const fn from_bits(bits: u32) -> Option<Self> {
        match bits & 3 {
            1 => Some(Self::Moved),
            2 => Some(Self::LentToRead),
            3 => Some(Self::LentToWrite),
            _ => None,
        }
    }

    /// Whether their sender gets them back when the call is over.
    #[must_use]
    pub const fn is_lent(self) -> bool {
        !matches!(self, Self::Moved)
    }

    /// What the receiver may do with them.
    #[must_use]
    pub const fn rights(self) -> PageRights {
        match self {
            Self::LentToRead => PageRights::Read,
            Self::Moved | Self::LentToWrite => PageRights::ReadWrite,
        }
    }
}

/// What goes along with a message, or has come with it: the first words are the names of capabilities, and those behind
/// them the addresses of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Carries(u32);

/// Where a range says how it goes along: two bits, and six for the number of its pages less one.
const RANGES: [u32; MOST_RANGES] = [8, 16];

impl Carries {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// So many capabilities, of which those are moved whose bits are set, and the others copied.
    #[must_use]
    pub const fn new(count: u8, moved: u8) -> Self {
        Self(count as u32 & 0xf | (moved as u32 & 0xf) << 4)
    }

    /// The same and a range of so many pages, one to sixty-four, of which the kernel takes `MOST_PAGES`.
    ///
    /// Precondition: there are fewer than `MOST_RANGES`.
    #[must_use]
    pub const fn and_pages(self, passage: Passage, pages: u64) -> Self {
        let place = RANGES[if self.range(0).is_none() { 0 } else { 1 }];
        Self(self.0 | (passage as u32 | ((pages as u32 - 1) & 0x3f) << 2) << place)
    }

    /// From the register that says so.
    #[must_use]
    #[inline]
    pub const fn of_tag(tag: u64) -> Self {
        Self((tag >> 8) as u32)
    }

    /// How many capabilities.
    #[must_use]
    pub const fn count(self) -> usize {
        (self.0 & 0xf) as usize
    }

    /// The same as whoever receives it finds it: all capabilities are its own.
    #[must_use]
    pub const fn copied(self) -> Self {
        Self(self.0 & !0xf0)
    }

    /// How a range goes along, and how many pages it has.
    #[must_use]
    pub const fn range(self, index: usize) -> Option<(Passage, u64)> {
        let bits = self.0 >> RANGES[index];
        match Passage::from_bits(bits) {
            Some(passage) => Some((passage, (bits >> 2 & 0x3f) as u64 + 1)),
            None => None,
        }
    }

    /// Whether pages go along.
    #[must_use]
    #[inline]
    pub const fn has_pages(self) -> bool {
        self.0 >> RANGES[0] != 0
    }

    /// Whether the sender gives one of the capabilities up.
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
    /// Which of the words are names of capabilities or addresses of pages that go along.
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

    /// The same message, whose first words name what goes along.
    #[must_use]
    pub const fn carrying(self, carries: Carries) -> Self {
        Self { carries, ..self }
    }
}
