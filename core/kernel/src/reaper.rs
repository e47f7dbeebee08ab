//! The reaper: takes down what has ended, in steps, as an ordinary thread without user mode.

use coldframe_abi::{ExitCode, Instant};
use coldframe_hal::{Cpu, Machine, Store};
use coldframe_memory::Teardown;
use coldframe_scheduler::{NONE, Place, Wake};

use crate::{Kernel, Life, Process};

/// The thread that the reaper runs as.
pub(crate) const THREAD: u32 = 0;

/// How many threads one step ends, or groups it gives back.
const STEP: usize = 64;

/// What one step has found out.
enum Step {
    More,
    /// Another CPU has to come in first; it will call the reaper.
    WaitsForCpu,
    Done,
}

impl<M: Machine> Kernel<M> {
    /// Ends a process: none of its threads enters user mode again, and the reaper does the rest.
    pub(crate) fn end_process(&mut self, cpu: &mut M::Cpu, process: u32, status: ExitCode) {
        if self.process(process).ended.is_some() {
            return;
        }
        self.process(process).ended = Some(status);
        // Its threads stop wherever they are.
        self.change.0 += 1;
        self.alive_processes -= 1;
        self.forget_waiters(process);
        if self.alive_processes == 0 {
            self.machine.power_off(status);
            self.off = true;
        }
        let active_on = self.process(process).active_on;
        for other in active_on.iter() {
            let kick = self.scheduler().kick(other, cpu.id());
            self.deliver(cpu, kick);
        }
        self.call_reaper(cpu, process);
    }

    /// Puts an ended process into the reaper's queue, unless it is there.
    pub(crate) fn call_reaper(&mut self, cpu: &mut M::Cpu, process: u32) {
        let mut at = self.reap_first;
        while at != NONE {
            if at == process {
                return;
            }
            at = self.process(at).next;
        }
        self.process(process).next = self.reap_first;
        self.reap_first = process;
        if self.rows.rows()[THREAD as usize].place() == Place::Waiting {
            self.make_runnable(cpu, THREAD, Wake::Start);
        }
    }

    /// One step of the reaper, on the CPU that it runs on; it waits when there is nothing to do.
    pub(crate) fn reap(&mut self, cpu: &mut M::Cpu, now: Instant) {
        let process = self.reap_first;
        if process != NONE {
            match self.reap_step(cpu, process) {
                Step::More => return,
                Step::WaitsForCpu | Step::Done => self.reap_first = self.process(process).next,
            }
        }
        if self.reap_first == NONE {
            let mut scheduler = self.scheduler();
            let loose = scheduler.stop(cpu.id(), now);
            scheduler.park(loose);
        }
    }

    fn reap_step(&mut self, cpu: &mut M::Cpu, process: u32) -> Step {
        for _ in 0..STEP {
            let thread = self.process(process).first_thread;
            if thread == NONE {
                return self.reap_process(process);
            }
            if self.thread(thread).life == Life::Alive {
                if self.rows.rows()[thread as usize].place() == Place::Running {
                    return self.look_behind(process, thread);
                }
                let loose = self.scheduler().take(thread);
                self.end_thread(cpu, loose, 0);
                continue;
            }
            self.forget_thread(thread);
        }
        Step::More
    }

    /// A running thread ends on its own CPU: until then the others behind it can go.
    fn look_behind(&mut self, process: u32, thread: u32) -> Step {
        let next = self.thread(thread).next;
        if next == thread || self.rows.rows()[next as usize].place() == Place::Running {
            return Step::WaitsForCpu;
        }
        self.process(process).first_thread = next;
        Step::More
    }

    /// Forgets mappings and gives objects back, a few a step; says whether there was one.
    fn take_objects_down(&mut self, process: u32) -> bool {
        for _ in 0..STEP {
            let mapping = self.process(process).first_mapping;
            if mapping == NONE {
                break;
            }
            self.forget_mapping(mapping);
        }
        let row = self.process(process);
        if row.first_mapping != NONE {
            return true;
        }
        let object = row.first_object;
        if object == NONE {
            return false;
        }
        let _ = self.take_down_object(object);
        true
    }

    fn reap_process(&mut self, process: u32) -> Step {
        let row = self.process(process);
        if !row.active_on.is_empty() || row.round.is_some() {
            return Step::WaitsForCpu;
        }
        if row.is_waking {
            return Step::More;
        }
        for _ in 0..STEP {
            if !self.give_group_row(process) {
                break;
            }
        }
        if self.process(process).first_group != NONE {
            return Step::More;
        }
        if self.take_objects_down(process) || self.take_chunk_back(process) {
            return Step::More;
        }
        let Some((space, mut means)) = self.space_of(process) else { return Step::Done };
        if space.take_down(&mut means) == Teardown::More {
            return Step::More;
        }
        let row = self.process(process);
        let budget = row.budget;
        *row = Process { next: row.next, ended: row.ended, ..Process::default() };
        self.budget.rejoin(budget);
        Step::Done
    }
}
