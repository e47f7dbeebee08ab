//! What the clock page says, and what time that makes it.

use crate::Instant;

/// How fast the machine's counter runs: what the clock page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterRate {
    /// How many nanoseconds a tick takes, times two to the power of `shift`.
    pub nanos: u64,
    /// See `nanos`; less than 64.
    pub shift: u32,
}

impl CounterRate {
    /// The moment at which the counter, that started at zero, shows `ticks`: the same that the kernel makes of it.
    #[must_use]
    #[inline]
    pub const fn instant(self, ticks: u64) -> Instant {
        // Twice as wide as the counter: nothing is lost however long the machine runs. A shift that is known to be of one word
        // takes two instructions, and any other nine.
        let product = ticks as u128 * self.nanos as u128;
        let shift = self.shift & 63;
        let too_long = (product >> 64) as u64 >> shift != 0;
        Instant(if too_long { u64::MAX } else { (product >> shift) as u64 })
    }
}

/// What the clock page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockPage {
    /// What the counter means.
    pub rate: CounterRate,
    /// What wall time it was at the moment zero, in nanoseconds since 1970 began; zero if nobody has said.
    pub wall_at_zero: u64,
}

impl ClockPage {
    /// As words.
    #[must_use]
    pub const fn to_words(self) -> [u64; 3] {
        [self.rate.nanos, self.rate.shift as u64, self.wall_at_zero]
    }

    /// From words.
    #[must_use]
    pub const fn from_words([nanos, shift, wall_at_zero]: [u64; 3]) -> Self {
        Self { rate: CounterRate { nanos, shift: shift as u32 }, wall_at_zero }
    }

    /// What wall time it is when the counter, that started at zero, shows `ticks`; `None` if nobody has said.
    #[must_use]
    pub const fn wall(self, ticks: u64) -> Option<Instant> {
        match self.wall_at_zero {
            0 => None,
            start => Some(Instant(start.saturating_add(self.rate.instant(ticks).0))),
        }
    }
}
