//! The search for free addresses against a set of pages.

use std::collections::BTreeSet;

use coldframe_abi::{UserAddress, UserRange};
use coldframe_services::{Addresses, NoRoom};
use proptest::prelude::*;

const PAGE: u64 = 4_096;
/// A window of few pages, not at a multiple of anything large, so that everything meets.
const FIRST: u64 = 5;
const COUNT: u64 = 24;
const PIECES: usize = 4;

fn bytes(first: u64, count: u64) -> UserRange {
    UserRange { start: UserAddress(first * PAGE), length: count * PAGE }
}

/// How many pieces pages lie in that do not touch.
fn pieces(taken: &BTreeSet<u64>) -> usize {
    taken.iter().filter(|page| !taken.contains(&(*page - 1))).count()
}

#[derive(Clone, Debug)]
enum Op {
    Take { count: u64, alignment: u64 },
    Mark { first: u64, count: u64 },
    GiveBack { first: u64, count: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let place = || (FIRST - 2..FIRST + COUNT + 2, 0_u64..9);
    prop_oneof![
        3 => (0_u64..9, 0_u32..4).prop_map(|(count, power)| Op::Take { count, alignment: 1 << power }),
        1 => place().prop_map(|(first, count)| Op::Mark { first, count }),
        3 => place().prop_map(|(first, count)| Op::GiveBack { first, count }),
    ]
}

/// The pages of the window that a range has.
fn inside(first: u64, count: u64) -> BTreeSet<u64> {
    (first..first + count).filter(|page| (FIRST..FIRST + COUNT).contains(page)).collect()
}

/// What has to come of it; the pages are changed only if nothing is refused.
fn expected(taken: &mut BTreeSet<u64>, op: &Op) -> Result<Option<u64>, NoRoom> {
    let (after, found) = match *op {
        Op::Take { count, alignment } => {
            let fits = |first: &u64| {
                first.is_multiple_of(alignment)
                    && first + count <= FIRST + COUNT
                    && (*first..first + count).all(|page| !taken.contains(&page))
            };
            let first = (FIRST..FIRST + COUNT).filter(|_| count > 0).find(fits).ok_or(NoRoom::NoGap)?;
            (taken.union(&inside(first, count)).copied().collect(), Some(first))
        }
        Op::Mark { first, count } => (taken.union(&inside(first, count)).copied().collect(), None),
        Op::GiveBack { first, count } => {
            let pages = inside(first, count);
            if pages.is_empty() || !pages.is_subset(taken) {
                return Err(NoRoom::NotTaken);
            }
            (taken.difference(&pages).copied().collect(), None)
        }
    };
    if pieces(&after) > PIECES {
        return Err(NoRoom::TooManyPieces);
    }
    *taken = after;
    Ok(found)
}

proptest! {
    #[test]
    fn a_search_finds_the_first_gap(ops in prop::collection::vec(op(), 1..60)) {
        let mut addresses = Addresses::<PIECES>::new(bytes(FIRST, COUNT));
        let mut taken = BTreeSet::new();
        for op in ops {
            let found = match op {
                Op::Take { count, alignment } => {
                    let found = addresses.take(count * PAGE, alignment * PAGE);
                    found.map(|range| Some((range.start.0 / PAGE, range.length / PAGE)))
                }
                Op::Mark { first, count } => addresses.mark(bytes(first, count)).map(|()| None),
                Op::GiveBack { first, count } => addresses.give_back(bytes(first, count)).map(|()| None),
            };
            let count = if let Op::Take { count, .. } = op { count } else { 0 };
            let expected = expected(&mut taken, &op).map(|first| first.map(|first| (first, count)));
            prop_assert_eq!(found, expected, "{:?} where {:?} are taken", op, taken);
        }
    }

    #[test]
    fn no_numbers_do_harm(start: u64, length: u64, wanted: u64, alignment: u64, other: u64) {
        let window = UserRange { start: UserAddress(start), length };
        let mut addresses = Addresses::<PIECES>::new(window);
        if let Ok(range) = addresses.take(wanted, alignment) {
            prop_assert!(start <= range.start.0 && range.length >= wanted);
            prop_assert!(range.start.0.checked_add(range.length).is_some_and(|end| end <= start.saturating_add(length)));
            prop_assert!(range.start.0.is_multiple_of(PAGE.max(alignment)));
            prop_assert_eq!(addresses.give_back(range), Ok(()));
        }
        let anywhere = UserRange { start: UserAddress(other), length: wanted };
        let _ = addresses.mark(anywhere);
        let _ = addresses.give_back(anywhere);
    }
}

#[test]
fn bytes_are_rounded_to_pages() {
    let odd = UserRange { start: UserAddress(FIRST * PAGE + 1), length: 4 * PAGE };
    let mut addresses = Addresses::<PIECES>::new(odd);
    // Three whole pages lie between the odd ends.
    assert_eq!(addresses.take(1, 1), Ok(bytes(FIRST + 1, 1)));
    assert_eq!(addresses.take(PAGE + 1, 8), Ok(bytes(FIRST + 2, 2)));
    assert_eq!(addresses.take(1, 1), Err(NoRoom::NoGap));
    assert_eq!(addresses.take(1, 3), Err(NoRoom::NoGap));
    assert_eq!(addresses.take(u64::MAX, 1), Err(NoRoom::NoGap));
}
