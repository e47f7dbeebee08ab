//! What has been found out once and holds until somebody says otherwise. It spares whoever knows it from looking again and
//! decides nothing: states that differ in it only have the same future, and are equal.

use core::hash::{Hash, Hasher};

use coldframe_abi::CpuId;

/// Whether something is known to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint(bool);

impl Hint {
    /// It is known to hold.
    pub(crate) const HOLDS: Self = Self(true);
    /// Whether it holds has to be looked at.
    pub(crate) const UNKNOWN: Self = Self(false);

    /// Whether it is known to hold.
    #[inline(always)]
    pub(crate) const fn holds(self) -> bool {
        self.0
    }
}

/// A number for each change of who may run, is due, or waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change(pub(crate) u64);

/// On which CPUs a thread that waits is known to go on at once (KRN-47).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rest(u16);

impl Rest {
    /// That has to be looked at.
    pub(crate) const UNKNOWN: Self = Self(0);
    const EVERYWHERE: u16 = u16::MAX;

    /// On this one, and on all others if it is bound to none.
    #[inline(always)]
    pub(crate) const fn on(cpu: CpuId, unbound: bool) -> Self {
        Self(if unbound { Self::EVERYWHERE } else { cpu.0 + 1 })
    }

    /// Whether it is known to go on at once on this one.
    #[inline(always)]
    pub(crate) const fn holds_on(self, cpu: CpuId) -> bool {
        self.0 == Self::EVERYWHERE || self.0 == cpu.0 + 1
    }

    /// The only one, if it is not known of all.
    pub(crate) const fn only_on(self) -> Option<CpuId> {
        if self.0 == Self::EVERYWHERE || self.0 == 0 { None } else { Some(CpuId(self.0 - 1)) }
    }

    pub(crate) const fn is_known(self) -> bool {
        self.0 != 0
    }
}

macro_rules! decides_nothing {
    ($hint:ty) => {
        impl PartialEq for $hint {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }

        impl Eq for $hint {}

        impl Hash for $hint {
            fn hash<H: Hasher>(&self, _: &mut H) {}
        }
    };
}

decides_nothing!(Hint);
decides_nothing!(Change);
decides_nothing!(Rest);
