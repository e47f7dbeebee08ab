//! Ports: where some machines have registers of devices beside memory.

/// How many bytes go through a port at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortWidth {
    /// One.
    Byte,
    /// Two.
    Half,
    /// Four.
    Word,
}

impl PortWidth {
    const fn bytes(self) -> u16 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// A port, and as many behind it as are read or written together: all of them are ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortSpan {
    first: u16,
    width: PortWidth,
}

impl PortSpan {
    /// So many bytes from a port on, if ports are read and written so, and there are that many.
    #[must_use]
    pub fn new(first: u64, bytes: u64) -> Option<Self> {
        let width = match bytes {
            1 => PortWidth::Byte,
            2 => PortWidth::Half,
            4 => PortWidth::Word,
            _ => return None,
        };
        let first = u16::try_from(first).ok()?;
        first.checked_add(width.bytes() - 1).map(|_| Self { first, width })
    }

    /// The first of them.
    #[must_use]
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The last of them.
    #[must_use]
    pub const fn last(self) -> u16 {
        self.first + (self.width.bytes() - 1)
    }

    /// How many bytes they are.
    #[must_use]
    pub const fn width(self) -> PortWidth {
        self.width
    }

    /// A word that they can hold.
    #[must_use]
    pub fn fitting(self, value: u64) -> Option<u32> {
        u32::try_from(value).ok().filter(|_| value >> (8 * self.width.bytes()) == 0)
    }
}
