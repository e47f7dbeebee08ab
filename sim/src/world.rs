//! A world: a machine, its kernel, and what its CPUs do between two entries.

use std::hash::{DefaultHasher, Hasher};

use coldframe_abi::{CpuId, Instant, Nanos, Request};
use coldframe_hal::{Clock, Cpu, Frame, Tag, Trap};
use coldframe_kernel::{FastCall, FastReply, Kernel, Resume, Work};
use coldframe_memory::Filling;
use coldframe_scheduler::Place;
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

use crate::model::Answers;
use crate::oracle::{Allowed, EITHER_WAY, FAST_WAY, MEMORY_KEPT, Violation, Watch, demand};
use crate::source::Source;

/// How much time one step of user mode or one entry takes.
const STEP: Nanos = Nanos(200);

/// What user mode does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserStep {
    /// It computes for so long.
    Compute(Nanos),
    /// It enters the kernel.
    Trap(Trap),
    /// The page table does not allow what it may do: the kernel has to repair that.
    Access(Trap),
    /// It did something that needs no kernel, and goes on.
    Went,
    /// It has found something that cannot be.
    Wrong(String),
}

/// The programs of a world: given the CPU, the next thing that its thread does.
///
/// All that a thread is lies in its registers, so that a register that is lost shows.
pub trait Userland<F> {
    /// From now on whoever does anything ends its process.
    fn end(&mut self);

    /// The next step of the thread that runs on `cpu`.
    fn next(&mut self, cpu: &mut HostCpu<F>, machine: &mut HostMachine<F>) -> UserStep;
}

/// One entry of so many is made twice: rarely, since all RAM is cloned for it.
const COMPARED: u64 = 16_381;

/// The register in which a thread keeps how long it still computes.
pub const COMPUTES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In user mode; the moment until which it computes, or now.
    User {
        busy_until: Instant,
    },
    Idle,
    Again,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Step(u16),
    Kick(u16),
    Timer(u16),
    Again(u16),
    /// A CPU takes the interrupt of a flush.
    Flush(u16),
    /// A CPU takes the interrupt of a device.
    Line(u16, u32),
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    Going,
    /// The machine is off.
    Off,
    /// Nothing will ever happen again: all threads wait for something that no timer brings.
    Rest,
}

/// A machine under glass with all that is needed to run it.
pub struct World<F: HardwareFormat, U> {
    kernel: Kernel<HostMachine<F>>,
    cpus: Vec<HostCpu<F>>,
    modes: Vec<Mode>,
    userland: U,
    now: Instant,
    entries: u64,
    /// The last step was one of a program.
    called: bool,
    /// The last entry has brought the work of a thread forward.
    worked: bool,
    /// One entry of so many is made twice, the second time the long way.
    compared: u64,
    /// A call that can go the fast way has gone it, and is not only tried.
    goes_fast: bool,
    watch: Watch,
    /// Kept from step to step, so that a step allocates nothing.
    actions: Vec<Action>,
}

/// What a thread has asked for and how far that has come.
fn work_of<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    thread: u32,
) -> Option<(Work, Option<Filling>)> {
    let view = kernel.inspect();
    let row = view.threads.get(thread as usize)?;
    let space = view.processes.get(row.process() as usize)?.space()?;
    Some((*row.work()?, space.filling()))
}

type Entered<'a, F> = (&'a Kernel<HostMachine<F>>, &'a HostCpu<F>, Resume);

/// Whether the timer of a CPU is about to ring.
fn is_due<F: HardwareFormat>(cpu: &HostCpu<F>) -> bool {
    cpu.armed().is_some_and(|deadline| deadline <= cpu.now())
}

/// Tries the call that a CPU makes the fast way, unless its timer rings first.
fn fast_call<F: HardwareFormat>(
    kernel: &mut Kernel<HostMachine<F>>,
    cpu: &mut HostCpu<F>,
) -> Option<FastReply> {
    let Request { number, arguments: [first, second, third, ..] } = cpu.peek().request;
    let call = FastCall::from_number(number).filter(|_| !is_due(cpu))?;
    kernel.fast(cpu, call, [first, second, third])
}

/// Whether a call that has a fast way comes to the same that way: the CPU looks once more afterwards, so that nothing is
/// left open that either has left for later.
fn fast_way<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    cpu: &HostCpu<F>,
    at: Instant,
) -> Result<(), Violation> {
    let (mut fast, mut on) = (kernel.clone(), cpu.clone());
    if FastCall::from_number(on.peek().request.number).is_none() || is_due(&on) {
        return Ok(());
    }
    let Some(done) = fast_call(&mut fast, &mut on) else {
        let state = |kernel: &Kernel<HostMachine<F>>, cpu: &HostCpu<F>| {
            let mut hasher = DefaultHasher::new();
            kernel.hash_state(&mut hasher);
            (hasher.finish(), cpu.armed(), cpu.active(), *cpu.peek())
        };
        let (before, after) = (state(kernel, cpu), state(&fast, &on));
        return demand(before == after, FAST_WAY, at, || {
            format!("the fast way declines and leaves {after:x?} of {before:x?}")
        });
    };
    on.find(done);
    let (mut slow, mut long) = (kernel.clone(), cpu.clone());
    let resume = slow.enter(&mut long, Trap::Syscall);
    demand(is_in_time(&on, (&slow, &long)), FAST_WAY, at, || {
        format!("the fast way leaves the timer at {:?}; the slow way: {:?}", on.armed(), long.armed())
    })?;
    // Who goes on does not come in again to find what it should have found at once.
    let (goes, should) = ((on.peek(), on.active()), (long.peek(), long.active()));
    demand(goes == should || resume != Resume::User, FAST_WAY, at, || {
        format!("the fast way goes on with {goes:x?}; the slow way: {should:x?}")
    })?;
    let before = places(&fast);
    let (one, other) = (look_again(&mut fast, &mut on), look_again(&mut slow, &mut long));
    // Whoever leaves more to do has found it: another CPU has made it since this one has looked last.
    let made_more = places(&fast) != before && {
        let (mut kernel, mut cpu) = (kernel.clone(), cpu.clone());
        let before = places(&kernel);
        let _ = kernel.enter(&mut cpu, Trap::Kick);
        places(&kernel) == before
    };
    demand(!made_more, FAST_WAY, at, || {
        "after the fast way the CPU finds more to do than to go on".to_owned()
    })?;
    if one == other && resume == Resume::User {
        return Ok(());
    }
    let detail = format!("the fast way: {one:x?}; the slow way: {resume:?}, {other:x?}");
    Err(Violation { oracle: FAST_WAY, detail, at })
}

/// The state of a kernel and of a CPU that has looked once more.
type Looked = (u64, Resume, Option<Instant>, Option<(Frame, Tag)>, HostRegisters);

/// What a kernel and a CPU come to that looks once more.
fn look_again<F: HardwareFormat>(kernel: &mut Kernel<HostMachine<F>>, cpu: &mut HostCpu<F>) -> Looked {
    let resume = kernel.enter(cpu, Trap::Kick);
    let mut hasher = DefaultHasher::new();
    kernel.hash_effect(&mut hasher);
    (hasher.finish(), resume, cpu.armed(), cpu.active(), *cpu.peek())
}

/// Whether the timer of a CPU rings no later than one that was set exactly; it may ring for nothing before.
fn is_in_time<F: HardwareFormat>(
    early: &HostCpu<F>,
    (kernel, exact): (&Kernel<HostMachine<F>>, &HostCpu<F>),
) -> bool {
    exact.armed().is_none()
        || early.armed().is_some_and(|moment| rings_for_nothing_before(kernel, exact, moment))
}

/// Where every thread is.
fn places<F: HardwareFormat>(kernel: &Kernel<HostMachine<F>>) -> Vec<(Place, CpuId)> {
    kernel.inspect().rows.iter().map(|row| (row.place(), row.cpu())).collect()
}

/// Whether nobody comes or goes by the timer before this moment. It may ring too early, after the first of several timers was
/// cancelled by another CPU: then it is set anew.
fn rings_for_nothing_before<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    cpu: &HostCpu<F>,
    moment: Instant,
) -> bool {
    let is_too_early = |cpu: &HostCpu<F>| cpu.armed().filter(|armed| *armed < moment);
    let Some(mut armed) = is_too_early(cpu) else { return true };
    let (mut kernel, mut cpu) = (kernel.clone(), cpu.clone());
    let before = places(&kernel);
    loop {
        cpu.set_now(armed);
        cpu.fired();
        let _ = kernel.enter(&mut cpu, Trap::Timer);
        if places(&kernel) != before {
            return false;
        }
        match is_too_early(&cpu) {
            Some(next) => armed = next,
            None => return true,
        }
    }
}

/// Whether two entries have come to the same: at once, or but for a timer that rings too early, and is set anew when the CPU
/// looks once more and finds nothing else to do. Whoever touches a page that was reserved goes on before the CPU keeps accounts.
fn either_way<F: HardwareFormat>(
    trap: Trap,
    short: Entered<'_, F>,
    long: Entered<'_, F>,
    at: Instant,
) -> Result<(), Violation> {
    let digest = |(kernel, cpu, resume): Entered<'_, F>| {
        let mut hasher = DefaultHasher::new();
        kernel.hash_state(&mut hasher);
        (hasher.finish(), resume, cpu.armed(), *cpu.peek())
    };
    let (one, other) = (digest(short), digest(long));
    if one == other {
        return Ok(());
    }
    let ((kernel, cpu, resume), (exact, timed, should)) = (short, long);
    let goes_on = (resume, cpu.peek(), cpu.active()) == (should, timed.peek(), timed.active());
    let comes_to_the_same = || {
        let (mut kernel, mut cpu) = (kernel.clone(), cpu.clone());
        let before = places(&kernel);
        let after = look_again(&mut kernel, &mut cpu);
        places(&kernel) == before && after == look_again(&mut exact.clone(), &mut timed.clone())
    };
    let owes_accounts = matches!(trap, Trap::PageFault { .. });
    let same = goes_on && (owes_accounts || cpu.armed() != timed.armed()) && is_in_time(cpu, (exact, timed));
    demand(same && comes_to_the_same(), EITHER_WAY, at, || {
        format!("the short way: {one:x?}; the long way: {other:x?}")
    })
}

impl<F: HardwareFormat, U: Userland<F>> World<F, U> {
    /// A world around a kernel that has its first processes; every CPU is about to enter for the first time.
    pub fn new(kernel: Kernel<HostMachine<F>>, cpus: u16, userland: U) -> Self {
        Self {
            watch: Watch::new(&kernel, usize::from(cpus)),
            kernel,
            cpus: (0..cpus).map(|id| HostCpu::new(CpuId(id))).collect(),
            modes: vec![Mode::Again; usize::from(cpus)],
            userland,
            now: Instant(1_000),
            compared: COMPARED,
            goes_fast: false,
            entries: 0,
            called: false,
            worked: false,
            actions: Vec::with_capacity(usize::from(cpus) * 3),
        }
    }

    /// Says that programs can print from this range.
    pub fn add_readable(&mut self, start: u64, end: u64) {
        self.watch.add_readable(start, end);
    }

    /// The kernel.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel<HostMachine<F>> {
        &self.kernel
    }

    /// The kernel, for a run that wants a trace.
    pub const fn kernel_mut(&mut self) -> &mut Kernel<HostMachine<F>> {
        &mut self.kernel
    }

    /// What calls have been answered so far.
    #[must_use]
    pub const fn answers(&self) -> &Answers {
        self.watch.answers()
    }

    /// From now on whatever program does anything ends.
    pub fn end_programs(&mut self) {
        self.userland.end();
    }

    /// The programs.
    #[must_use]
    pub const fn userland(&self) -> &U {
        &self.userland
    }

    /// How often the kernel has been entered.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the last step was one of a program.
    #[must_use]
    pub const fn called(&self) -> bool {
        self.called
    }

    /// Whether the last entry has brought the work of a thread forward.
    #[must_use]
    pub const fn worked(&self) -> bool {
        self.worked
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Runs one step that `source` chooses among the possible ones.
    ///
    /// # Errors
    /// What an oracle has to say about it.
    pub fn step(&mut self, source: &mut dyn Source) -> Result<Progress, Violation> {
        if self.modes.contains(&Mode::Off) {
            return Ok(Progress::Off);
        }
        self.list_actions();
        if self.actions.is_empty() {
            self.watch.quiet(&self.kernel, &self.cpus, self.now)?;
            return Ok(self.leap());
        }
        let choice =
            if self.actions.len() == 1 { 0 } else { source.choose(self.actions.len() as u32) as usize };
        self.now = self.now.after(STEP);
        self.called = matches!(self.actions[choice], Action::Step(_));
        match self.actions[choice] {
            Action::Step(cpu) => self.step_user(usize::from(cpu))?,
            Action::Kick(cpu) => {
                self.kernel.machine_mut().take_kick(CpuId(cpu));
                self.enter(usize::from(cpu), Trap::Kick)?;
            }
            Action::Timer(cpu) => {
                self.cpus[usize::from(cpu)].fired();
                self.enter(usize::from(cpu), Trap::Timer)?;
            }
            Action::Again(cpu) => self.enter(usize::from(cpu), Trap::Again)?,
            Action::Flush(cpu) => {
                // Unless it is the last one to answer, the kernel is not entered for it.
                if self.kernel.machine().answer(&mut self.cpus[usize::from(cpu)]) {
                    self.enter(usize::from(cpu), Trap::Kick)?;
                }
            }
            Action::Line(cpu, line) => {
                self.kernel.machine_mut().take_line(line);
                self.enter(usize::from(cpu), Trap::Line(line))?;
            }
        }
        Ok(Progress::Going)
    }

    #[inline]
    fn list_actions(&mut self) {
        self.actions.clear();
        let now = self.now;
        self.kernel.machine_mut().run_devices(now);
        for (cpu, mode) in (0..).zip(&self.modes) {
            match mode {
                Mode::User { busy_until } if *busy_until <= now => self.actions.push(Action::Step(cpu)),
                Mode::Again => self.actions.push(Action::Again(cpu)),
                Mode::User { .. } | Mode::Idle | Mode::Off => {}
            }
            if self.kernel.machine().is_asked(CpuId(cpu)) {
                self.actions.push(Action::Flush(cpu));
            }
            if self.kernel.machine().kick_pending(CpuId(cpu)) {
                self.actions.push(Action::Kick(cpu));
            }
            if self.cpus[usize::from(cpu)].armed().is_some_and(|deadline| deadline <= now) {
                self.actions.push(Action::Timer(cpu));
            }
            let arriving = self.kernel.machine().arriving(CpuId(cpu));
            self.actions.extend(arriving.map(|line| Action::Line(cpu, line)));
        }
    }

    /// Nothing can happen now: time jumps to the next moment at which something can.
    fn leap(&mut self) -> Progress {
        let busy = self.modes.iter().filter_map(|mode| match mode {
            Mode::User { busy_until } => Some(*busy_until),
            _ => None,
        });
        let armed = self.cpus.iter().filter_map(HostCpu::armed);
        let device = self.kernel.machine().next_of_devices();
        match busy.chain(armed).chain(device).min() {
            Some(next) => {
                self.now = self.now.max(next);
                Progress::Going
            }
            None => Progress::Rest,
        }
    }

    fn step_user(&mut self, cpu: usize) -> Result<(), Violation> {
        let here = &mut self.cpus[cpu];
        here.set_now(self.now);
        here.registers().saved[COMPUTES] = 0;
        match self.userland.next(here, self.kernel.machine_mut()) {
            UserStep::Compute(span) => {
                here.registers().saved[COMPUTES] = span.0;
                self.modes[cpu] = Mode::User { busy_until: self.now.after(span) };
                Ok(())
            }
            UserStep::Went => Ok(()),
            UserStep::Trap(trap) => self.enter(cpu, trap),
            UserStep::Access(trap) => {
                let thread = self.kernel.loaded(CpuId(cpu as u16));
                let access = Allowed::before(&self.kernel, thread);
                self.enter(cpu, trap)?;
                access.judge(&self.kernel, self.now)
            }
            UserStep::Wrong(detail) => Err(Violation { oracle: MEMORY_KEPT, detail, at: self.now }),
        }
    }

    fn enter(&mut self, cpu: usize, trap: Trap) -> Result<(), Violation> {
        let here = &mut self.cpus[cpu];
        here.set_now(self.now);
        // At every trap, before the kernel is entered; the entry that follows serves whoever was the last one, and so it is not
        // a fast call.
        let was_asked = self.kernel.machine().is_asked(here.id());
        let _ = self.kernel.machine().answer(here);
        if let Mode::User { busy_until } = self.modes[cpu] {
            // An interrupt: what is left of the computation goes with the thread.
            let left = busy_until.since(self.now).0;
            if matches!(trap, Trap::Kick | Trap::Timer | Trap::Line(_)) {
                here.registers().saved[COMPUTES] = left;
            }
        }
        let before: HostRegisters = *here.peek();
        let was = self.kernel.loaded(here.id());
        let work = work_of(&self.kernel, was);
        let twin =
            (self.entries % self.compared == self.compared - 1).then(|| (self.kernel.clone(), here.clone()));
        if let Some((kernel, cpu)) = &twin
            && trap == Trap::Syscall
        {
            fast_way(kernel, cpu, self.now)?;
        }
        self.watch.before_entry(&self.kernel, trap, was, &before);
        let done = if self.goes_fast && trap == Trap::Syscall && !was_asked {
            fast_call(&mut self.kernel, here)
        } else {
            None
        };
        let resume = match done {
            Some(done) => {
                here.find(done);
                Resume::User
            }
            None => self.kernel.enter(here, trap),
        };
        if let Some((mut kernel, mut cpu)) = twin
            && done.is_none()
        {
            kernel.forget_decisions();
            kernel.forbid_fast_calls(cpu.id());
            let other = kernel.enter(&mut cpu, trap);
            either_way(trap, (&self.kernel, here, resume), (&kernel, &cpu, other), self.now)?;
        }
        self.worked = work != work_of(&self.kernel, was);
        self.entries += 1;
        self.modes[cpu] = match resume {
            Resume::Off => Mode::Off,
            Resume::Idle => Mode::Idle,
            Resume::Again => Mode::Again,
            Resume::User => Mode::User { busy_until: self.now.after(Nanos(here.peek().saved[COMPUTES])) },
        };
        debug_assert_eq!(here.now(), self.now);
        self.watch.after_entry(&self.kernel, &self.cpus, cpu, trap, resume, was, &before, self.now)
    }

    /// From now on a call that can go the fast way goes it, if this is so.
    pub const fn go_fast(&mut self, does: bool) {
        self.goes_fast = does;
    }

    /// From now on one entry of so many is made twice, the second time the long way.
    pub const fn compare_one_in(&mut self, entries: u64) {
        self.compared = entries;
    }

    /// Checks everything there is to check, however long it takes.
    ///
    /// # Errors
    /// What an oracle has to say.
    pub fn audit(&self) -> Result<(), Violation> {
        self.watch.audit(&self.kernel, &self.cpus, self.now)
    }
}
