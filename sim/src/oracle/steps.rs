//! What is checked after every entry: only what the entry can have touched.

use coldframe_abi::{Class, CpuId, Instant, Nanos};
use coldframe_hal::CpuSet;
use coldframe_kernel::{Inspection, Kernel, Resume};
use coldframe_scheduler::{NONE, Place, SEARCH_LIMIT, Turn, boost_limit, slice_of};
use hal_host::{HardwareFormat, HostCpu, HostMachine};

use super::{
    BOOST_ENDS, CLASS_ORDER, CURRENT, ORDERS_OBEYED, SLICE_ENDS, TEARDOWN_ENDS, TIME_ACCOUNTED, TIMER_SET,
    Violation, WORK_CONSERVING, demand, hints,
};

/// An entry may come late by what other CPUs do meanwhile: the grace of every statement about running time.
const LATE: Nanos = Nanos::from_millis(1);

/// Since when somebody of the same level has been waiting for a thread to stop: another of its group waits for the end
/// of its slice, another group for the end of its group's turn. One that changes sides starts anew.
#[derive(Clone, Copy, Debug)]
struct Rivals {
    turn: u32,
    of_group: Option<Instant>,
    groups: Option<Instant>,
}

impl Rivals {
    const NONE: Self = Self { turn: NONE, of_group: None, groups: None };

    /// Looks again; says since when the most patient has been waiting.
    #[inline]
    fn note(&mut self, index: u32, turn: &Turn, now: Instant) -> Option<Instant> {
        if self.turn != index {
            *self = Self { turn: index, ..Self::NONE };
        }
        self.of_group = (turn.first() != NONE).then(|| self.of_group.unwrap_or(now));
        self.groups = (turn.next() != index).then(|| self.groups.unwrap_or(now));
        self.of_group.into_iter().chain(self.groups).min()
    }
}

/// What runs on a CPU, as the world saw it.
#[derive(Clone, Copy, Debug)]
struct Running {
    thread: u32,
    /// Whose context it runs on: who gets that from the one before it goes on where that one was.
    context: u32,
    since: Instant,
    rivals: Rivals,
    /// Since when it has been boosted.
    boosted_since: Option<Instant>,
    charged: Nanos,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    running: Vec<Option<Running>>,
    /// CPUs that enter again without being asked.
    about_to_enter: Vec<bool>,
    /// How many steps in a row have freed nothing, since something was there to be taken down.
    reaping: u32,
    /// How many processes had ended and were still there.
    ending: usize,
    /// How many frames could be had when it had made its last step.
    free: u64,
}

impl Steps {
    pub(crate) fn new(cpus: usize) -> Self {
        Self { running: vec![None; cpus], about_to_enter: vec![true; cpus], ..Self::default() }
    }

    #[expect(clippy::too_many_arguments, reason = "an entry is judged by all that is known about it")]
    #[inline]
    pub(crate) fn check<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        cpus: &[HostCpu<F>],
        cpu: usize,
        resume: Resume,
        thorough: bool,
        now: Instant,
    ) -> Result<(), Violation> {
        self.about_to_enter[cpu] = resume == Resume::Again;
        let current = view.queues[cpu].current();
        if current == Some(0) {
            self.teardown_ends(view, now)?;
        } else if self.reaping > 0 && ending(view) == 0 {
            self.reaping = 0;
        }
        self.account(view, cpu, current, now)?;
        if let Some(thread) = current {
            current_is_consistent(kernel, view, cpu, thread, now)?;
            if thread != 0 {
                orders_are_obeyed(view, cpu, thread, now)?;
            }
        }
        // What goes on at all comes before what it may try.
        for number in 0..cpus.len() {
            hints::quick_calls_fit(kernel, view, number, now)?;
        }
        self.slices_and_boosts(view, cpu, now)?;
        if thorough {
            timer_is_set(view, cpus, cpu, now)?;
            self.work_is_conserved(kernel, view, now)?;
        }
        Ok(())
    }

    /// A teardown that starts again and again never ends (row S3).
    fn teardown_ends<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        const MANY: u32 = 1_000;
        let ending = ending(view);
        let free = view.frames.free_count();
        let still = ending > 0 && ending == self.ending && free <= self.free;
        self.reaping = if still { self.reaping + 1 } else { 0 };
        (self.ending, self.free) = (ending, free);
        demand(self.reaping <= MANY, TEARDOWN_ENDS, now, || {
            format!("{ending} processes have ended and the reaper does not get on")
        })
    }

    /// The kernel's account of running time against the world's own.
    #[inline]
    fn account<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: usize,
        current: Option<u32>,
        now: Instant,
    ) -> Result<(), Violation> {
        if let Some(running) = &mut self.running[cpu] {
            let row = &view.rows[running.thread as usize];
            if row.place() != Place::Free {
                let had = now.since(running.since);
                let mut charged = row.run_time().minus(running.charged);
                if current == Some(running.thread) {
                    // A fast call charges nobody unless the CPU is passed on.
                    charged.0 += now.since(view.queues[cpu].since()).0;
                }
                demand(had == charged, TIME_ACCOUNTED, now, || {
                    format!("thread {} had cpu{cpu} for {had} and was charged {charged}", running.thread)
                })?;
            }
            if current == Some(running.thread) {
                return Ok(());
            }
        }
        let before = self.running[cpu];
        self.running[cpu] = current.map(|thread| {
            let row = &view.rows[thread as usize];
            let context = row.runs_on();
            let before = before.filter(|before| before.context == context);
            Running {
                thread,
                context,
                since: now,
                rivals: before.map_or(Rivals::NONE, |before| before.rivals),
                boosted_since: before.and_then(|before| before.boosted_since),
                charged: row.run_time(),
            }
        });
        Ok(())
    }

    #[inline]
    fn slices_and_boosts<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: usize,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(running) = &mut self.running[cpu] else { return Ok(()) };
        let row = &view.rows[running.thread as usize];
        let context = view.rows[row.runs_on() as usize].context();
        let limit = Nanos(slice_of(view.queues[cpu].level().class()).0 + LATE.0);
        if let Some(since) = running.rivals.note(row.turn(), &view.turns[row.turn() as usize], now) {
            demand(now.since(since) <= limit, SLICE_ENDS, now, || {
                format!("thread {} has kept cpu{cpu} from a rival since {} ns", running.thread, since.0)
            })?;
        }
        let boost = context.boost();
        demand(boost <= boost_limit(context.class()), BOOST_ENDS, now, || {
            format!("thread {} is raised by {boost} in class {:?}", running.thread, context.class())
        })?;
        let counts = boost > 0 && view.queues[cpu].queued() > 0;
        running.boosted_since = if counts { running.boosted_since.or(Some(now)) } else { None };
        if let Some(since) = running.boosted_since {
            demand(now.since(since) <= limit, BOOST_ENDS, now, || {
                format!(
                    "thread {} has run since {} ns and is still raised by {boost}",
                    running.thread, since.0
                )
            })?;
        }
        Ok(())
    }
}

/// How many processes have ended and are still there.
fn ending<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>) -> usize {
    view.processes.iter().filter(|process| process.ended().is_some() && process.space().is_some()).count()
}

#[inline]
fn current_is_consistent<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    cpu: usize,
    thread: u32,
    now: Instant,
) -> Result<(), Violation> {
    let row = &view.rows[thread as usize];
    let here = CpuId(cpu as u16);
    let fine = row.place() == Place::Running && row.cpu() == here && kernel.loaded(here) == thread;
    demand(fine, CURRENT, now, || {
        let loaded = kernel.loaded(here);
        format!(
            "cpu{cpu} runs thread {thread}, which is {:?} on {}; loaded is {loaded}",
            row.place(),
            row.cpu()
        )
    })
}

#[inline]
fn orders_are_obeyed<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    cpu: usize,
    thread: u32,
    now: Instant,
) -> Result<(), Violation> {
    let row = &view.rows[thread as usize];
    let object = &view.threads[thread as usize];
    let ended = view.processes[object.process() as usize].ended().is_some();
    let allowed = may_run(view, row.affinity()).contains(CpuId(cpu as u16));
    demand(!object.is_suspended() && !ended && allowed, ORDERS_OBEYED, now, || {
        format!(
            "thread {thread} runs on cpu{cpu}: suspended {}, process ended {ended}, allowed {allowed}",
            object.is_suspended()
        )
    })
}

/// One search looks at so many threads that may not run on a CPU, and gives up behind them.
fn search_gives_up<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, cpu: CpuId) -> bool {
    let queued = view.rows.iter().filter(|row| row.place() == Place::Queued);
    queued.filter(|row| !may_run(view, row.affinity()).contains(cpu)).count() >= SEARCH_LIMIT
}

fn may_run<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, affinity: CpuSet) -> CpuSet {
    let online = view.state.online();
    let mask = affinity.and(&online);
    if mask.is_empty() { online } else { mask }
}

#[inline]
fn timer_is_set<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    cpus: &[HostCpu<F>],
    cpu: usize,
    now: Instant,
) -> Result<(), Violation> {
    let armed = cpus[cpu].armed();
    let queue = &view.queues[cpu];
    if queue.current().is_none() && armed.is_some() {
        let useful = view.timers.iter().any(|timer| timer.cpu() == Some(CpuId(cpu as u16)));
        demand(useful, TIMER_SET, now, || {
            format!("cpu{cpu} goes idle with its timer set to {armed:?} for nothing")
        })?;
    }
    if queue.current().is_some() && queue.queued() > 0 {
        let row = &view.rows[queue.current().unwrap_or(0) as usize];
        let turn = &view.turns[row.turn() as usize];
        let rival = turn.next() != row.turn() || turn.first() != NONE;
        if rival {
            let latest = now.after(slice_of(Class::Idle));
            demand(armed.is_some_and(|deadline| deadline <= latest), TIMER_SET, now, || {
                format!("cpu{cpu} has a rival waiting and its timer is set to {armed:?}")
            })?;
        }
    }
    Ok(())
}

impl Steps {
    #[inline]
    fn work_is_conserved<F: HardwareFormat>(
        &self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        let waiting = view.state.waiting();
        if waiting.iter().all(CpuSet::is_empty) {
            return Ok(());
        }
        for (index, queue) in view.queues.iter().enumerate().take(self.about_to_enter.len()) {
            let cpu = CpuId(index as u16);
            let idle = queue.current().is_none() && view.state.online().contains(cpu);
            let will_look =
                self.about_to_enter[index] || queue.is_kicked() || kernel.machine().kick_pending(cpu);
            if idle && !will_look {
                self.nobody_waits_for(view, cpu, now)?;
            }
        }
        Ok(())
    }

    fn nobody_waits_for<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: CpuId,
        now: Instant,
    ) -> Result<(), Violation> {
        if search_gives_up(view, cpu) {
            return Ok(());
        }
        for (thread, row) in view.rows.iter().enumerate() {
            // The thread's own CPU is about to look.
            let its_cpu = usize::from(row.cpu().0);
            let on_its_way = view.queues[its_cpu].is_kicked() || self.about_to_enter[its_cpu];
            if row.place() == Place::Queued && !on_its_way {
                let may = may_run(view, row.affinity()).contains(cpu);
                demand(!may, WORK_CONSERVING, now, || {
                    format!("{cpu} idles while thread {thread} waits on {}", row.cpu())
                })?;
            }
        }
        Ok(())
    }
}

/// What must hold once everything that was on its way has arrived.
pub(crate) fn quiet<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    cpus: &[HostCpu<F>],
    now: Instant,
) -> Result<(), Violation> {
    for (number, timer) in view.timers.iter().enumerate() {
        if let (Some(deadline), Some(cpu)) = (timer.deadline(), timer.cpu()) {
            let armed = cpus[usize::from(cpu.0)].armed();
            let in_time = deadline > now && armed.is_some_and(|armed| armed <= deadline);
            demand(in_time, TIMER_SET, now, || {
                format!(
                    "timer {} of thread {} rings at {} ns and that of {cpu} is set to {armed:?}",
                    number % 2,
                    number / 2,
                    deadline.0
                )
            })?;
        }
    }
    classes_are_in_order(view, now)
}

fn classes_are_in_order<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    now: Instant,
) -> Result<(), Violation> {
    for (thread, row) in view.rows.iter().enumerate() {
        if row.place() != Place::Queued {
            continue;
        }
        let class = view.turns[row.turn() as usize].level().class();
        for cpu in may_run(view, row.affinity()).iter() {
            let Some(queue) = view.queues.get(usize::from(cpu.0)) else { break };
            let Some(current) = queue.current() else { continue };
            let running = queue.level().class_index();
            let fine = running >= class as usize || search_gives_up(view, cpu);
            demand(fine, CLASS_ORDER, now, || {
                format!(
                    "thread {thread} of class {class:?} waits while {cpu} runs thread {current} of a lower one"
                )
            })?;
        }
    }
    Ok(())
}
