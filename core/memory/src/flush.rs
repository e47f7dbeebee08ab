//! What has to be forgotten after page tables have changed.

use coldframe_hal::{FRAME_BYTES, Forget};

/// Translations that are no longer true: whoever gets this has to see to it that every CPU forgets them.
///
/// It cannot be copied and has no other use than to be looked into once.
#[must_use = "translations that nobody forgets go stale (row V1)"]
#[derive(Debug, PartialEq, Eq)]
pub struct Flush {
    start: u64,
    end: u64,
    tables: bool,
}

impl Flush {
    /// Everything is still true.
    pub const NONE: Self = Self { start: 0, end: 0, tables: false };

    /// The pages from an address on and below another.
    pub(crate) const fn pages(start: u64, end: u64) -> Self {
        Self { start, end, tables: false }
    }

    /// Tables that were in use are not any more.
    pub(crate) const fn tables() -> Self {
        Self { start: 0, end: 0, tables: true }
    }

    /// Whether everything is still true.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        !self.tables && self.start == self.end
    }

    /// What CPUs have to forget, if anything. Consumes the duty: whoever asks has taken it on.
    #[must_use = "the duty is now yours"]
    pub const fn into_duty(self) -> Option<Forget> {
        if self.tables {
            Some(Forget::Everything)
        } else if self.start == self.end {
            None
        } else {
            Some(Forget::Pages { start: self.start, pages: (self.end - self.start) / FRAME_BYTES })
        }
    }
}
