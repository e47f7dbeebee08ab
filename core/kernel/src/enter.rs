//! The only way in: a trap comes, the state changes, and the CPU is told how to go on.

use coldframe_abi::{CpuId, Instant, Nanos};
use coldframe_hal::{Clock, Cpu, Event, Machine, Store, Trap};
use coldframe_scheduler::timer::STEPS_PER_ENTRY;
use coldframe_scheduler::{Kick, NONE, Wake};

use crate::hint::Hint;
use crate::{Fault, Kernel, reaper};

/// How many threads or timers an off-line CPU gives away in one step.
const EVACUATE_STEP: usize = 64;

/// How a CPU goes on when it leaves the kernel.
#[must_use = "the CPU has to go on somehow"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resume {
    /// With the thread whose registers are in it.
    User,
    /// It waits for an interrupt.
    Idle,
    /// It takes what interrupts there are and comes in again with `Trap::Again`.
    Again,
    /// It stops: the machine is off.
    Off,
}

/// Whether the program itself has brought the trap about.
const fn is_asked_for(trap: Trap) -> bool {
    matches!(trap, Trap::Syscall | Trap::PageFault { .. })
}

impl<M: Machine> Kernel<M> {
    /// The only way in. Runs to its end, never blocks, never switches stacks.
    pub fn enter(&mut self, cpu: &mut M::Cpu, trap: Trap) -> Resume {
        let here = cpu.id();
        let resume = if self.off { Resume::Off } else { self.take_trap(cpu, here, trap) };
        if resume != Resume::User {
            self.forbid_fast_calls(here);
        }
        resume
    }

    #[inline(always)]
    fn take_trap(&mut self, cpu: &mut M::Cpu, here: CpuId, trap: Trap) -> Resume {
        let now = cpu.now();
        self.now = now;
        self.trace(cpu, Event::Enter(trap));
        if let Trap::PageFault { address, access, .. } = trap
            && self.fill_at_once(cpu, here, now, (address, access))
        {
            return Resume::User;
        }
        let quiet = self.is_quiet(here, now, trap);
        self.charge(here, now);
        self.count_fast_calls_of(here);
        let before = self.change.0;
        if !quiet {
            self.scheduler_as_it_is().entered(here);
            self.end_rounds(cpu);
        }
        match trap {
            Trap::Syscall => self.call_made(cpu, now),
            Trap::PageFault { cause, address, access } => self.page_fault(cpu, now, cause, address, access),
            Trap::Fault { cause, address } => self.fault(cpu, now, Fault { access: None, cause, address }),
            Trap::Timer => self.of_cpu(cpu).armed = None,
            Trap::Line(line) => self.line_asks(cpu, now, line),
            Trap::Kick | Trap::Again => {}
        }
        if self.due_upcalls > 0 {
            self.look_for_signals(cpu);
        }
        let mut worked = false;
        if quiet && before == self.change.0 && self.goes_on(here) && self.take_over(cpu) {
            worked = self.begin_work(cpu, now);
            if before == self.change.0 && !(worked && self.has_work(cpu)) {
                return Resume::User;
            }
        }
        if !(is_asked_for(trap) || trap == Trap::Again) || self.is_due(here, now) {
            self.expire_timers(cpu, now);
        }
        let waking = self.wake_waiters(cpu);
        self.obey_orders(cpu, now);
        let asked = self.change.0;
        self.wake_undertaker(cpu);
        // Before the scheduler decides: leaving may wake the reaper, and that may be placed here.
        match self.current(cpu) {
            None => self.leave_dead_space(cpu),
            Some(reaper::THREAD) => {
                self.leave_dead_space(cpu);
                self.reap(cpu, now);
                // What it has just ended may be the space that this CPU has kept.
                self.leave_dead_space(cpu);
            }
            // One that the CPU has just been passed to has its registers elsewhere until `settle`: it works next time.
            Some(thread) if !worked && self.of_cpu(cpu).loaded == thread && self.has_work(cpu) => {
                self.work_step(cpu, now, thread);
                // What it has taken away may have been what its own process lived by.
                if self.obey_orders(cpu, now) {
                    self.leave_dead_space(cpu);
                }
                // Who goes on now may not come back for long.
                self.wake_undertaker(cpu);
            }
            Some(_) => {}
        }
        let untouched = self.settle(cpu, now);
        // Who was queued may have been told meanwhile not to run: one a step, so that a step stays short. If nothing has
        // changed since, it is who was asked before.
        let obeyed = self.change.0 != asked && self.obey_orders(cpu, now);
        if obeyed {
            let loaded = self.of_cpu(cpu).loaded;
            self.switch(cpu, loaded, NONE);
        }
        let evacuating = !self.state.online().contains(here) && self.evacuate(cpu, now);
        self.rearm(cpu);
        assert_eq!(self.state.loose(), 0, "a thread was taken and put nowhere (SCH-1)");
        if self.off {
            return Resume::Off;
        }
        if obeyed {
            return Resume::Again;
        }
        match self.current(cpu) {
            Some(reaper::THREAD) => Resume::Again,
            Some(thread) if waking || self.thread(thread).work.is_some() => Resume::Again,
            Some(thread) => {
                if self.due_upcalls > 0 {
                    self.interrupt(cpu, thread);
                }
                if untouched && !evacuating {
                    self.of_cpu(cpu).settled = self.change;
                }
                self.permit_fast_calls(here);
                Resume::User
            }
            None if evacuating || waking => Resume::Again,
            None => Resume::Idle,
        }
    }

    /// Whether nothing has happened since this CPU last decided who runs here, and nothing is due: then a trap of the
    /// thread that runs concerns nobody else, unless it changes something itself (KRN-13).
    #[inline]
    fn is_quiet(&self, here: CpuId, now: Instant, trap: Trap) -> bool {
        let row = &self.per_cpu.rows()[usize::from(here.0)];
        row.settled.0 == self.change.0
            && is_asked_for(trap)
            && row.armed.is_none_or(|armed| now < armed)
            && self.flushes.is_empty()
            && self.waking_first == NONE
    }

    /// Whether the thread that runs here has time left.
    #[inline]
    fn goes_on(&self, here: CpuId) -> bool {
        let queue = &self.queues.rows()[usize::from(here.0)];
        let Some(thread) = queue.current() else { return false };
        let rows = self.rows.rows();
        let row = &rows[thread as usize];
        rows[row.runs_on() as usize].context().slice_left() != Nanos::ZERO
            && self.turns.rows()[row.turn() as usize].left() != Nanos::ZERO
    }

    /// Puts the thread on this CPU that it has been passed to, if it has been; false if that one has something to do first.
    #[inline]
    fn take_over(&mut self, cpu: &mut M::Cpu) -> bool {
        let loaded = self.of_cpu(cpu).loaded;
        match self.current(cpu) {
            Some(next) if next == loaded => true,
            Some(next) if self.due_upcalls == 0 && !self.has_work(cpu) => {
                self.switch(cpu, loaded, next);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn has_work(&self, cpu: &M::Cpu) -> bool {
        self.current(cpu).is_some_and(|thread| self.threads.rows()[thread as usize].work.is_some())
    }

    /// The first step of what the running thread has asked for, if that takes any.
    #[inline]
    fn begin_work(&mut self, cpu: &mut M::Cpu, now: Instant) -> bool {
        let Some(thread) = self.current(cpu).filter(|_| self.has_work(cpu)) else { return false };
        self.work_step(cpu, now, thread);
        true
    }

    #[inline]
    pub(crate) fn is_due(&self, here: CpuId, now: Instant) -> bool {
        self.per_cpu.rows()[usize::from(here.0)].armed.is_some_and(|armed| armed <= now)
    }

    /// Forgets that CPUs have looked who runs on them: each takes the long way when it comes in next.
    pub fn forget_decisions(&mut self) {
        self.change.0 += 1;
    }

    fn expire_timers(&mut self, cpu: &mut M::Cpu, now: Instant) {
        let mut steps = STEPS_PER_ENTRY;
        while let Some(timer) = self.timers().expire(cpu.id(), now, &mut steps) {
            if !self.timer_rings(cpu, timer) {
                break;
            }
        }
    }

    /// What others have decided about the thread that runs here takes effect now; says whether that stopped it.
    #[inline]
    fn obey_orders(&mut self, cpu: &mut M::Cpu, now: Instant) -> bool {
        let Some(thread) = self.current(cpu) else { return false };
        if thread == reaper::THREAD {
            return false;
        }
        let row = self.thread(thread);
        let (suspended, process) = (row.suspended, row.process);
        if self.process(process).ended.is_some() {
            let loose = self.scheduler().stop(cpu.id(), now);
            if self.thread(thread).cargo.is_lent() {
                // The reaper ends it when it has taken back what is lent.
                self.scheduler().hold(loose);
                self.call_reaper(cpu, process);
            } else {
                self.end_thread(cpu, loose, 0);
            }
        } else if suspended {
            self.trace(cpu, Event::Block { thread });
            let loose = self.scheduler().stop(cpu.id(), now);
            self.scheduler().hold(loose);
        } else {
            return false;
        }
        true
    }

    /// A CPU that is off-line gives away what waits for it; says whether there may be more.
    fn evacuate(&mut self, cpu: &mut M::Cpu, now: Instant) -> bool {
        let here = cpu.id();
        let heir = self.state.online().lowest().unwrap_or(here);
        for _ in 0..EVACUATE_STEP {
            let Some(kick) = self.scheduler().evacuate_one(here) else {
                if !self.timers().evacuate_one(here, heir, now) {
                    return false;
                }
                // The heir has to look at its timer, whatever it was set to.
                let kick = self.scheduler().kick(heir, here);
                self.deliver(cpu, kick);
                continue;
            };
            self.deliver(cpu, kick);
        }
        true
    }

    /// Lets the scheduler decide, and puts its choice on the CPU; says whether there was nothing to decide.
    #[inline]
    fn settle(&mut self, cpu: &mut M::Cpu, now: Instant) -> bool {
        let before = self.current(cpu);
        let (settled, kicks) = self.scheduler_as_it_is().settle(cpu.id(), now);
        if let Some(thread) = settled.preempted {
            self.trace(cpu, Event::Preempt { thread });
        }
        for target in kicks.iter() {
            self.deliver(cpu, Some(Kick(target)));
        }
        let next = settled.current.unwrap_or(NONE);
        let loaded = self.of_cpu(cpu).loaded;
        let untouched =
            before == settled.current && !settled.moved && settled.preempted.is_none() && kicks.is_empty();
        if !untouched {
            self.change.0 += 1;
        }
        if loaded != next {
            self.switch(cpu, loaded, next);
        }
        untouched
    }

    fn switch(&mut self, cpu: &mut M::Cpu, from: u32, to: u32) {
        if from != NONE && from != reaper::THREAD {
            self.thread(from).registers.clone_from(cpu.registers());
        }
        self.of_cpu(cpu).loaded = to;
        if to == NONE {
            self.trace(cpu, Event::Idle);
            return;
        }
        self.trace(cpu, Event::Run { thread: to });
        if to == reaper::THREAD {
            return;
        }
        cpu.registers().clone_from(&self.thread(to).registers);
        let process = self.thread(to).process;
        self.enter_space(cpu, process);
        // Whoever takes the short way out has not been asked to look.
        let quick = self.process(process).quick_calls;
        let row = self.of_cpu(cpu);
        (row.quick, row.passes) = (quick, Hint::UNKNOWN);
    }

    /// Sets the timer to the first moment at which something would happen, if there is one.
    #[inline]
    fn rearm(&mut self, cpu: &mut M::Cpu) {
        let slice = self.scheduler_as_it_is().next_event(cpu.id());
        let timer = self.timers_as_they_are().next(cpu.id());
        let next = match (slice, timer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if next == self.of_cpu(cpu).armed {
            return;
        }
        match next {
            Some(deadline) => {
                cpu.arm(deadline);
                self.trace(cpu, Event::Arm { deadline });
            }
            None => {
                cpu.disarm();
                self.trace(cpu, Event::Disarm);
            }
        }
        self.of_cpu(cpu).armed = next;
    }

    /// Sets the timer to a moment, unless it rings before: then it is set anew, by the next entry that looks at all. What else
    /// it rings for stays the same.
    #[inline]
    pub(crate) fn arm_no_later(&mut self, cpu: &mut M::Cpu, moment: Instant) {
        let armed = &mut self.of_cpu(cpu).armed;
        if armed.is_none_or(|armed| moment < armed) {
            *armed = Some(moment);
            cpu.arm(moment);
            self.trace(cpu, Event::Arm { deadline: moment });
        }
    }

    /// Lets a thread run that waited or is new.
    pub(crate) fn make_runnable(&mut self, cpu: &mut M::Cpu, thread: u32, wake: Wake) {
        let here = cpu.id();
        let mut scheduler = self.scheduler();
        let loose = scheduler.take(thread);
        let kick = scheduler.place(loose, wake, here);
        let on: CpuId = self.rows.rows()[thread as usize].cpu();
        self.trace(cpu, Event::Wake { thread, cpu: on });
        self.deliver(cpu, kick);
    }
}
