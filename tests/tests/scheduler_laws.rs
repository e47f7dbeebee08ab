//! The scheduler against a naive one: lists and linear search, no turn, no bitmap, no ring.

use coldframe_abi::{Class, CpuId, Instant, Nanos, Priority};
use coldframe_scheduler::{Place, Wake};
use proptest::prelude::*;
use sim::kit::Kit;

const CPU: CpuId = CpuId(0);
const NOW: Instant = Instant(1_000);

#[derive(Clone, Debug)]
enum Op {
    Wake(u32),
    Block,
    Yield,
    Hold(u32),
    Level(u32, Class, u8),
}

fn op(threads: u32) -> impl Strategy<Value = Op> {
    let class = prop::sample::select(Class::ALL.to_vec());
    let priority = prop::sample::select(vec![0_u8, 1, 127, 128, 255]);
    prop_oneof![
        4 => (0..threads).prop_map(Op::Wake),
        2 => Just(Op::Block),
        3 => Just(Op::Yield),
        1 => (0..threads).prop_map(Op::Hold),
        2 => (0..threads, class, priority).prop_map(|(thread, class, priority)| Op::Level(thread, class, priority)),
    ]
}

/// One CPU, one group, no time: whoever is first in the list of the highest level runs.
struct Naive {
    levels: Vec<(Class, u8)>,
    queue: Vec<u32>,
    current: Option<u32>,
}

impl Naive {
    fn level(&self, thread: u32) -> (Class, u8) {
        self.levels[thread as usize]
    }

    fn settle(&mut self) {
        if let Some(current) = self.current {
            let better = self.queue.iter().any(|other| self.level(*other) > self.level(current));
            if better {
                self.queue.insert(0, current);
                self.current = None;
            }
        }
        if self.current.is_none() {
            let best = self.queue.iter().map(|thread| self.level(*thread)).max();
            let at = self.queue.iter().position(|thread| Some(self.level(*thread)) == best);
            self.current = at.map(|at| self.queue.remove(at));
        }
    }
}

proptest! {
    #[test]
    fn one_cpu_runs_whom_a_naive_scheduler_would_run(ops in prop::collection::vec(op(7), 1..200)) {
        let mut kit = Kit::new(1, 7);
        let mut naive = Naive { levels: vec![(Class::Normal, 128); 7], queue: vec![], current: None };
        for op in ops {
            let place = |kit: &mut Kit, thread: u32| kit.scheduler().rows[thread as usize].place();
            match op {
                Op::Wake(thread) if place(&mut kit, thread) == Place::Held => {
                    let loose = kit.scheduler().take(thread);
                    prop_assert!(kit.scheduler().place(loose, Wake::Start, CPU).is_none());
                    naive.queue.push(thread);
                }
                Op::Hold(thread) if place(&mut kit, thread) == Place::Queued => {
                    let loose = kit.scheduler().take(thread);
                    kit.scheduler().hold(loose);
                    naive.queue.retain(|other| *other != thread);
                }
                Op::Block if naive.current.is_some() => {
                    let loose = kit.scheduler().stop(CPU, NOW);
                    prop_assert_eq!(Some(loose.thread()), naive.current.take());
                    kit.scheduler().hold(loose);
                }
                Op::Yield if naive.current.is_some() => {
                    kit.scheduler().yield_now(CPU);
                    naive.queue.extend(naive.current.take());
                }
                Op::Level(thread, class, priority) => {
                    let kick = kit.scheduler().change(thread, CPU, NOW, |context, _| {
                        context.set_class(class);
                        context.set_priority(Priority(priority));
                    });
                    prop_assert!(kick.is_none());
                    naive.levels[thread as usize] = (class, priority);
                    if let Some(at) = naive.queue.iter().position(|other| *other == thread) {
                        let thread = naive.queue.remove(at);
                        naive.queue.push(thread);
                    }
                }
                _ => {}
            }
            let (settled, kicks) = kit.scheduler().settle(CPU, NOW);
            prop_assert!(kicks.is_empty());
            naive.settle();
            prop_assert_eq!(settled.current, naive.current);
            let queued = kit.scheduler().cpus[0].queued();
            prop_assert_eq!(queued as usize, naive.queue.len());
        }
    }

    /// Threads of one level that only compute get the same time, whatever their number and their groups' sizes.
    #[test]
    fn groups_of_any_size_share_evenly(sizes in prop::collection::vec(1_u32..9, 2..5), step in 1_u64..9) {
        let threads: u32 = sizes.iter().sum();
        let mut kit = Kit::new(1, threads);
        let mut thread = 0;
        for (group, size) in (1..).zip(&sizes) {
            for _ in 0..*size {
                let kick = kit.scheduler().change(thread, CPU, NOW, |context, _| context.set_group(group));
                prop_assert!(kick.is_none());
                let loose = kit.scheduler().take(thread);
                prop_assert!(kit.scheduler().place(loose, Wake::Start, CPU).is_none());
                thread += 1;
            }
        }
        let mut now = NOW;
        for _ in 0..2_000 {
            now = now.after(Nanos::from_millis(step));
            let _ = kit.scheduler().settle(CPU, now);
        }
        kit.scheduler().charge(CPU, now);
        let mut had = vec![0_u64; sizes.len() + 1];
        for row in kit.scheduler().rows.iter() {
            had[row.context().group() as usize] += row.run_time().0;
        }
        let (least, most) = (had[1..].iter().min().copied().unwrap_or(0), had[1..].iter().max().copied().unwrap_or(0));
        // A turn ends when the kernel is entered, here every `step` milliseconds.
        prop_assert!(most - least <= Nanos::from_millis(2 * (10 + step)).0, "{had:?}");
    }

    /// A lent context comes back exactly once, however long the chain and wherever it breaks.
    #[test]
    fn contexts_come_back(chain in 2_u32..7, breaks in prop::option::of(0_u32..7)) {
        let mut kit = Kit::new(1, 8);
        let mut scheduler = kit.scheduler();
        for link in 0..chain {
            scheduler.lend(link, link + 1);
        }
        prop_assert_eq!(scheduler.rows[chain as usize].runs_on(), 0);
        prop_assert_eq!(scheduler.rows[0].context().holder(), chain);
        if breaks.is_some() {
            prop_assert_eq!(scheduler.recall(0, chain), Some(chain));
            prop_assert_eq!(scheduler.recall(0, chain), None);
        }
        for link in (0..chain).rev() {
            scheduler.give_back(link + 1, link);
        }
        for thread in 0..8 {
            prop_assert_eq!(scheduler.rows[thread as usize].runs_on(), thread);
            prop_assert_eq!(scheduler.rows[thread as usize].context().holder(), thread);
        }
    }
}
