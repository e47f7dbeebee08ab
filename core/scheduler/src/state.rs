//! What all CPUs share: who is on-line, how urgent each is, and where threads of a class wait.

use coldframe_hal::CpuSet;

/// How wide a count in `State::urgency_counts` is: `MAX_CPUS` fits.
pub(crate) const COUNT_BITS: u32 = 12;

/// What all CPUs share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The CPUs that take part.
    pub(crate) online: CpuSet,
    /// CPUs by the class of their most urgent thread: `[0]` those that have none, `[1 + class]` the others.
    pub(crate) by_urgency: [CpuSet; 5],
    /// CPUs on which threads of a class are queued.
    pub(crate) waiting: [CpuSet; 4],
    /// How many on-line CPUs there are of each urgency: `COUNT_BITS` bits each, `by_urgency[0]` the lowest.
    pub(crate) urgency_counts: u64,
    /// The classes of which a thread is queued somewhere, a bit each.
    pub(crate) waiting_classes: u8,
    /// How many rows have been admitted.
    pub(crate) buckets: u32,
    /// How many threads are in somebody's hands.
    pub(crate) loose: u32,
    /// Makes the places of turns in the hash table unguessable.
    pub(crate) hash_seed: u64,
}

impl State {
    /// The state of a machine with this many CPUs, all off-line.
    #[must_use]
    pub fn new(cpus: u16, hash_seed: u64) -> Self {
        let mut state = Self { hash_seed, ..Self::default() };
        state.by_urgency[0] = CpuSet::first(cpus);
        state
    }

    /// The CPUs that take part.
    #[must_use]
    pub const fn online(&self) -> CpuSet {
        self.online
    }

    /// CPUs on which threads of a class are queued, by class.
    #[must_use]
    pub const fn waiting(&self) -> &[CpuSet; 4] {
        &self.waiting
    }

    /// CPUs that have no thread at all.
    #[must_use]
    pub const fn idle(&self) -> CpuSet {
        self.by_urgency[0]
    }

    /// How many threads are in somebody's hands: none, when the kernel is left (SCH-1).
    #[must_use]
    pub const fn loose(&self) -> u32 {
        self.loose
    }

    /// How many rows have been admitted.
    #[must_use]
    pub const fn admitted(&self) -> u32 {
        self.buckets
    }

    /// Whether a thread of a class is queued on some CPU.
    #[inline]
    pub(crate) const fn is_waiting_above(&self, class: usize) -> bool {
        self.waiting_classes as usize >> (class + 1) != 0
    }

    /// Whether some on-line CPU has nothing to do, or nothing of this class or above.
    #[inline]
    pub(crate) const fn is_less_urgent_cpu(&self, class: usize) -> bool {
        self.urgency_counts & ((1 << (COUNT_BITS * (class as u32 + 1))) - 1) != 0
    }
}
