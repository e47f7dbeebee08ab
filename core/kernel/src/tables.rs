//! How tables grow, and rows that are taken and given back.

use coldframe_hal::{Machine, PhysicalMemory, Row, Store};
use coldframe_memory::{Budget, FrameError, Frames};
use coldframe_scheduler::NONE;

use crate::{Kernel, Life, Process, Thread};

/// Grows a table until it has `rows` rows, by frames that are paid for or belong to nobody yet.
pub(crate) fn grow_paid<T: Row, S: Store<T>>(
    store: &mut S,
    rows: usize,
    memory: &mut impl PhysicalMemory,
    frames: &mut Frames,
) -> Result<(), FrameError> {
    while store.rows().len() < rows {
        store.grow(frames.take(memory)?);
    }
    Ok(())
}

/// Grows a table until it has `rows` rows, out of the kernel's own budget: it never takes what somebody was promised.
pub(crate) fn grow_to<T: Row, S: Store<T>>(
    store: &mut S,
    rows: usize,
    memory: &mut impl PhysicalMemory,
    frames: &mut Frames,
    own: &mut Budget,
) -> Result<(), FrameError> {
    while store.rows().len() < rows {
        own.charge(1).map_err(|_| FrameError::Exhausted)?;
        let grown = grow_paid(store, store.rows().len() + 1, memory, frames);
        grown.inspect_err(|_| own.refund(1))?;
    }
    Ok(())
}

impl<M: Machine> Kernel<M> {
    /// Takes a free row for a thread; its five tables grow together if there is none.
    pub(crate) fn take_thread_row(&mut self) -> Result<u32, FrameError> {
        if self.free_thread == NONE {
            self.grow_threads()?;
        }
        let thread = self.free_thread;
        let row = self.thread(thread);
        assert_eq!(row.life, Life::Free, "free rows have no thread");
        let (generation, kept_replies, next) = (row.generation + 1, row.kept_replies, row.next);
        *row = Thread { generation, kept_replies, ..Thread::default() };
        self.free_thread = next;
        Ok(thread)
    }

    /// Gives a row back; one whose generation would wrap is retired instead, so that no stale handle ever fits.
    pub(crate) fn give_thread_row(&mut self, thread: u32) {
        let first_free = self.free_thread;
        let row = self.thread(thread);
        row.life = Life::Free;
        if row.generation < u32::MAX {
            row.next = first_free;
            self.free_thread = thread;
        }
    }

    fn grow_threads(&mut self) -> Result<(), FrameError> {
        let first = self.state.admitted() as usize;
        let Self { machine, frames, threads, rows, turns, timers, waiters, own, .. } = self;
        grow_to(threads, first + 1, machine, frames, own)?;
        grow_to(rows, first + 1, machine, frames, own)?;
        grow_to(turns, first + 1, machine, frames, own)?;
        // One for its waits, and one for its alarm.
        grow_to(timers, (first + 1) * 2, machine, frames, own)?;
        grow_to(waiters, first + 1, machine, frames, own)?;
        // The largest rows set the pace: what the other tables have beyond is used at the next growth.
        let lengths = [threads.rows().len(), rows.rows().len(), turns.rows().len(), timers.rows().len() / 2];
        let end = lengths.into_iter().fold(waiters.rows().len(), usize::min);
        for thread in (first..end).rev() {
            self.thread(thread as u32).next = self.free_thread;
            self.free_thread = thread as u32;
        }
        for thread in first..end {
            self.scheduler().admit(thread as u32);
        }
        Ok(())
    }

    /// Takes a free row for a process.
    pub(crate) fn take_process_row(&mut self) -> Result<u32, FrameError> {
        if self.free_process == NONE {
            let first = self.processes.rows().len();
            let Self { machine, frames, processes, own, .. } = self;
            grow_to(processes, first + 1, machine, frames, own)?;
            for process in (first..self.processes.rows().len()).rev() {
                self.process(process as u32).next_sibling = self.free_process;
                self.free_process = process as u32;
            }
        }
        let process = self.free_process;
        // Whoever gave the row back has left nothing else in it (`give_process_row`).
        let row = self.process(process);
        (row.generation, row.ended) = (row.generation + 1, None);
        self.free_process = core::mem::replace(&mut self.process(process).next_sibling, NONE);
        Ok(process)
    }

    /// Gives the row of a process back of which nothing is left. How it ended stays to be seen.
    pub(crate) fn give_process_row(&mut self, process: u32) {
        let first_free = self.free_process;
        let row = self.process(process);
        let (generation, ended) = (row.generation, row.ended);
        // Whoever asks by an old name gets the next generation to hear.
        *row = Process { ended, ..Process::default() };
        if generation < u32::MAX {
            row.generation = generation;
            row.next_sibling = first_free;
            self.free_process = process;
        }
    }

    /// Takes a free row for a group of a process.
    pub(crate) fn take_group_row(&mut self, process: u32) -> Result<u32, FrameError> {
        if self.free_group == NONE {
            let first = self.groups.rows().len();
            let Self { machine, frames, groups, own, .. } = self;
            grow_to(groups, first + 1, machine, frames, own)?;
            for group in (first..self.groups.rows().len()).rev() {
                self.groups.rows_mut()[group].next = self.free_group;
                self.free_group = group as u32;
            }
        }
        let group = self.free_group;
        let first_of_process = self.process(process).first_group;
        let row = &mut self.groups.rows_mut()[group as usize];
        self.free_group = row.next;
        row.generation += 1;
        row.process = process;
        row.next = first_of_process;
        self.process(process).first_group = group;
        Ok(group)
    }

    /// Gives the first group of a process back; false if it has none.
    pub(crate) fn give_group_row(&mut self, process: u32) -> bool {
        let group = self.process(process).first_group;
        if group == NONE {
            return false;
        }
        let first_free = self.free_group;
        let row = &mut self.groups.rows_mut()[group as usize];
        let next = row.next;
        row.process = NONE;
        row.next = NONE;
        if row.generation < u32::MAX {
            row.next = first_free;
            self.free_group = group;
        }
        self.process(process).first_group = next;
        true
    }

    /// Links a thread into its process's ring.
    pub(crate) fn join_process(&mut self, thread: u32, process: u32) {
        let first = self.process(process).first_thread;
        let last = if first == NONE { thread } else { self.thread(first).previous };
        let row = self.thread(thread);
        row.process = process;
        row.next = if first == NONE { thread } else { first };
        row.previous = last;
        if first == NONE {
            self.process(process).first_thread = thread;
        } else {
            self.thread(last).next = thread;
            self.thread(first).previous = thread;
        }
        self.process(process).alive_threads += 1;
    }

    /// Takes an ended thread out of its process's ring.
    pub(crate) fn leave_process(&mut self, thread: u32) {
        let row = self.thread(thread);
        let (process, next, previous) = (row.process, row.next, row.previous);
        if next == thread {
            self.process(process).first_thread = NONE;
            return;
        }
        self.thread(previous).next = next;
        self.thread(next).previous = previous;
        if self.process(process).first_thread == thread {
            self.process(process).first_thread = next;
        }
    }
}
