//! Upcalls: signals that nobody receives interrupt a thread. It runs a handler on another stack, and goes on afterwards
//! with all registers as if there had been none.

use coldframe_abi::{CapabilityRights, Error};
use coldframe_hal::{Cpu, Machine, Store, UserRegisters};
use coldframe_memory::FrameError;
use coldframe_scheduler::{NONE, Place, Wake};

use crate::tables::grow_to;
use crate::{Kernel, LentName, Registers, WaitsFor};

/// What interrupts a thread, and where it goes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upcall {
    /// By which name it could receive the signals itself.
    pub(crate) name: LentName,
    pub(crate) handler: u64,
    pub(crate) stack: u64,
    /// Signals may be there for it.
    pub(crate) is_due: bool,
    /// It runs the handler, and what it did before is kept.
    pub(crate) is_in_it: bool,
    /// Where that is kept; `NONE` if it has none.
    pub(crate) place: u32,
}

impl Default for Upcall {
    fn default() -> Self {
        let name = LentName::default();
        Self { name, handler: 0, stack: 0, is_due: false, is_in_it: false, place: NONE }
    }
}

impl Upcall {
    /// By which name the thread could receive the signals itself, the handler, and its stack; if there is one.
    #[must_use]
    pub const fn target(&self) -> Option<(LentName, u64, u64)> {
        if self.place == NONE { None } else { Some((self.name, self.handler, self.stack)) }
    }

    /// Where what the thread did before is kept, while it runs the handler.
    #[must_use]
    pub const fn kept(&self) -> Option<u32> {
        if self.is_in_it { Some(self.place) } else { None }
    }
}

/// What a thread did before an upcall.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interrupted<R> {
    registers: R,
    /// The next free row.
    next: u32,
}

impl<R> Interrupted<R> {
    /// What it had in its registers.
    #[must_use]
    pub const fn registers(&self) -> &R {
        &self.registers
    }
}

impl<R: Default> Default for Interrupted<R> {
    fn default() -> Self {
        Self { registers: R::default(), next: NONE }
    }
}

impl<M: Machine> Kernel<M> {
    /// From now on the signals of an endpoint that nobody receives interrupt a thread.
    pub(crate) fn set_upcall(
        &mut self,
        thread: u32,
        endpoint: u32,
        name: LentName,
        (handler, stack): (u64, u64),
    ) -> Result<(), Error> {
        if self.upcall_of(endpoint).is_some_and(|other| other != thread) {
            return Err(Error::Busy);
        }
        let mut upcall = self.thread(thread).upcall;
        if upcall.place == NONE {
            upcall.place = self.take_interrupted().map_err(|_| Error::NoMemory)?;
        }
        (upcall.name, upcall.handler, upcall.stack) = (name, handler, stack);
        self.thread(thread).upcall = upcall;
        self.endpoint_row(endpoint).upcall = thread;
        // What has been raised before is there for it.
        self.set_due(thread, true);
        Ok(())
    }

    /// A thread is interrupted by nothing any more; what it has been interrupted at is given up if it is in one.
    pub(crate) fn drop_upcall(&mut self, thread: u32) {
        self.set_due(thread, false);
        let Upcall { place, .. } = core::mem::take(&mut self.thread(thread).upcall);
        if place != NONE {
            let next = core::mem::replace(&mut self.free_interrupted, place);
            self.interrupted.rows_mut()[place as usize].next = next;
        }
    }

    /// The thread that the signals of an endpoint interrupt, if there is one and its name for the endpoint stands.
    fn upcall_of(&self, endpoint: u32) -> Option<u32> {
        let thread = self.endpoints.rows()[endpoint as usize].upcall;
        let upcall = &self.threads.rows().get(thread as usize)?.upcall;
        let (name, ..) = upcall.target()?;
        // What comes to the set of its endpoint it has not asked for.
        (self.lent_target(name, CapabilityRights::READ) == Some(endpoint)).then_some(thread)
    }

    /// Signals stay at an endpoint: whoever they interrupt is told, wherever it is.
    #[cold]
    pub(crate) fn call_up(&mut self, cpu: &mut M::Cpu, endpoint: u32) {
        let Some(thread) = self.upcall_of(endpoint) else { return };
        let upcall = &mut self.thread(thread).upcall;
        if upcall.is_in_it {
            // It looks again at the end of this one.
            return;
        }
        self.set_due(thread, true);
        let row = &self.rows.rows()[thread as usize];
        let (place, on) = (row.place(), row.cpu());
        match place {
            Place::Waiting => self.interrupt_wait(cpu, thread),
            Place::Running if on != cpu.id() => {
                let kick = self.scheduler().kick(on, cpu.id());
                self.deliver(cpu, kick);
            }
            _ => {}
        }
    }

    /// Ends the wait of a thread for a message, at a word, for a moment or for an end; says whether it was in one.
    pub(crate) fn end_of_wait(&mut self, cpu: &mut M::Cpu, thread: u32, error: Error) -> bool {
        if self.thread(thread).fault.is_some() {
            // It waits for no message that it has asked for.
            return false;
        }
        match self.thread(thread).waits_for {
            WaitsFor::InLine(_) => self.wake_from_line(cpu, thread, Err(error)),
            WaitsFor::Reply(server) => {
                self.leave_server(cpu, thread, server);
                self.wake(cpu, thread, Err(error), Wake::Event);
            }
            WaitsFor::KeptReply(_) | WaitsFor::Time => self.wake(cpu, thread, Err(error), Wake::Event),
            WaitsFor::EndOf(_) | WaitsFor::EndOfProcess(_) => {
                self.leave_end(thread);
                self.wake(cpu, thread, Err(error), Wake::Event);
            }
            WaitsFor::Nothing | WaitsFor::Round(_) | WaitsFor::Penalty => return false,
        }
        true
    }

    /// The running thread has begun to wait, or has been answered: if signals have come before, they interrupt that.
    #[cold]
    pub(crate) fn look_for_signals(&mut self, cpu: &mut M::Cpu) {
        let thread = self.of_cpu(cpu).loaded;
        if thread == NONE || !self.thread(thread).upcall.is_due {
            return;
        }
        let waits = self.rows.rows()[thread as usize].place() == Place::Waiting;
        if waits && self.signals_for(thread).is_some() {
            self.interrupt_wait(cpu, thread);
        }
    }

    /// Where signals are that interrupt a thread.
    fn signals_for(&self, thread: u32) -> Option<u32> {
        let upcall = &self.threads.rows()[thread as usize].upcall;
        let (name, ..) = upcall.target().filter(|_| !upcall.is_in_it)?;
        let endpoint = self.lent_target(name, CapabilityRights::READ)?;
        let row = &self.endpoints.rows()[endpoint as usize];
        (row.upcall == thread && row.signals != 0).then_some(endpoint)
    }

    /// A thread that is to be interrupted waits: that ends, if it may.
    fn interrupt_wait(&mut self, cpu: &mut M::Cpu, thread: u32) {
        let _ = self.end_of_wait(cpu, thread, Error::Cancelled);
    }

    /// The thread that is about to go on here runs its handler instead, if signals are there.
    #[cold]
    pub(crate) fn interrupt(&mut self, cpu: &mut M::Cpu, thread: u32) {
        if !self.thread(thread).upcall.is_due {
            return;
        }
        self.set_due(thread, false);
        let Some(endpoint) = self.signals_for(thread) else { return };
        let bits = core::mem::take(&mut self.endpoint_row(endpoint).signals);
        let upcall = &mut self.thread(thread).upcall;
        upcall.is_in_it = true;
        let Upcall { handler, stack, place, .. } = *upcall;
        self.interrupted.rows_mut()[place as usize].registers.clone_from(cpu.registers());
        let pointer = cpu.registers().thread_pointer();
        *cpu.registers() = Registers::<M>::start(handler, stack, bits);
        cpu.registers().set_thread_pointer(pointer);
    }

    /// The running thread goes on with what it has been interrupted at.
    ///
    /// # Errors
    /// `BadState` if it has not been.
    pub(crate) fn end_upcall(&mut self, cpu: &mut M::Cpu, thread: u32) -> Result<(), Error> {
        let upcall = &mut self.thread(thread).upcall;
        if !upcall.is_in_it {
            return Err(Error::BadState);
        }
        upcall.is_in_it = false;
        let place = upcall.place as usize;
        cpu.registers().clone_from(&self.interrupted.rows()[place].registers);
        self.set_due(thread, true);
        Ok(())
    }

    /// A thread has to look whether signals interrupt it, before it goes on, or it has done so.
    fn set_due(&mut self, thread: u32, is_due: bool) {
        let was_due = core::mem::replace(&mut self.thread(thread).upcall.is_due, is_due);
        self.due_upcalls = self.due_upcalls + u32::from(is_due) - u32::from(was_due);
        // Whoever has looked who runs looks again.
        self.change.0 += 1;
    }

    fn take_interrupted(&mut self) -> Result<u32, FrameError> {
        if self.free_interrupted == NONE {
            let first = self.interrupted.rows().len();
            let Self { machine, frames, interrupted, own, .. } = self;
            grow_to(interrupted, first + 1, machine, frames, own)?;
            for place in (first..self.interrupted.rows().len()).rev() {
                self.interrupted.rows_mut()[place].next = self.free_interrupted;
                self.free_interrupted = place as u32;
            }
        }
        let place = self.free_interrupted;
        self.free_interrupted = self.interrupted.rows()[place as usize].next;
        Ok(place)
    }
}
