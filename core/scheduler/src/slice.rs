//! How long a turn is and how far a boost goes, by class.

use coldframe_abi::{Class, Nanos};

/// How long a thread of a class runs before its equals get the CPU; also the length of a group's turn.
#[must_use]
#[inline]
pub const fn slice_of(class: Class) -> Nanos {
    match class {
        Class::RealTime => Nanos::from_millis(4),
        Class::High => Nanos::from_millis(6),
        Class::Normal => Nanos::from_millis(10),
        Class::Idle => Nanos::from_millis(20),
    }
}

/// By how many priorities a thread that waits a lot is raised at most. It never leaves its class.
#[must_use]
#[inline]
pub const fn boost_limit(class: Class) -> u8 {
    match class {
        Class::RealTime | Class::Idle => 0,
        Class::High => 4,
        Class::Normal => 16,
    }
}

/// By how much one wait raises it.
pub(crate) const BOOST_STEP: u8 = 4;
