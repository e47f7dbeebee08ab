//! Where decisions come from. Every mode of the simulator is the same loop with another source.

/// Decides.
pub trait Source {
    /// One of `n` possibilities, by index; `n` is at least one.
    fn choose(&mut self, n: u32) -> u32;
}

/// Decisions from a seed.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The decisions of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A word of it (SplitMix64).
    pub const fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }
}

impl Source for Random {
    #[inline]
    fn choose(&mut self, n: u32) -> u32 {
        (((self.word() >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// Decisions from a list. Behind its end, and where the list asks for what cannot be, the first possibility is taken.
#[derive(Clone, Debug)]
pub struct Replay {
    decisions: Vec<u32>,
    next: usize,
    strayed: bool,
}

impl Replay {
    /// The decisions of a list.
    #[must_use]
    pub const fn new(decisions: Vec<u32>) -> Self {
        Self { decisions, next: 0, strayed: false }
    }

    /// Whether the list asked for something that was not possible: it belongs to another world.
    #[must_use]
    pub const fn strayed(&self) -> bool {
        self.strayed
    }
}

impl Source for Replay {
    fn choose(&mut self, n: u32) -> u32 {
        let decision = self.decisions.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        self.strayed |= decision >= n;
        if decision < n { decision } else { 0 }
    }
}

/// Decisions from a fuzzer's bytes: one byte each, modulo what is possible; zeroes behind the end.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// The decisions in these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all have been used.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Source for Bytes<'_> {
    fn choose(&mut self, n: u32) -> u32 {
        let mut value = 0;
        let mut scale: u64 = 1;
        while scale < u64::from(n) {
            let Some((byte, rest)) = self.rest.split_first() else { break };
            value = value << 8 | u64::from(*byte);
            scale <<= 8;
            self.rest = rest;
        }
        (value % u64::from(n)) as u32
    }
}

/// Passes decisions on and keeps the bytes that would bring them about: the other way round than `Bytes`.
#[derive(Clone, Debug)]
pub struct Written<S> {
    inner: S,
    /// The decisions so far.
    pub bytes: Vec<u8>,
}

impl<S> Written<S> {
    /// Keeps what `inner` decides.
    pub const fn new(inner: S) -> Self {
        Self { inner, bytes: Vec::new() }
    }
}

impl<S: Source> Source for Written<S> {
    fn choose(&mut self, n: u32) -> u32 {
        let decision = self.inner.choose(n);
        let count = (0_usize..).find(|count| 1_u64 << (8 * count) >= u64::from(n)).unwrap_or(4);
        self.bytes.extend(&decision.to_be_bytes()[4 - count..]);
        decision
    }
}

/// Passes decisions on and keeps them.
#[derive(Clone, Debug)]
pub struct Recorded<S> {
    inner: S,
    /// What was decided so far.
    pub decisions: Vec<u32>,
}

impl<S> Recorded<S> {
    /// Keeps what `inner` decides.
    pub const fn new(inner: S) -> Self {
        Self { inner, decisions: Vec::new() }
    }

    /// The source that decides.
    pub const fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: Source> Source for Recorded<S> {
    fn choose(&mut self, n: u32) -> u32 {
        let decision = self.inner.choose(n);
        self.decisions.push(decision);
        decision
    }
}
