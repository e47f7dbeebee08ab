//! The reaper: takes down what has ended, in steps, as an ordinary thread without user mode.

use coldframe_abi::{ExitCode, Instant};
use coldframe_hal::{Cpu, Machine, Store};
use coldframe_memory::Teardown;
use coldframe_scheduler::{NONE, Place, Wake};

use crate::{Kernel, Life, Mapping, Process};

/// The thread that the reaper runs as.
pub(crate) const THREAD: u32 = 0;

/// How many threads one step ends, or groups it gives back.
const STEP: usize = 64;

/// The status of a process that ended because the one that made it did.
const KILLED: ExitCode = ExitCode(137);

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
        self.end_process_because(cpu, process, status, 0);
    }

    /// The same, with a word about why.
    pub(crate) fn end_process_because(
        &mut self,
        cpu: &mut M::Cpu,
        process: u32,
        status: ExitCode,
        reason: u64,
    ) {
        if self.process(process).ended.is_some() {
            return;
        }
        let row = self.process(process);
        (row.ended, row.reason) = (Some(status), reason);
        self.find_quick_calls(process);
        // Its threads stop wherever they are.
        self.change.0 += 1;
        if self.process(process).parent == NONE {
            self.alive_processes -= 1;
            if self.alive_processes == 0 {
                self.machine.power_off(status);
                self.stop_all();
            }
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

    /// An object goes that nobody can name any more: the reaper takes it down.
    pub(crate) fn call_undertaker(&mut self, object: u32) {
        self.object_row(object).dying = true;
        let next = core::mem::replace(&mut self.orphan_first, object);
        self.object_row(object).next_orphan = next;
        self.change.0 += 1;
    }

    /// Wakes the reaper if there is an object for it.
    pub(crate) fn wake_undertaker(&mut self, cpu: &mut M::Cpu) {
        let is_called = self.orphan_first != NONE || self.unshown_first != NONE;
        if is_called && self.rows.rows()[THREAD as usize].place() == Place::Waiting {
            self.make_runnable(cpu, THREAD, Wake::Start);
        }
    }

    /// One step of the reaper, on the CPU that it runs on; it waits when there is nothing to do.
    pub(crate) fn reap(&mut self, cpu: &mut M::Cpu, now: Instant) {
        if self.unshown_first != NONE {
            self.tell_of_unshown(cpu);
            return;
        }
        let (process, object) = (self.reap_first, self.orphan_first);
        if object != NONE {
            let next = self.object_row(object).next_orphan;
            if self.take_down_object(object) == Teardown::Done {
                self.orphan_first = next;
            }
            return;
        }
        if process != NONE {
            let row = self.process(process);
            assert!(row.ended.is_some(), "the reaper is called for what has ended (KRN-15)");
            self.reap_first = row.next;
            match self.reap_step(cpu, process) {
                Step::More => {
                    self.call_reaper(cpu, process);
                    return;
                }
                Step::WaitsForCpu | Step::Done => {}
            }
        }
        // What has just ended may have left objects behind, or news of them.
        let is_called = self.orphan_first != NONE || self.unshown_first != NONE;
        if self.reap_first == NONE && !is_called {
            let mut scheduler = self.scheduler();
            let loose = scheduler.stop(cpu.id(), now);
            scheduler.park(loose);
        }
    }

    fn reap_step(&mut self, cpu: &mut M::Cpu, process: u32) -> Step {
        if self.process(process).is_waking {
            return Step::More;
        }
        // What it has made goes first, one after the other; the last step of each calls the reaper for this one.
        let child = self.process(process).first_child;
        if child != NONE {
            self.end_process(cpu, child, KILLED);
            return Step::WaitsForCpu;
        }
        let mut has_called = false;
        for _ in 0..STEP {
            let thread = self.process(process).first_thread;
            if thread == NONE {
                // Whoever is in the queue is not taken down before its turn: its row would be another's then.
                return if has_called { Step::More } else { self.reap_process(cpu, process) };
            }
            if self.thread(thread).life == Life::Alive {
                if self.rows.rows()[thread as usize].place() == Place::Running {
                    return self.look_behind(process, thread);
                }
                match self.take_loans_back(cpu, thread) {
                    Some(true) => return Step::More,
                    Some(false) => return Step::WaitsForCpu,
                    None => {}
                }
                let loose = self.scheduler().take(thread);
                self.end_thread(cpu, loose, 0);
                has_called = true;
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

    /// Forgets mappings and gives objects back, a few a step.
    fn take_objects_down(&mut self, cpu: &mut M::Cpu, process: u32) -> Step {
        for _ in 0..STEP {
            let mapping = self.process(process).first_mapping;
            if mapping == NONE {
                break;
            }
            let Mapping { worker, object, .. } = *self.mapping_row(mapping);
            if worker != NONE {
                // A thread of another process is at it, and may never run again.
                self.take_from_worker(mapping);
            }
            self.forget_mapping(mapping);
            if self.is_orphan(object) && self.object_row(object).process != process {
                self.call_undertaker(object);
            }
        }
        let row = self.process(process);
        if row.first_mapping != NONE {
            return Step::More;
        }
        let object = row.first_object;
        if object == NONE {
            return Step::Done;
        }
        if self.object_row(object).next_orphan != NONE || self.orphan_first == object {
            // It goes by itself.
            return Step::More;
        }
        if !self.object_row(object).words.is_empty() && self.wake_those_at(cpu, object) {
            return Step::More;
        }
        let _ = self.take_down_object(object);
        Step::More
    }

    fn reap_process(&mut self, cpu: &mut M::Cpu, process: u32) -> Step {
        let row = self.process(process);
        if !row.active_on.is_empty() || row.round.is_some() {
            return Step::WaitsForCpu;
        }
        for _ in 0..STEP {
            if !self.give_group_row(process) {
                break;
            }
        }
        if self.process(process).first_group != NONE {
            return Step::More;
        }
        match self.take_objects_down(cpu, process) {
            Step::Done => {}
            other => return other,
        }
        if self.take_chunk_back(cpu, process) {
            return Step::More;
        }
        let Some((space, mut means)) = self.space_of(process) else { return Step::Done };
        if space.take_down(&mut means) == Teardown::More {
            return Step::More;
        }
        if !self.ring(cpu, process) {
            return Step::More;
        }
        self.process(process).space = None;
        self.return_budget(process);
        self.leave_parent(cpu, process);
        self.tell_watcher(cpu, process);
        if self.process(process).capabilities == 0 {
            self.give_process_row(process);
        }
        Step::Done
    }

    fn leave_parent(&mut self, cpu: &mut M::Cpu, process: u32) {
        let Process { parent, next_sibling: next, previous_sibling: previous, .. } = *self.process(process);
        if parent == NONE {
            return;
        }
        match previous {
            NONE => self.process(parent).first_child = next,
            previous => self.process(previous).next_sibling = next,
        }
        if next != NONE {
            self.process(next).previous_sibling = previous;
        }
        if self.process(parent).ended.is_some() {
            self.call_reaper(cpu, parent);
        }
    }

    fn tell_watcher(&mut self, cpu: &mut M::Cpu, process: u32) {
        let row = self.process(process);
        let (watcher, status) = (core::mem::replace(&mut row.watcher, NONE), row.ended.unwrap_or_default());
        if watcher != NONE {
            self.wake(cpu, watcher, Ok(u64::from(status.0)), Wake::Event);
        }
    }
}
