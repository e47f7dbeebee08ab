//! From a counter's ticks to nanoseconds, without overflow for longer than any machine runs.

use coldframe_abi::{CounterRate, Instant, Nanos};

/// A counter cannot run at this frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrequency(pub u64);

/// How fast a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRate {
    hertz: u64,
    /// How many nanoseconds a tick takes, times two to the power of `shift`, rounded up: no division at each look.
    nanos: u64,
    shift: u32,
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

impl TickRate {
    /// The rate of a counter; between 1 kHz and 1 THz.
    ///
    /// # Errors
    /// `BadFrequency` for any other: firmware is wrong or was misread.
    pub const fn new(hertz: u64) -> Result<Self, BadFrequency> {
        if hertz < 1_000 || hertz > 1_000_000_000_000 {
            return Err(BadFrequency(hertz));
        }
        // As many digits as a word holds, and a shift inside of one: over a hundred years that is less than a nanosecond at 1 GHz,
        // and less than three at 10.
        let mut shift = 64 - 20;
        while shift < 63 && (NANOS_PER_SECOND << (shift + 1)).div_ceil(hertz as u128) <= u64::MAX as u128 {
            shift += 1;
        }
        Ok(Self { hertz, nanos: (NANOS_PER_SECOND << shift).div_ceil(hertz as u128) as u64, shift })
    }

    /// The rate as three words, for a place that many CPUs read.
    #[must_use]
    pub const fn to_words(self) -> [u64; 3] {
        [self.hertz, self.nanos, self.shift as u64]
    }

    /// The rate that was taken apart.
    #[must_use]
    pub const fn from_words([hertz, nanos, shift]: [u64; 3]) -> Self {
        Self { hertz, nanos, shift: shift as u32 }
    }

    /// What programs need of it to tell the time.
    #[must_use]
    pub const fn for_programs(self) -> CounterRate {
        CounterRate { nanos: self.nanos, shift: self.shift }
    }

    /// The moment at which the counter, that started at zero, shows `ticks`.
    #[must_use]
    pub fn instant(self, ticks: u64) -> Instant {
        self.for_programs().instant(ticks)
    }

    /// What the counter shows once a moment is reached: never too early.
    #[must_use]
    pub fn ticks_at(self, moment: Instant) -> u64 {
        const SECOND: u64 = NANOS_PER_SECOND as u64;
        let (seconds, rest) = (moment.0 / SECOND, moment.0 % SECOND);
        let part = match rest.checked_mul(self.hertz) {
            Some(product) => product.div_ceil(SECOND),
            // What no word holds is divided by a function of the library: only counters of more than 18 GHz.
            None => (u128::from(rest) * u128::from(self.hertz)).div_ceil(NANOS_PER_SECOND) as u64,
        };
        seconds.saturating_mul(self.hertz).saturating_add(part)
    }

    /// How many ticks pass in a span: never too few.
    #[must_use]
    pub fn ticks_in(self, span: Nanos) -> u64 {
        self.ticks_at(Instant(span.0))
    }
}
