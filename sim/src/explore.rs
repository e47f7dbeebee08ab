//! Exploration: many runs from many seeds, on as many host threads as there are cores, until one fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::file::{KERNEL, RunFile};
use crate::oracle::Violation;
use crate::run::{Options, Outcome, Subject, run};
use crate::source::{Random, Recorded, Replay};

/// What to explore.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The subjects, taken in turn.
    pub subjects: Vec<Subject>,
    /// The first seed.
    pub first_seed: u64,
    /// Behind the last seed, if there is an end.
    pub end_seed: Option<u64>,
    /// When to stop.
    pub time: Option<Duration>,
    /// How many host threads.
    pub jobs: usize,
    /// How to run.
    pub options: Options,
    /// One run in so many is done twice and compared.
    pub twice_every: u64,
}

/// How far an exploration has come.
#[derive(Debug, Default)]
pub struct Counts {
    /// Runs that ended.
    pub runs: AtomicU64,
    /// Kernel entries in them.
    pub entries: AtomicU64,
    /// Runs that were done twice.
    pub twice: AtomicU64,
}

/// Why an exploration ended.
#[derive(Debug)]
pub enum Verdict {
    /// All that was asked for has been run.
    Fine,
    /// Somebody asked it to stop.
    Interrupted,
    /// A run failed; this is how to do it again.
    Failed {
        /// The run.
        file: RunFile,
        /// What fired.
        violation: Violation,
    },
    /// Two runs with the same decisions were not equal.
    NotDeterministic {
        /// What was run.
        subject: Subject,
        /// From which seed.
        seed: u64,
    },
}

/// How an exploration goes on.
#[derive(Debug)]
pub struct Progress<'a> {
    /// How far it has come.
    pub counts: &'a Counts,
    /// How long it has taken.
    pub elapsed: Duration,
    /// The run that has been under way for longest, and how long: the kernel may be caught in it for ever.
    pub slowest: Option<(Subject, u64, Duration)>,
}

/// What one host thread is at: a run, and since when, in milliseconds from the start.
struct Job {
    seed: AtomicU64,
    since: AtomicU64,
}

impl Job {
    /// No seed: it is between two runs.
    const NONE: u64 = u64::MAX;

    const fn new() -> Self {
        Self { seed: AtomicU64::new(Self::NONE), since: AtomicU64::new(0) }
    }

    fn begin(&self, seed: u64, elapsed: Duration) {
        self.since.store(elapsed.as_millis() as u64, Ordering::Relaxed);
        self.seed.store(seed, Ordering::Release);
    }

    fn end(&self) {
        self.seed.store(Self::NONE, Ordering::Relaxed);
    }

    fn under_way(&self, plan: &Plan, elapsed: Duration) -> Option<(Subject, u64, Duration)> {
        let seed = self.seed.load(Ordering::Acquire);
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        (seed != Self::NONE).then(|| (plan.subject(seed), seed, elapsed.saturating_sub(since)))
    }
}

impl Plan {
    /// What is run from a seed.
    fn subject(&self, seed: u64) -> Subject {
        self.subjects[(seed % self.subjects.len() as u64) as usize]
    }
}

/// Explores; `progress` is called now and then from one thread, `stop` ends it early.
pub fn explore(plan: &Plan, counts: &Counts, stop: &AtomicBool, progress: impl Fn(&Progress<'_>)) -> Verdict {
    let started = Instant::now();
    let next = AtomicU64::new(plan.first_seed);
    let verdict = Mutex::new(Verdict::Fine);
    let ended = AtomicBool::new(false);
    let over = || {
        ended.load(Ordering::Relaxed)
            || stop.load(Ordering::Relaxed)
            || plan.time.is_some_and(|time| started.elapsed() >= time)
    };
    let jobs: Vec<Job> = (0..plan.jobs).map(|_| Job::new()).collect();
    let worker = |job: &Job| {
        while !over() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if plan.end_seed.is_some_and(|end| seed >= end) {
                return;
            }
            job.begin(seed, started.elapsed());
            let found = one(plan, seed, counts);
            job.end();
            if let Some(found) = found {
                ended.store(true, Ordering::Relaxed);
                *verdict.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = found;
                return;
            }
        }
    };
    let working = AtomicU64::new(plan.jobs as u64);
    let scope = crossbeam::thread::scope(|scope| {
        for job in &jobs {
            let (worker, working) = (&worker, &working);
            scope.spawn(move |_| {
                worker(job);
                working.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while working.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(20));
            let elapsed = started.elapsed();
            let under_way = jobs.iter().filter_map(|job| job.under_way(plan, elapsed));
            progress(&Progress { counts, elapsed, slowest: under_way.max_by_key(|(.., long)| *long) });
        }
    });
    if let Err(payload) = scope {
        std::panic::resume_unwind(payload);
    }
    let verdict = verdict.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    match verdict {
        Verdict::Fine if stop.load(Ordering::Relaxed) => Verdict::Interrupted,
        verdict => verdict,
    }
}

fn one(plan: &Plan, seed: u64, counts: &Counts) -> Option<Verdict> {
    let subject = plan.subject(seed);
    let outcome = run(subject, &mut Random::new(seed), plan.options);
    counts.runs.fetch_add(1, Ordering::Relaxed);
    counts.entries.fetch_add(outcome.entries, Ordering::Relaxed);
    let twice = seed.is_multiple_of(plan.twice_every);
    if outcome.violation.is_none() && !twice {
        return None;
    }
    let (file, again) = record(subject, seed, plan.options);
    counts.twice.fetch_add(1, Ordering::Relaxed);
    let replayed = run(subject, &mut Replay::new(file.decisions.clone()), plan.options);
    if again != outcome || replayed != outcome {
        return Some(Verdict::NotDeterministic { subject, seed });
    }
    Some(Verdict::Failed { file, violation: again.violation? })
}

/// Runs a seed once more and writes its decisions down.
#[must_use]
pub fn record(subject: Subject, seed: u64, options: Options) -> (RunFile, Outcome) {
    let mut source = Recorded::new(Random::new(seed));
    let outcome = run(subject, &mut source, options);
    let file = RunFile {
        subject: subject.name().to_owned(),
        cpus: options.cpus,
        seed,
        kernel: KERNEL.to_owned(),
        oracle: outcome.violation.as_ref().map(|violation| violation.oracle.name.to_owned()),
        decisions: source.decisions,
    };
    (file, outcome)
}
