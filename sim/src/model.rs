//! The reference model: a small kernel in ordinary collections, without CPUs, queues or time slices.
//!
//! It follows the calls in the order in which the kernel was entered and says which answer each has to get, who may
//! run, and who must. It shares no code with the kernel: only the table of calls, as programs know it.

mod alarms;
mod answers;
mod calls;
mod capabilities;
mod cargo;
mod counts;
mod faults;
mod handing;
mod interrupts;
mod limits;
mod lives;
mod machine;
mod messages;
mod names;
mod notices;
mod ports;
mod processes;
mod replies;
mod scheduling;
mod sets;
mod signals;
mod thread;
mod upcalls;
mod urgency;
mod walls;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use coldframe_abi::{
    Authority, CapabilityHandle, CapabilityKind, Counter, CpuId, Error, Instant, Kind, Number, Reply, Request,
};
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Inspection, Kernel, Life, Resume, WaitsFor};
use coldframe_scheduler::{NONE, Place};
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

pub use answers::{Answer, Answers};

use thread::{Settings, State, Thread};

use crate::oracle::{MODEL, Violation, demand, names_of_kept};

/// With more waits than this at a time, the model's lists grow once more.
const EXPECTED_WAITS: usize = 64;

/// A slot that handles name: who has it, and how many had it.
#[derive(Clone, Copy, Debug)]
struct Slot<T> {
    generation: u32,
    holder: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { generation: 0, holder: None }
    }
}

/// The model, as far as it has followed a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    threads: Vec<Slot<Thread>>,
    /// What programs call them.
    names: names::Names,
    /// The holder of a group's slot is a process.
    groups: Vec<Slot<usize>>,
    /// What is known of processes, by row.
    processes: BTreeMap<usize, processes::Process>,
    /// How each process has ended, by row and generation.
    statuses: BTreeMap<(usize, u32), u64>,
    /// Those that are about to end, as far as is known, and with which status: their maker has ended, or whoever handled
    /// the fault of a thread.
    doomed: Vec<(usize, processes::End)>,
    /// What has been raised at endpoints and not received, by row and generation.
    signals: BTreeMap<(u32, u32), u64>,
    /// Endpoints that are members of sets, and the endpoints that stand for those, by row and generation.
    memberships: BTreeMap<(u32, u32), (u32, u32)>,
    /// Endpoints that hear nobody but the threads of a group, both by row and generation.
    circles: BTreeMap<(u32, u32), (u32, u32)>,
    /// How long and how often names can be used, of those that somebody has set a limit to.
    limits: BTreeMap<names::Key, coldframe_capability::Limit>,
    /// The calls that may yet use what they name.
    unsure: Vec<(usize, u32, Request)>,
    /// What wall time it was at zero, as whoever may say so has said, and the random words that have been given out.
    wall_at_zero: u64,
    random_words: BTreeSet<u64>,
    /// When the kernel was entered.
    now: Instant,
    /// Who hears of the end of the last mapping of an object, by row and generation.
    object_bells: BTreeMap<(u32, u32), (names::Key, u64)>,
    /// How many threads of each process have not ended.
    alive: Vec<u32>,
    online: Vec<bool>,
    /// Who has had each CPU since when.
    running: Vec<Option<Running>>,
    /// The ends of waits to come: moment, thread, and which of its waits.
    deadlines: BinaryHeap<Reverse<(Instant, u32, u64)>>,
    /// Waits whose end has come and that the kernel has not ended yet.
    overdue: Vec<(u32, u64)>,
    /// Those who wait at words and at endpoints.
    lines: Vec<words::Waiting>,
    /// Those of ended processes who still stand there, until the reaper comes to them or their deadline does.
    ended_in_line: Vec<words::Waiting>,
    /// Those whose calls are made once more, and what they had in their registers.
    asks_again: Vec<(u32, HostRegisters)>,
    /// What messages named before this entry, and who has a CPU after it.
    sources: Vec<(names::Key, coldframe_capability::Capability)>,
    loaded: Option<(u32, HostRegisters)>,
    /// The pages of messages before this entry, and what it has done with them.
    loaded_pages: Vec<cargo::Loaded>,
    passed: Vec<cargo::Passed>,
    /// Whether somebody has said where pages go, and whether a thread takes what it has sent back in this entry.
    takes_pages: bool,
    unloads: bool,
    /// Who waited by which capability before this entry.
    users: Vec<(u32, u32)>,
    /// How urgent the contexts are that threads ran on before this entry.
    contexts: Vec<(u32, u64)>,
    /// Who waits for a reply that was kept, and for which of its row; and how many of each row there have been.
    kept: Vec<(u32, u32)>,
    kept_replies: BTreeMap<u32, u32>,
    /// The alarms of threads: when, by whose name, and which signals.
    alarms: BTreeMap<u32, alarms::Alarm>,
    /// The interrupt lines to which somebody listens.
    interrupt_lines: interrupts::Lines,
    /// What is behind ports.
    clock: ports::Clock,
    /// Whether somebody has what firmware says.
    firmware_is_given: bool,
    /// What was found wrong on the way.
    complaint: Option<String>,
    /// A call is made that was made before.
    makes_again: bool,
    /// A process was taken down when it was last asked whether whoever waits in line goes on.
    somebody_ends: bool,
    /// How many waits there have been.
    waits: u64,
    /// Ranges that programs can print from.
    readable: Vec<(u64, u64)>,
    /// Processes that have changed something there themselves.
    unreadable: Vec<usize>,
    user_end: u64,
    answers: Answers,
    /// How many requests for memory had been refused after the last entry, and whether one was in this.
    refused: u64,
    is_refused: bool,
}

/// Who has a CPU since when, and of which process.
#[derive(Clone, Copy, Debug)]
struct Running {
    thread: u32,
    process: (usize, u32),
    since: Instant,
}

impl Model {
    /// The model of a kernel that has its first processes and has not been entered yet.
    pub(crate) fn new<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, cpus: usize) -> Self {
        let mut model = Self {
            online: vec![true; cpus],
            running: vec![None; cpus],
            deadlines: BinaryHeap::with_capacity(EXPECTED_WAITS),
            overdue: Vec::with_capacity(EXPECTED_WAITS),
            user_end: F::USER_END,
            groups: vec![Slot::default(); view.groups.len()],
            ..Self::default()
        };
        for (slot, group) in view.groups.iter().enumerate() {
            model.groups[slot] = Slot {
                generation: group.generation(),
                holder: group.process().map(|process| process as usize),
            };
        }
        for (thread, object) in (0_u32..).zip(view.threads).skip(1) {
            if object.life() != Life::Alive {
                continue;
            }
            let process = object.process() as usize;
            *model.alive_in(process) += 1;
            let settings = settings_of(view, thread);
            *model.slot(thread) =
                Slot { generation: object.generation(), holder: Some(Thread::new(process, settings)) };
        }
        for (number, process) in
            view.processes.iter().enumerate().filter(|(_, process)| process.space().is_some())
        {
            let known = processes::Process::new(process.generation(), None, processes::ALL_CALLS);
            model.processes.insert(number, known);
        }
        for (slot, row) in (0_u32..).zip(view.capabilities) {
            let Some(process) = row.holder() else { continue };
            let what = match row.target().kind {
                CapabilityKind::Thread => names::Named::Thread(row.target().row, row.target().generation),
                CapabilityKind::Authority => {
                    names::Named::Authority(Authority::ALL[row.target().row as usize])
                }
                _ => continue,
            };
            let word = CapabilityHandle { slot, generation: row.generation() }.to_word();
            let name = names::Name {
                what,
                rights: row.rights(),
                badge: row.badge(),
                parent: None,
                first: row.target().kind == CapabilityKind::Thread,
                fading: None,
            };
            model.names.is_fresh(word);
            model.names.add((process as usize, word), name, |_| false);
        }
        model
    }

    /// Programs can print from this range.
    pub(crate) fn add_readable(&mut self, start: u64, end: u64) {
        self.readable.push((start, end));
    }

    fn slot(&mut self, thread: u32) -> &mut Slot<Thread> {
        let index = thread as usize;
        if self.threads.len() <= index {
            self.threads.resize(index + 1, Slot::default());
        }
        &mut self.threads[index]
    }

    fn alive_in(&mut self, process: usize) -> &mut u32 {
        if self.alive.len() <= process {
            self.alive.resize(process + 1, 0);
        }
        &mut self.alive[process]
    }

    #[inline]
    fn thread(&self, thread: u32) -> Option<&Thread> {
        self.threads.get(thread as usize)?.holder.as_ref()
    }

    #[inline]
    fn thread_mut(&mut self, thread: u32) -> Option<&mut Thread> {
        self.threads.get_mut(thread as usize)?.holder.as_mut()
    }

    /// Follows one entry, and judges what has come of it.
    #[expect(clippy::too_many_arguments, reason = "an entry is judged by all that is known about it")]
    #[inline]
    pub(crate) fn after_entry<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: &HostCpu<F>,
        trap: Trap,
        resume: Resume,
        was: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let here = usize::from(cpu.id().0);
        self.now = now;
        // What whoever goes on here finds, behind an upcall if there is one.
        let runs = kernel.loaded(cpu.id());
        let asks_to_end = trap == Trap::Syscall && before.request.number == Number::UpcallEnd as u64;
        let ends = asks_to_end && self.may_call(was, Number::UpcallEnd);
        let interrupted = self.interrupted(view, runs, ends && was == runs, resume);
        let here_found = interrupted.unwrap_or(*cpu.peek());
        self.loaded = Some((runs, here_found));
        self.makes_again = false;
        let refused = kernel.machine().refused();
        self.is_refused = std::mem::replace(&mut self.refused, refused) != refused;
        self.charge(here, now);
        match trap {
            Trap::Syscall if self.thread(was).is_some() => {
                let registers =
                    if runs == was { &here_found } else { view.threads[was as usize].registers() };
                self.count(was, Counter::Calls);
                if ends {
                    self.ends_upcall(was, registers, now)?;
                }
                self.call((kernel, view), was, before, registers.reply, now)?;
                if !ends {
                    self.count_refusal(view, was, registers.reply, now)?;
                }
                self.is_interrupted(view, was);
            }
            Trap::PageFault { cause, address, access } => {
                self.count(was, Counter::Faults);
                // Whether that has to be is for the oracles of memory to say.
                let process = self.thread(was).map(|thread| thread.process);
                let is_fault = view.threads[was as usize].fault().is_some()
                    || process.is_some_and(|process| view.processes[process].ended().is_some());
                if is_fault {
                    self.has_fault(view, was, (Some(access), cause, address), before, now)?;
                }
            }
            Trap::Fault { cause, address } => {
                self.has_fault(view, was, (None, cause, address), before, now)?;
            }
            Trap::Line(line) => self.line_asks(view, line, now),
            _ => {}
        }
        // By the timers, before the reaper and what threads work on.
        self.ring_alarms(view, now);
        if !self.interrupt_lines.is_empty() {
            self.watch_lines(view, now);
            self.lines_fit(view, now)?;
        }
        self.end_doomed(view);
        self.ring_bells(view, now);
        self.ring_for_objects(view, now)?;
        if !self.lines.is_empty() || !self.asks_again.is_empty() {
            self.end_waits_by_work(kernel, view, now);
        }
        self.forget_who_left(view);
        self.end_waits(view, now);
        self.late_uses_fit(view, now)?;
        self.miss_kept(view);
        if !self.passed.is_empty() {
            self.have_arrived(kernel, view, now)?;
        }
        if let Some(complaint) = self.complaint.take() {
            return fail(now, complaint);
        }
        self.running[here] = (runs != NONE && runs != 0).then(|| {
            let process = view.threads[runs as usize].process() as usize;
            let generation = view.processes[process].generation();
            Running { thread: runs, process: (process, generation), since: now }
        });
        if resume != Resume::User {
            return Ok(());
        }
        self.may_go_on(view, runs, &here_found, now)?;
        self.upcall_fits(view, runs, interrupted, cpu.peek(), now)
    }

    /// What calls have been answered so far.
    pub(crate) const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// A call that nobody sees the answer of has succeeded.
    fn has_succeeded(&mut self, number: u64) {
        self.answers.add(number, Reply::ok(0));
    }

    /// A thread has turned the machine off.
    pub(crate) fn turned_off<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        now: Instant,
    ) -> Result<(), Violation> {
        self.has_succeeded(Number::PowerOff as u64);
        demand(self.may(view, thread, Authority::Power, 0), MODEL, now, || {
            format!("thread {thread} has turned the machine off, for which it has no authority")
        })
    }

    fn charge(&mut self, cpu: usize, now: Instant) {
        let Some(Running { thread, process: (process, generation), since }) = self.running[cpu].take() else {
            return;
        };
        let spent = now.since(since).0;
        if let Some(thread) = self.thread_mut(thread) {
            thread.run_time.0 += spent;
        }
        // Of one that was ended meanwhile as well: it has had the CPU.
        let known = self.processes.get_mut(&process).filter(|known| known.generation == generation);
        if let Some(process) = known {
            process.run_time.0 += spent;
        }
    }

    /// How long a thread has run, the time since its CPU was last in the kernel included.
    fn run_time(&self, thread: u32, now: Instant) -> u64 {
        let charged = self.thread(thread).map_or(0, |thread| thread.run_time.0);
        let running = self.running.iter().flatten().find(|running| running.thread == thread);
        charged + running.map_or(0, |running| now.since(running.since).0)
    }

    /// The same of all threads that a process has had.
    fn run_time_of(&self, process: usize, now: Instant) -> u64 {
        let Some(known) = self.processes.get(&process) else { return 0 };
        let runs = |running: &&Running| running.process == (process, known.generation);
        let running = self.running.iter().flatten().filter(runs);
        known.run_time.0 + running.map(|running| now.since(running.since).0).sum::<u64>()
    }

    /// Which waits the kernel has ended because their deadline has come. It may be late; it may not be early.
    #[inline]
    fn end_waits<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>, now: Instant) {
        while let Some(Reverse((deadline, thread, wait))) = self.deadlines.peek().copied()
            && deadline <= now
        {
            self.deadlines.pop();
            self.overdue.push((thread, wait));
        }
        if self.overdue.is_empty() {
            return;
        }
        let mut overdue = std::mem::take(&mut self.overdue);
        overdue.retain(|(thread, wait)| self.is_still_due(view, *thread, *wait));
        self.overdue = overdue;
    }

    fn is_still_due<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        wait: u64,
    ) -> bool {
        let Some(waiting) = self.thread(thread).filter(|thread| thread.wait == wait) else { return false };
        if let State::AwaitsKept { number } = waiting.state
            && names_of_kept(view, thread, number) == 0
        {
            // Nobody can give it any more since this entry: which of the two it hears depends on what came first.
            self.loses_server(thread);
            return false;
        }
        let Some(waiting) = self.thread_mut(thread) else { return false };
        let (answer, target) = match waiting.state {
            State::Sleeps { .. } => (Reply::ok(0), None),
            State::Joins { target, .. } => (Err(Error::TimedOut).into(), Some(target)),
            State::InLine | State::AwaitsReply { .. } | State::AwaitsKept { .. } => {
                (Err(Error::TimedOut).into(), None)
            }
            State::Pays { answer } => (answer, None),
            State::Goes { .. }
            | State::Works { .. }
            | State::Watches { .. }
            | State::Hears { .. }
            | State::Ended { .. } => return false,
        };
        let row = &view.threads[thread as usize];
        if row.waits_for() != WaitsFor::Nothing && row.work().is_none() {
            return true;
        }
        let before = std::mem::replace(&mut waiting.state, State::Goes { answer: Some(answer) });
        match before {
            State::InLine => self.lines.retain(|waiting| waiting.thread() != thread),
            State::AwaitsReply { server } => self.owes_nothing(server),
            _ => {}
        }
        if let Some(target) = target.and_then(|target| self.thread_mut(target)) {
            target.joiner = None;
        }
        false
    }

    /// Whoever goes on in user mode may do so, and finds the answer that it has to find.
    #[inline]
    fn may_go_on<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        runs: u32,
        found: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(thread) = self.thread_mut(runs) else {
            return fail(now, format!("thread {runs} goes on after its end"));
        };
        let asked = std::mem::take(&mut thread.asks).then_some(found);
        if let Some(registers) = asked {
            self.answers.add(registers.request.number, registers.reply);
        }
        let Some(thread) = self.thread_mut(runs) else { return Ok(()) };
        thread.loading = cargo::Loading::Nothing;
        if let State::Works { call } = thread.state {
            thread.state = State::Goes { answer: None };
            let found = found.reply.result();
            if found == Err(Error::BadHandle) {
                self.count_late_refusal(runs);
            }
            if call == Number::CapabilityRevoke
                && let Some(left) = self.has_revoked(view, runs, found.is_ok())
            {
                return fail(now, left);
            }
            let nothing = call.description().result == Kind::Nothing;
            let fits = found.map_or_else(
                |error| call.description().errors.contains(&error),
                |value| call.description().receives || (value == 0) == nothing,
            );
            return demand(fits, MODEL, now, || format!("{call:?} of thread {runs} ends with {found:?}"));
        }
        if let State::Watches { process, generation, until } = thread.state {
            thread.state = State::Goes { answer: None };
            let found = found.reply.result();
            let fits = self.has_watched(view, (process, generation), until, found, now);
            return demand(fits, MODEL, now, || {
                format!("thread {runs} waited for process {process} until {} and finds {found:?}", until.0)
            });
        }
        if let State::Hears { either } = thread.state {
            thread.state = State::Goes { answer: None };
            let found = found.reply.result();
            return demand(either.contains(&found), MODEL, now, || {
                format!(
                    "what thread {runs} waited for has gone, and it finds {found:?}, not one of {either:?}"
                )
            });
        }
        let State::Goes { answer } = thread.state else {
            return fail(now, format!("thread {runs} goes on and should not: it {:?}", thread.state));
        };
        demand(!thread.suspended, MODEL, now, || format!("thread {runs} goes on although it is suspended"))?;
        thread.state = State::Goes { answer: None };
        let (reply, inbox) = (found.reply, thread.inbox.take());
        let message = found.message;
        let place = (found.program_counter, found.stack);
        let expected = thread.goes_on_at.take();
        demand(expected.is_none_or(|expected| expected == place), MODEL, now, || {
            format!("thread {runs} goes on at {place:x?} and should at {expected:x?}")
        })?;
        demand(inbox.is_none_or(|inbox| inbox == message), MODEL, now, || {
            format!("thread {runs} finds {message:?} and should find {inbox:?}")
        })?;
        demand(answer.is_none_or(|answer| answer == reply), MODEL, now, || {
            let answer = answer.unwrap_or_default();
            format!("thread {runs} finds {:?} and should find {:?}", reply.result(), answer.result())
        })
    }

    /// Judges a machine to which all kicks and due timers have been delivered: whoever may go on is on its way.
    pub(crate) fn quiet<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        self.lines_are_quiet(now)?;
        self.upcalls_are_quiet(view, now)?;
        demand(self.overdue.is_empty(), MODEL, now, || {
            format!("thread {} waits on after its deadline", self.overdue[0].0)
        })?;
        for (index, thread) in self.threads.iter().enumerate() {
            let Some(thread) = thread.holder else { continue };
            if matches!(thread.state, State::Watches { .. } | State::Hears { .. }) {
                // Whether that can end is for 'waits-end' to say.
                continue;
            }
            let goes = matches!(thread.state, State::Goes { .. } | State::Works { .. });
            let fits = match view.rows[index].place() {
                Place::Running => goes && !thread.suspended,
                // One that is stopped while it waits for a CPU may stay there: it is stopped when it gets one.
                Place::Queued => goes,
                Place::Held => thread.suspended || matches!(thread.state, State::Ended { .. }),
                Place::Waiting => !goes,
                Place::Free => matches!(thread.state, State::Ended { .. }),
                Place::Moving => false,
            };
            demand(fits, MODEL, now, || {
                let place = view.rows[index].place();
                let (state, suspended) = (thread.state, thread.suspended);
                format!("thread {index} is {place:?}; it should be: {state:?}, suspended: {suspended}")
            })?;
        }
        Ok(())
    }

    /// Compares what programs have set with what the kernel goes by.
    pub(crate) fn audit<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        for (thread, slot) in (0..).zip(&self.threads) {
            if slot.holder.is_some_and(|thread| !matches!(thread.state, State::Ended { .. })) {
                self.settings_fit(view, thread, now)?;
            }
        }
        self.limits_fit(view, now)?;
        let online =
            (0_u16..).zip(&self.online).find(|(cpu, is)| view.state.online().contains(CpuId(*cpu)) != **is);
        demand(online.is_none(), MODEL, now, || format!("CPU and whether it should be on-line: {online:?}"))
    }

    pub(in crate::model) fn settings_fit<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        now: Instant,
    ) -> Result<(), Violation> {
        let Some(expected) = self.thread(thread).map(|thread| thread.settings) else { return Ok(()) };
        let found = settings_of(view, thread);
        demand(found == expected, MODEL, now, || {
            format!("thread {thread} has {found:?} and should have {expected:?}")
        })
    }
}

fn settings_of<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, thread: u32) -> Settings {
    let row = &view.rows[thread as usize];
    let context = row.context();
    let affinity = std::array::from_fn(|bank| {
        let cpus = (0..64).filter(|bit| row.affinity().contains(CpuId(bank as u16 * 64 + bit)));
        cpus.fold(0, |bits, bit| bits | 1 << bit)
    });
    Settings { class: context.class(), priority: context.priority(), group: context.group(), affinity }
}

fn fail(at: Instant, detail: String) -> Result<(), Violation> {
    Err(Violation { oracle: MODEL, detail, at })
}
