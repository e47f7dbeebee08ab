//! The scheduler's tables without a kernel around them, for laws and benches.

use coldframe_abi::{Class, CpuId, Instant, Priority};
use coldframe_hal::CpuSet;
use coldframe_scheduler::timer::{Timer, Timers, Wheel};
use coldframe_scheduler::{Context, CpuQueue, LEVELS, NONE, Row, Scheduler, State, Turn, Wake};

/// The tables of a scheduler.
#[derive(Clone, Debug)]
pub struct Kit {
    rows: Vec<Row>,
    turns: Vec<Turn>,
    heads: Vec<u32>,
    cpus: Vec<CpuQueue>,
    state: State,
    timers: Vec<Timer>,
    wheels: Vec<Wheel>,
}

impl Kit {
    /// Tables for this many CPUs, all on-line, and this many threads, all held, of one group at one level.
    #[must_use]
    pub fn new(cpus: u16, threads: u32) -> Self {
        Self::with_groups(cpus, threads, 1)
    }

    /// The same with the threads spread over groups.
    fn with_groups(cpus: u16, threads: u32, groups: u32) -> Self {
        let mut kit = Self {
            rows: vec![Row::default(); threads as usize],
            turns: vec![Turn::default(); threads as usize],
            heads: vec![NONE; usize::from(cpus) * LEVELS],
            cpus: vec![CpuQueue::default(); usize::from(cpus)],
            state: State::new(cpus, 0),
            timers: vec![Timer::default(); threads as usize],
            wheels: vec![Wheel::default(); usize::from(cpus) * 4],
        };
        for cpu in 0..cpus {
            let kick = kit.scheduler().set_online(CpuId(cpu), CpuId(cpu));
            assert!(kick.is_none(), "nobody is kicked for itself");
        }
        for thread in 0..threads {
            kit.scheduler().admit(thread);
            let context = Context::new(Class::Normal, Priority(128), thread % groups);
            kit.scheduler().create(thread, context, CpuSet::ALL, CpuId(0));
        }
        kit
    }

    /// All threads runnable on one CPU, one of them running.
    #[must_use]
    pub fn busy(threads: u32) -> Self {
        Self::busy_in_groups(threads, 1)
    }

    /// The same with the threads spread over groups.
    #[must_use]
    pub fn busy_in_groups(threads: u32, groups: u32) -> Self {
        let cpu = CpuId(0);
        let mut kit = Self::with_groups(1, threads, groups);
        for thread in 0..threads {
            let loose = kit.scheduler().take(thread);
            let kick = kit.scheduler().place(loose, Wake::Start, cpu);
            assert!(kick.is_none(), "the only CPU is not kicked");
        }
        let _ = kit.scheduler().settle(cpu, Instant(1_000));
        kit
    }

    /// The scheduler.
    pub fn scheduler(&mut self) -> Scheduler<'_> {
        Scheduler {
            rows: &mut self.rows,
            turns: &mut self.turns,
            heads: &mut self.heads,
            cpus: &mut self.cpus,
            state: &mut self.state,
        }
    }

    /// The timers.
    pub fn timers(&mut self) -> Timers<'_> {
        Timers { timers: &mut self.timers, wheels: &mut self.wheels }
    }
}
