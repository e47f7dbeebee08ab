//! Wait queues against sorted lists.

use std::cmp::Reverse;

use coldframe_ipc::{LONGEST_PATH, NONE, Queue, Rank, Waiter, Waiters};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Move {
    Enter { thread: usize, place: u64, level: usize },
    Leave { thread: usize },
    FirstAt { place: u64 },
    FirstWithin { start: u64, length: u64 },
}

/// Few places that differ in their highest and in their lowest bits, and some that lie anywhere.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..6, (0_u64..4).prop_map(|high| high << 62 | 1), any::<u64>()]
}

fn level() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0_usize), Just(1_023), 380_usize..384, 0_usize..1_024]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_usize..24, place(), level()).prop_map(|(thread, place, level)| Move::Enter { thread, place, level }),
        3 => (0_usize..24).prop_map(|thread| Move::Leave { thread }),
        1 => place().prop_map(|place| Move::FirstAt { place }),
        1 => (place(), 0_u64..8).prop_map(|(start, length)| Move::FirstWithin { start, length }),
    ];
    prop::collection::vec(one, 1..120)
}

/// A list in the order in which they are served: place, urgency, and who came first.
type Sorted = Vec<(u64, Reverse<usize>, usize, u32)>;

fn nodes_below(rows: &[Waiter], node: u32, depth: u32, seen: &mut Vec<u32>) {
    assert!(depth <= LONGEST_PATH, "a path is longer than a key");
    seen.push(node);
    let mut next = rows[node as usize].next();
    while next != node {
        seen.push(next);
        next = rows[next as usize].next();
    }
    for below in rows[node as usize].below() {
        if below != NONE {
            nodes_below(rows, below, depth + 1, seen);
        }
    }
}

proptest! {
    #[test]
    fn queues_are_sorted_lists(moves in moves()) {
        let mut rows = vec![Waiter::default(); 24];
        let mut queue = Queue::default();
        let mut list = Sorted::new();
        for (time, step) in moves.into_iter().enumerate() {
            let mut waiters = Waiters { rows: &mut rows };
            match step {
                Move::Enter { thread, place, level } => {
                    if list.iter().all(|(.., other)| *other as usize != thread) {
                        waiters.enter(&mut queue, thread as u32, place, Rank::of_level(level));
                        list.push((place, Reverse(level), time, thread as u32));
                        list.sort_unstable();
                    }
                }
                Move::Leave { thread } => {
                    if let Some(at) = list.iter().position(|(.., other)| *other as usize == thread) {
                        waiters.leave(&mut queue, thread as u32);
                        list.remove(at);
                    }
                }
                Move::FirstAt { place } => {
                    let first = list.iter().find(|(at, ..)| *at == place).map(|(.., thread)| *thread);
                    prop_assert_eq!(waiters.first_at(&queue, place), first);
                }
                Move::FirstWithin { start, length } => {
                    let end = start.saturating_add(length);
                    let first = list.iter().find(|(at, ..)| (start..end).contains(at)).map(|(.., thread)| *thread);
                    prop_assert_eq!(waiters.first_within(&queue, start, end), first);
                }
            }
            let first = Waiters { rows: &mut rows }.first_within(&queue, 0, u64::MAX);
            let expected = list.iter().find(|(at, ..)| *at < u64::MAX).map(|(.., thread)| *thread);
            prop_assert_eq!(first, expected);
            let mut seen = Vec::new();
            if let Some(root) = queue.root() {
                nodes_below(&rows, root, 0, &mut seen);
            }
            seen.sort_unstable();
            let mut there: Vec<_> = list.iter().map(|(.., thread)| *thread).collect();
            there.sort_unstable();
            prop_assert_eq!(seen, there);
        }
        while let Some(first) = list.first().copied() {
            let mut waiters = Waiters { rows: &mut rows };
            prop_assert_eq!(waiters.first_at(&queue, first.0), Some(first.3));
            waiters.leave(&mut queue, first.3);
            list.remove(0);
        }
        prop_assert!(queue.is_empty());
        prop_assert!(rows.iter().all(|row| row.key().is_none()));
    }

    #[test]
    fn a_capability_lists_who_waits_by_it(moves in prop::collection::vec((any::<bool>(), 0_u32..12), 1..60)) {
        let mut rows = vec![Waiter::default(); 12];
        let mut first = NONE;
        let mut list: Vec<u32> = Vec::new();
        for (begins, thread) in moves {
            let mut waiters = Waiters { rows: &mut rows };
            let known = list.iter().position(|other| *other == thread);
            match (begins, known) {
                (true, None) => {
                    waiters.begin_use(&mut first, thread, 7);
                    list.insert(0, thread);
                }
                (false, Some(at)) => {
                    waiters.end_use(&mut first, thread);
                    list.remove(at);
                }
                _ => {}
            }
            let mut found = Vec::new();
            let mut at = (first != NONE).then_some(first);
            while let Some(thread) = at {
                found.push(thread);
                at = rows[thread as usize].next_user();
            }
            prop_assert_eq!(&found, &list);
        }
    }
}
