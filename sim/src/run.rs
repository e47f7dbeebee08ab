//! One run: a world, a source, and how it ended.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use coldframe_hal::paging::Sv39;
use coldframe_kernel::Life;
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, Stamped};

use crate::draw::Kind;
use crate::model::Answers;
use crate::oracle::{Oracle, REST, Violation};
use crate::source::Source;
use crate::stage;
use crate::world::{Progress, Userland, World};

/// The kernel's own assertions and the harness's are oracles too.
pub const ASSERTION: Oracle =
    Oracle { name: "assertion", statement: "no assertion of the kernel fails, whatever programs do" };

/// A run has to get somewhere.
pub const PROGRESS: Oracle = Oracle {
    name: "progress",
    statement: "a thread, its work or the clock gets on within five thousand entries of the kernel",
};

/// What can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A kind of drawn world.
    Drawn(&'static Kind),
    /// A scenario.
    Scenario(&'static str),
}

impl Subject {
    /// The subject with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let scenario = coldframe_scenarios::SCENARIOS.iter().find(|scenario| scenario.name == name);
        crate::draw::kind(name)
            .map(Self::Drawn)
            .or_else(|| scenario.map(|scenario| Self::Scenario(scenario.name)))
    }

    /// What the command line calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drawn(kind) => kind.name,
            Self::Scenario(name) => name,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How often the kernel was entered.
    pub entries: u64,
    /// How many steps there were.
    pub steps: u64,
    /// What an oracle had to say, if one fired.
    pub violation: Option<Violation>,
    /// A hash of the last state: two runs with the same decisions have the same.
    pub digest: u64,
    /// The trace, if it was asked for.
    pub trace: Vec<Stamped>,
    /// What was written to the console.
    pub console: String,
    /// What calls have been answered.
    pub answers: Answers,
}

/// How to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// So many CPUs, whatever the world would draw.
    pub cpus: Option<u16>,
    /// Keep the trace.
    pub traced: bool,
    /// Stop after so many steps.
    pub steps: Option<u64>,
    /// Make one entry of so many twice, the second time the long way, instead of one in a thousand.
    pub compared: Option<u64>,
}

const SCENARIO_STEPS: u64 = 2_000_000;
const STUCK: u64 = 5_000;

/// Runs a subject to its end.
pub fn run(subject: Subject, source: &mut dyn Source, options: Options) -> Outcome {
    match subject {
        Subject::Drawn(kind) => {
            let limit = options.steps.unwrap_or(kind.steps);
            let compared = options.compared.or(kind.compared);
            let options = Options { compared, ..options };
            guarded(source, limit, (options, kind.ends), |source| kind.world(source, options.cpus))
        }
        Subject::Scenario(name) => {
            let limit = options.steps.unwrap_or(SCENARIO_STEPS);
            guarded(source, limit, (options, false), |source| {
                let drawn = 1 + source.choose(4) as u16;
                let entropy = u64::from(source.choose(u32::MAX));
                stage::world::<Sv39>(name, options.cpus.unwrap_or(drawn), entropy)
                    .unwrap_or_else(|| unreachable!("the name was looked up"))
            })
        }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Assertions that fail inside of a run are reported by the run and not on standard error.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
}

fn guarded<F: HardwareFormat, U: Userland<F>>(
    source: &mut dyn Source,
    limit: u64,
    (options, ends): (Options, bool),
    make: impl FnOnce(&mut dyn Source) -> World<F, U>,
) -> Outcome {
    install_hook();
    let mut outcome = Outcome {
        entries: 0,
        steps: 0,
        violation: None,
        digest: 0,
        trace: Vec::new(),
        console: String::new(),
        answers: Answers::default(),
    };
    let mut world = make(source);
    if let Some(entries) = options.compared {
        world.compare_one_in(entries);
    }
    if options.traced {
        world.kernel_mut().machine_mut().keep_trace();
    }
    QUIET.set(true);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        drive(&mut world, source, limit, &mut outcome.steps)?;
        if ends { end_in_peace(&mut world, source, &mut outcome.steps) } else { Ok(()) }
    }));
    QUIET.set(false);
    outcome.violation = match caught {
        Ok(result) => result.err(),
        Err(payload) => Some(Violation { oracle: ASSERTION, detail: message(&*payload), at: world.now() }),
    };
    outcome.entries = world.entries();
    outcome.answers = world.answers().clone();
    outcome.trace = world.kernel_mut().machine_mut().take_trace();
    outcome.console = String::from_utf8_lossy(world.kernel().machine().console()).into_owned();
    let mut hasher = DefaultHasher::new();
    world.kernel().hash_state(&mut hasher);
    hasher.write_u64(world.now().0);
    outcome.digest = hasher.finish();
    outcome
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("an assertion without words")
        .to_owned()
}

fn drive<F: HardwareFormat, U: Userland<F>>(
    world: &mut World<F, U>,
    source: &mut dyn Source,
    limit: u64,
    steps: &mut u64,
) -> Result<(), Violation> {
    let mut stuck: u64 = 0;
    while *steps < limit {
        let entries = world.entries();
        let progress = world.step(source)?;
        *steps += 1;
        match progress {
            Progress::Going => {}
            Progress::Off => return Ok(()),
            Progress::Rest => return at_rest(world),
        }
        stuck = if world.entries() == entries || world.called() || world.worked() { 0 } else { stuck + 1 };
        if stuck > STUCK {
            return Err(Violation {
                oracle: PROGRESS,
                detail: format!("{STUCK} entries in a row and no program has made a step"),
                at: world.now(),
            });
        }
    }
    world.audit()
}

/// How many steps a machine has to come to rest once all programs end.
const LAST_STEPS: u64 = 1_000_000;

/// All programs end, and nothing is left of them: but for the first process, which has done nothing.
fn end_in_peace<F: HardwareFormat, U: Userland<F>>(
    world: &mut World<F, U>,
    source: &mut dyn Source,
    steps: &mut u64,
) -> Result<(), Violation> {
    world.end_programs();
    let limit = *steps + LAST_STEPS;
    drive(world, source, limit, steps)?;
    let view = world.kernel().inspect();
    let count = |what: &'static str, found: usize, expected: usize| (what, found, expected);
    let left = [
        count("processes", view.processes.iter().filter(|process| process.space().is_some()).count(), 1),
        count("threads", view.threads.iter().filter(|thread| thread.life() == Life::Alive).count(), 2),
        count(
            "results of threads",
            view.threads.iter().filter(|thread| thread.life() == Life::Ended).count(),
            0,
        ),
        count("objects", view.objects.iter().filter(|object| object.process().is_some()).count(), 0),
        count("mappings", view.mappings.iter().filter(|mapping| mapping.process().is_some()).count(), 0),
        count("endpoints", view.endpoints.iter().filter(|endpoint| endpoint.names().0 > 0).count(), 0),
        count("timers", view.timers.iter().filter(|timer| timer.deadline().is_some()).count(), 0),
        count("lines", view.lines.iter().filter(|line| line.is_open() || line.is_asking()).count(), 0),
    ];
    let strange = left.into_iter().find(|(_, found, expected)| found != expected);
    let lent = view.processes.iter().filter(|process| process.space().is_some());
    let lent: u64 = lent.map(|process| process.budget().limit()).sum();
    let spent = view.budget.limit() - view.budget.left();
    let detail = match strange {
        Some((what, found, expected)) => {
            format!("there are {found} {what} when all have ended, and not {expected}")
        }
        None if spent != lent => {
            format!("{spent} frames are spent, and the one process that is there has {lent}")
        }
        None => return Ok(()),
    };
    Err(Violation { oracle: REST, detail, at: world.now() })
}

fn at_rest<F: HardwareFormat, U: Userland<F>>(world: &World<F, U>) -> Result<(), Violation> {
    world.audit()?;
    let view = world.kernel().inspect();
    let runnable = view.rows.iter().position(|row| matches!(row.place(), Place::Queued | Place::Running));
    let left =
        view.processes.iter().position(|process| process.ended().is_some() && process.space().is_some());
    let detail = match (runnable, left) {
        (Some(thread), _) => format!("nothing will happen any more, and thread {thread} is runnable"),
        (None, Some(process)) => format!("process {process} has ended, and its memory never goes back"),
        (None, None) => return Ok(()),
    };
    Err(Violation { oracle: REST, detail, at: world.now() })
}
