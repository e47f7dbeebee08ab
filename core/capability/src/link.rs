//! A link of the forest: along to a neighbour, or up to what both were derived from.

use crate::NONE;

const UP: u32 = 1 << 31;

/// Where a row's neighbour is, or, at either end of a row of siblings, their parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link(u32);

impl Link {
    #[inline]
    pub(crate) const fn to(row: u32) -> Self {
        assert!(row < UP, "a table has fewer rows than that");
        Self(row)
    }

    #[inline]
    pub(crate) const fn up(row: u32) -> Self {
        Self(row | UP)
    }

    /// The neighbour, if there is one.
    #[inline]
    pub(crate) const fn along(self) -> Option<u32> {
        if self.0 & UP == 0 { Some(self.0) } else { None }
    }

    /// The neighbour, or `NONE`.
    #[inline]
    pub(crate) const fn row(self) -> u32 {
        if self.0 & UP == 0 { self.0 } else { NONE }
    }

    /// The parent, if this is an end.
    #[inline]
    pub(crate) const fn parent(self) -> Option<u32> {
        if self.0 & UP == 0 || self.0 == NONE { None } else { Some(self.0 & !UP) }
    }
}
