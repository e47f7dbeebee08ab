//! What CPUs have to forget, and under which names.

/// Under which name a CPU remembers translations: its manuals call it ASID or PCID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u16);

impl Tag {
    /// The name of spaces that have none: whoever is activated under it begins with nothing.
    pub const NONE: Self = Self(0);
}

/// What a CPU has to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forget {
    /// The pages of a range.
    Pages {
        /// The first address.
        start: u64,
        /// How many pages of 4 KiB, however large they really are.
        pages: u64,
    },
    /// All pages, and the tables that led to them.
    Everything,
}

/// Translations that are no longer true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stale {
    /// Under which tag.
    pub tag: Tag,
    /// Which.
    pub what: Forget,
}

impl Stale {
    /// As three words, for those who answer without the kernel lock.
    #[must_use]
    pub const fn to_words(self) -> [u64; 3] {
        let tag = self.tag.0 as u64;
        match self.what {
            Forget::Pages { start, pages } => [tag, start, pages],
            Forget::Everything => [tag, 0, 0],
        }
    }

    /// From three words.
    #[must_use]
    pub const fn from_words([tag, start, pages]: [u64; 3]) -> Self {
        let what = if pages == 0 { Forget::Everything } else { Forget::Pages { start, pages } };
        Self { tag: Tag(tag as u16), what }
    }
}

/// One of the flushes that can be under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlushSlot(pub u8);

/// How many flushes can be under way at a time.
pub const FLUSH_SLOTS: usize = 64;
