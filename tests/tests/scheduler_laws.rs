//! The scheduler against a naive one: lists and linear search, no turn, no bitmap, no ring.

use coldframe_abi::{Class, CpuId, Instant, Nanos, Priority};
use coldframe_scheduler::{NONE, Place, Wake};
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

    /// Whatever calls, replies and broken chains come: whoever serves runs on what a thread above it owns, an intact chain
    /// on what its first one owns, and at the end each has its own.
    #[test]
    fn contexts_come_back(steps in prop::collection::vec((0_u32..8, 0_u32..8, 0_u8..3), 1..60)) {
        let mut chains = Chains::new(8);
        for (thread, other, what) in steps {
            match what {
                0 => chains.call(thread, other),
                1 => chains.reply(thread),
                _ => chains.break_off(thread),
            }
            chains.check()?;
        }
        for thread in 0..8 {
            chains.break_off(thread);
        }
        chains.check()?;
        for row in chains.kit.scheduler().rows.iter() {
            prop_assert_eq!(row.context().holder(), row.runs_on());
        }
    }
}

/// Who waits for whose reply, and whether a chain has been intact since its first call.
struct Chains {
    kit: Kit,
    caller: Vec<u32>,
    server: Vec<u32>,
    broken: bool,
}

impl Chains {
    fn new(threads: u32) -> Self {
        let none = vec![NONE; threads as usize];
        Self { kit: Kit::new(1, threads), caller: none.clone(), server: none, broken: false }
    }

    fn call(&mut self, from: u32, to: u32) {
        let free = |thread: u32| self.server[thread as usize] == NONE;
        if from == to || !free(from) || !free(to) || self.caller[to as usize] != NONE {
            return;
        }
        self.kit.scheduler().lend(from, to, CPU);
        (self.server[from as usize], self.caller[to as usize]) = (to, from);
    }

    fn reply(&mut self, server: u32) {
        let caller = self.caller[server as usize];
        if caller == NONE || self.server[server as usize] != NONE {
            return;
        }
        let served = self.unlink(caller, server);
        self.kit.scheduler().give_back(server, caller, served, CPU);
    }

    fn break_off(&mut self, thread: u32) {
        let server = self.server[thread as usize];
        if server == NONE {
            return;
        }
        self.broken = true;
        let served = self.unlink(thread, server);
        while let Some((context, holder)) = self.kit.scheduler().lent_by(thread) {
            let kick = self.kit.scheduler().recall(context, self.caller[holder as usize], CPU);
            assert!(kick.is_none(), "nobody runs");
        }
        self.kit.scheduler().go_home(thread, served);
    }

    fn unlink(&mut self, caller: u32, server: u32) -> u32 {
        (self.server[caller as usize], self.caller[server as usize]) = (NONE, NONE);
        self.caller[caller as usize]
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let scheduler = self.kit.scheduler();
        for (thread, row) in (0..).zip(scheduler.rows.iter()) {
            if self.server[thread as usize] != NONE {
                continue;
            }
            prop_assert_eq!(row.context().holder(), thread, "nobody has what is not lent");
            let on = row.runs_on();
            prop_assert_eq!(scheduler.rows[on as usize].context().holder(), thread);
            let (mut above, mut first) = (vec![], thread);
            while self.caller[first as usize] != NONE {
                first = self.caller[first as usize];
                above.push(first);
            }
            prop_assert_eq!(above.is_empty(), on == thread, "whoever serves has borrowed");
            prop_assert!(
                on == thread || above.contains(&on),
                "{thread} runs on {on}, which does not wait for it"
            );
            prop_assert!(self.broken || on == first, "what is handed on is what the first one owns");
        }
        Ok(())
    }
}
