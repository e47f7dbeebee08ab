//! Sets of CPUs.

use coldframe_abi::CpuId;

/// How many CPUs one kernel can serve by type.
pub const MAX_CPUS: usize = 256;

const BANKS: usize = MAX_CPUS / 64;

/// A set of CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CpuSet([u64; BANKS]);

impl CpuSet {
    /// No CPU.
    pub const EMPTY: Self = Self([0; BANKS]);
    /// Every CPU there can be.
    pub const ALL: Self = Self([u64::MAX; BANKS]);

    /// The CPUs 0 to `count` - 1.
    #[must_use]
    pub fn first(count: u16) -> Self {
        let mut set = Self::EMPTY;
        for cpu in 0..count {
            set.insert(CpuId(cpu));
        }
        set
    }

    /// This set with 64 of its members given as bits; `None` if there is no such bank.
    #[must_use]
    pub fn with_bank(mut self, bank: u64, bits: u64) -> Option<Self> {
        *self.0.get_mut(usize::try_from(bank).ok()?)? = bits;
        Some(self)
    }

    /// Adds a CPU.
    #[inline]
    pub fn insert(&mut self, cpu: CpuId) {
        self.0[usize::from(cpu.0) / 64] |= 1 << (cpu.0 % 64);
    }

    /// Takes a CPU out.
    #[inline]
    pub fn remove(&mut self, cpu: CpuId) {
        self.0[usize::from(cpu.0) / 64] &= !(1 << (cpu.0 % 64));
    }

    /// Whether the CPU is a member; one that cannot exist is not.
    #[must_use]
    #[inline]
    pub fn contains(&self, cpu: CpuId) -> bool {
        self.0.get(usize::from(cpu.0) / 64).is_some_and(|bank| bank >> (cpu.0 % 64) & 1 == 1)
    }

    /// The members that both have.
    #[must_use]
    #[inline]
    pub fn and(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|bank| self.0[bank] & other.0[bank]))
    }

    /// The members that the other does not have.
    #[must_use]
    #[inline]
    pub fn without(&self, other: &Self) -> Self {
        Self(core::array::from_fn(|bank| self.0[bank] & !other.0[bank]))
    }

    /// Whether there is no member.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        // Not a comparison of arrays: bare targets call a function of the library for that, byte by byte.
        self.0.iter().fold(0, |all, bank| all | bank) == 0
    }

    /// Whether this CPU is the only member.
    #[must_use]
    #[inline]
    pub fn is_only(&self, cpu: CpuId) -> bool {
        let mut others = *self;
        others.remove(cpu);
        self.contains(cpu) && others.is_empty()
    }

    /// Whether every CPU is a member that there can be.
    #[must_use]
    #[inline]
    pub fn is_all(&self) -> bool {
        self.0.iter().fold(u64::MAX, |all, bank| all & bank) == u64::MAX
    }

    /// The member with the lowest number.
    #[must_use]
    #[inline]
    pub fn lowest(&self) -> Option<CpuId> {
        let bank = self.0.iter().position(|bank| *bank != 0)?;
        Some(CpuId(bank as u16 * 64 + self.0[bank].trailing_zeros() as u16))
    }

    /// The members, by rising number.
    #[must_use]
    pub const fn iter(&self) -> Members {
        Members(*self)
    }
}

/// The members of a set that have not been named yet.
#[derive(Clone, Debug)]
pub struct Members(CpuSet);

impl Iterator for Members {
    type Item = CpuId;

    fn next(&mut self) -> Option<CpuId> {
        let cpu = self.0.lowest()?;
        self.0.remove(cpu);
        Some(cpu)
    }
}
