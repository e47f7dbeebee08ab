//! The timer wheels against a sorted set.

use std::collections::BTreeMap;

use coldframe_abi::{Class, CpuId, Instant};
use coldframe_scheduler::timer::STEPS_PER_ENTRY;
use proptest::prelude::*;
use sim::kit::Kit;

const CPU: CpuId = CpuId(0);
const THREADS: u32 = 12;

#[derive(Clone, Debug)]
enum Op {
    Arm { thread: u32, class: Class, after: u64 },
    Cancel(u32),
    Pass(u64),
}

fn span() -> impl Strategy<Value = u64> {
    // Every digit of the wheel, and the equal ones that collide.
    prop_oneof![0_u64..70, 60_u64..5_000, (0_u32..62).prop_map(|bit| 1 << bit), Just(4_096)]
}

fn op() -> impl Strategy<Value = Op> {
    let class = prop::sample::select(Class::ALL.to_vec());
    prop_oneof![
        4 => (0..THREADS, class, span()).prop_map(|(thread, class, after)| Op::Arm { thread, class, after }),
        1 => (0..THREADS).prop_map(Op::Cancel),
        3 => span().prop_map(Op::Pass),
    ]
}

proptest! {
    #[test]
    fn every_timer_fires_once_and_in_time(ops in prop::collection::vec(op(), 1..120)) {
        let mut kit = Kit::new(1, THREADS);
        let mut armed: BTreeMap<u32, u64> = BTreeMap::new();
        let mut now: u64 = 5;
        for op in ops {
            match op {
                Op::Arm { thread, class, after } if !armed.contains_key(&thread) => {
                    let deadline = now.saturating_add(after);
                    kit.timers().arm(thread, CPU, class, Instant(deadline), Instant(now));
                    armed.insert(thread, deadline);
                }
                Op::Cancel(thread) => {
                    kit.timers().cancel(thread);
                    armed.remove(&thread);
                }
                Op::Pass(span) => {
                    now = now.saturating_add(span);
                    // As the kernel does: some steps at a time, until nothing is due any more.
                    while kit.timers().next(CPU).is_some_and(|next| next.0 <= now) {
                        let mut steps = STEPS_PER_ENTRY;
                        while let Some(thread) = kit.timers().expire(CPU, Instant(now), &mut steps) {
                            let deadline = armed.remove(&thread);
                            prop_assert!(deadline.is_some_and(|deadline| deadline <= now), "{thread} {deadline:?} {now}");
                        }
                    }
                    prop_assert!(armed.values().all(|deadline| *deadline > now), "{armed:?} at {now}");
                }
                Op::Arm { .. } => {}
            }
            let next = kit.timers().next(CPU).map(|next| next.0);
            let first = armed.values().min().copied();
            prop_assert_eq!(next.is_some(), first.is_some());
            prop_assert!(next <= first, "the queue says {next:?}, the first is {first:?}");
        }
    }

    /// Without a cancelled timer the next event is known to the nanosecond: an idle machine wakes for nothing.
    #[test]
    fn the_next_deadline_is_exact(spans in prop::collection::vec(span(), 1..12)) {
        let mut kit = Kit::new(1, THREADS);
        for (thread, span) in (0..).zip(&spans) {
            kit.timers().arm(thread, CPU, Class::Normal, Instant(1_000 + span), Instant(1_000));
        }
        let first = spans.iter().min().map(|span| Instant(1_000 + span));
        prop_assert_eq!(kit.timers().next(CPU), first);
    }
}

#[test]
fn a_hundred_thousand_equal_deadlines_delay_no_higher_class() {
    let mut kit = Kit::new(1, 100_001);
    for thread in 0..100_000 {
        kit.timers().arm(thread, CPU, Class::Normal, Instant(5_000_000), Instant(0));
    }
    kit.timers().arm(100_000, CPU, Class::High, Instant(5_000_000), Instant(0));
    let mut steps = STEPS_PER_ENTRY;
    let first = kit.timers().expire(CPU, Instant(5_000_000), &mut steps);
    assert_eq!(first, Some(100_000), "the higher class comes first, in the first entry");
    let mut fired = 0;
    let mut entries = 0;
    while kit.timers().next(CPU).is_some() {
        entries += 1;
        steps = STEPS_PER_ENTRY;
        while kit.timers().expire(CPU, Instant(5_000_000), &mut steps).is_some() {
            fired += 1;
        }
    }
    assert_eq!(fired, 100_000);
    // Some are moved to a finer digit before they fire; none is touched more often than there are digits.
    assert!(entries < 100_000 * 11 / STEPS_PER_ENTRY, "{entries} entries");
}
