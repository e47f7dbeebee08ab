//! What travels: some words, and where more is.

/// How many words a packet has in memory.
pub(super) const PACKET_WORDS: usize = 8;

/// A label and six words, and a part of the memory for data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Packet {
    /// What it is about.
    pub label: u64,
    /// What it says.
    pub words: [u64; 6],
    /// Where more of it is.
    pub extent: Extent,
}

impl Packet {
    /// A packet that says so much and has no data.
    #[must_use]
    pub const fn new(label: u64, words: [u64; 6]) -> Self {
        Self { label, words, extent: Extent::NONE }
    }

    pub(super) const fn to_words(self) -> [u64; PACKET_WORDS] {
        let [a, b, c, d, e, f] = self.words;
        [self.label, a, b, c, d, e, f, self.extent.to_word()]
    }

    pub(super) const fn from_words([label, a, b, c, d, e, f, extent]: [u64; PACKET_WORDS]) -> Self {
        Self { label, words: [a, b, c, d, e, f], extent: Extent::from_word(extent) }
    }
}

/// A part of the memory for data, by the word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The first word.
    pub start: u32,
    /// How many words.
    pub length: u32,
}

impl Extent {
    /// No data.
    pub const NONE: Self = Self { start: 0, length: 0 };

    /// Whether it lies in so many words.
    #[must_use]
    pub const fn lies_in(self, words: u32) -> bool {
        match self.start.checked_add(self.length) {
            Some(end) => end <= words,
            None => false,
        }
    }

    const fn to_word(self) -> u64 {
        self.start as u64 | (self.length as u64) << 32
    }

    const fn from_word(word: u64) -> Self {
        Self { start: word as u32, length: (word >> 32) as u32 }
    }
}
