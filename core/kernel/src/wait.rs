//! Waiting and its end: the one place where a thread is parked and the one where it is woken.

use coldframe_abi::{Deadline, Error, Instant, Reply};
use coldframe_hal::{Cpu, Event, Machine, Store};
use coldframe_scheduler::{Hand, Loose, NONE, Wake};

use crate::alarms::wait_timer;
use crate::hint::Rest;
use crate::{Kernel, Life, WaitsFor};

impl<M: Machine> Kernel<M> {
    /// Parks the running thread until what it waits for happens or the deadline passes.
    ///
    /// Timer and reason are set before anybody else can look: the kernel is one step (rows W1, W4).
    pub(crate) fn wait(&mut self, cpu: &mut M::Cpu, now: Instant, waits_for: WaitsFor, deadline: Deadline) {
        let loose = self.scheduler().stop(cpu.id(), now);
        let thread = loose.thread();
        self.trace(cpu, Event::Block { thread });
        self.begin_wait(cpu, now, thread, waits_for, deadline);
        self.scheduler().park(loose);
    }

    fn begin_wait(
        &mut self,
        cpu: &M::Cpu,
        now: Instant,
        thread: u32,
        waits_for: WaitsFor,
        deadline: Deadline,
    ) {
        let row = self.thread(thread);
        (row.waits_for, row.rests) = (waits_for, Rest::UNKNOWN);
        if deadline != Deadline::NEVER {
            self.arm_wait(cpu, now, thread, deadline);
        }
    }

    fn arm_wait(&mut self, cpu: &M::Cpu, now: Instant, thread: u32, deadline: Deadline) {
        let class = self.rows.rows()[thread as usize].context().class();
        self.timers_as_they_are().arm(wait_timer(thread), cpu.id(), class, Instant(deadline.0), now);
    }

    /// A thread that has just begun to wait, as if for ever, waits no longer than this.
    pub(crate) fn set_deadline(&mut self, cpu: &mut M::Cpu, now: Instant, thread: u32, deadline: Deadline) {
        self.thread(thread).rests = Rest::UNKNOWN;
        self.arm_wait(cpu, now, thread, deadline);
        self.arm_no_later(cpu, Instant(deadline.0));
    }

    /// Whether the running thread can wait and another go on in its place, with the context on which it runs.
    pub(crate) fn can_pass_on(&mut self, cpu: &M::Cpu, (from, to): (u32, u32), hand: Hand) -> bool {
        !self.thread(to).suspended && self.scheduler_as_it_is().can_hand_over(cpu.id(), from, to, hand)
    }

    /// Parks the running thread, and lets another that has its answer go on in its place. For everybody else nothing has
    /// changed, and no CPU has to look anew (SCH-13).
    ///
    /// Precondition: `can_pass_on`, and the deadline is not over.
    pub(crate) fn pass_on(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        (from, to): (u32, u32),
        hand: Hand,
        waits_for: WaitsFor,
        deadline: Deadline,
    ) {
        self.trace(cpu, Event::Block { thread: from });
        self.timers_as_they_are().cancel(wait_timer(to));
        self.thread(to).waits_for = WaitsFor::Nothing;
        self.begin_wait(cpu, now, from, waits_for, deadline);
        if deadline != Deadline::NEVER {
            self.arm_no_later(cpu, Instant(deadline.0));
        }
        self.scheduler_as_it_is().hand_over(cpu.id(), from, to, hand);
        self.trace(cpu, Event::Wake { thread: to, cpu: cpu.id() });
    }

    /// Parks the running thread until the round that it has begun ends.
    pub(crate) fn wait_as_owner(&mut self, cpu: &mut M::Cpu, now: Instant, process: u32) {
        self.wait(cpu, now, WaitsFor::Round(process), Deadline::NEVER);
    }

    /// Ends the wait of a thread with an answer.
    pub(crate) fn wake(&mut self, cpu: &mut M::Cpu, thread: u32, reply: impl Into<Reply>, wake: Wake) {
        if self.thread(thread).fault.is_some() {
            // It has made no call: whoever should have handled its fault is gone.
            self.end_of_fault(cpu, thread);
        } else {
            self.answer_waiting(cpu, thread, reply);
        }
        self.wake_up(cpu, thread, wake);
    }

    /// Puts the answer of a call where a thread that has waited for it will find it, when it has its pages back.
    #[inline]
    pub(crate) fn answer_waiting(&mut self, cpu: &mut M::Cpu, thread: u32, reply: impl Into<Reply>) {
        let reply = reply.into();
        if !self.thread(thread).cargo.is_empty() {
            self.unload(thread, Some(reply));
        }
        self.answer(cpu, thread, reply);
    }

    /// Ends the wait of a thread that has its answer, or needs none.
    pub(crate) fn wake_up(&mut self, cpu: &mut M::Cpu, thread: u32, wake: Wake) {
        self.timers().cancel(wait_timer(thread));
        self.thread(thread).waits_for = WaitsFor::Nothing;
        if self.thread(thread).suspended {
            let mut scheduler = self.scheduler();
            let loose = scheduler.take(thread);
            scheduler.hold(loose);
            return;
        }
        let wake = if self.may_go_first(thread) { wake } else { Wake::Start };
        self.make_runnable(cpu, thread, wake);
    }

    /// The deadline of a thread has passed.
    pub(crate) fn time_is_up(&mut self, cpu: &mut M::Cpu, thread: u32) {
        match self.thread(thread).waits_for {
            WaitsFor::Time => self.wake(cpu, thread, Ok(0), Wake::Interrupt),
            WaitsFor::Penalty => self.wake_up(cpu, thread, Wake::Start),
            WaitsFor::EndOf(_) | WaitsFor::EndOfProcess(_) => {
                self.leave_end(thread);
                self.wake(cpu, thread, Err(Error::TimedOut), Wake::Interrupt);
            }
            WaitsFor::InLine(_) => {
                self.leave_line(thread);
                self.wake(cpu, thread, Err(Error::TimedOut), Wake::Interrupt);
            }
            WaitsFor::Reply(server) => {
                self.leave_server(cpu, thread, server);
                self.wake(cpu, thread, Err(Error::TimedOut), Wake::Interrupt);
            }
            WaitsFor::KeptReply(_) => self.wake(cpu, thread, Err(Error::TimedOut), Wake::Interrupt),
            WaitsFor::Round(_) => unreachable!("thread {thread} has a timer and waits for a flush (KRN-3)"),
            WaitsFor::Nothing => unreachable!("thread {thread} has a timer and waits for nothing (KRN-3)"),
        }
    }

    /// A thread does not wait for the end of another any more, or for that of a process.
    pub(crate) fn leave_end(&mut self, thread: u32) {
        let waits_for = self.thread(thread).waits_for;
        match waits_for {
            // If its own process has ended, another may have taken its place.
            WaitsFor::EndOf(target) if self.thread(target).joiner == thread => {
                self.thread(target).joiner = NONE;
            }
            WaitsFor::EndOfProcess(process) if self.process(process).watcher == thread => {
                self.process(process).watcher = NONE;
            }
            _ => {}
        }
    }

    /// Whether the process of a thread has ended: whatever the thread waits for, it will not hear of it.
    pub(crate) fn has_ended(&mut self, thread: u32) -> bool {
        let process = self.thread(thread).process;
        self.process(process).ended.is_some()
    }

    /// Ends a thread. Its row stays until somebody takes the result, unless somebody waits for it.
    pub(crate) fn end_thread(&mut self, cpu: &mut M::Cpu, loose: Loose, result: u64) {
        let thread = loose.thread();
        self.trace(cpu, Event::End { thread });
        self.timers().cancel(wait_timer(thread));
        self.cancel_alarm(thread);
        self.drop_upcall(thread);
        let waits_for = self.thread(thread).waits_for;
        match waits_for {
            WaitsFor::EndOf(_) | WaitsFor::EndOfProcess(_) => self.leave_end(thread),
            WaitsFor::Round(process) => self.leave_round(process, thread),
            WaitsFor::InLine(_) => self.leave_line(thread),
            WaitsFor::Reply(server) => self.leave_server(cpu, thread, server),
            _ => {}
        }
        self.leave_caller(cpu, thread);
        self.abandon_work(cpu, thread);
        if self.of_cpu(cpu).loaded == thread {
            self.of_cpu(cpu).loaded = NONE;
        }
        self.scheduler().destroy(loose);
        let row = self.thread(thread);
        row.life = Life::Ended;
        row.result = result;
        row.waits_for = WaitsFor::Nothing;
        let process = row.process;
        let joiner = core::mem::replace(&mut row.joiner, NONE);
        let nobody_can_ask = row.capabilities == 0;
        // What one hears of it whose own process has ended is lost: the result stays for another.
        if joiner != NONE && !self.has_ended(joiner) {
            self.forget_thread(thread);
            self.wake(cpu, joiner, Ok(result), Wake::Event);
        } else if nobody_can_ask {
            self.forget_thread(thread);
        }
        let row = self.process(process);
        row.alive_threads -= 1;
        if row.ended.is_some() {
            self.call_reaper(cpu, process);
        } else if row.alive_threads == 0 {
            self.end_process(cpu, process, coldframe_abi::ExitCode(0));
        }
    }

    /// Gives the row of an ended thread back; its handle names nothing from now on.
    pub(crate) fn forget_thread(&mut self, thread: u32) {
        self.leave_process(thread);
        self.give_thread_row(thread);
        let capability = core::mem::replace(&mut self.thread(thread).capability, NONE);
        if capability != NONE {
            self.drop_capability(capability);
        }
    }
}
