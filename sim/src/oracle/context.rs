//! `context-kept`: registers survive everything but their own answers.

use coldframe_abi::{CapabilityHandle, FLOAT_REGISTERS, Instant, Number, Reply};
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Life, Resume};
use coldframe_scheduler::NONE;
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

use super::{CONTEXT_KEPT, Violation, demand};

/// What a thread was up to when it left its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Interrupted,
    /// It gets an answer.
    InCall,
    /// It may be told to go on somewhere else.
    InFault,
}

/// What each thread looked like when it left its CPU, by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts {
    left_with: Vec<Option<(HostRegisters, Left)>>,
    /// Which thread of its row that was.
    generations: Vec<u32>,
    /// Who has made a call that has not been answered.
    calling: Vec<bool>,
    /// Who runs a handler, as far as it has been seen: which thread of its row.
    interrupted: Vec<Option<u32>>,
}

impl Contexts {
    #[expect(clippy::too_many_arguments, reason = "an entry is judged by all that is known about it")]
    #[inline]
    pub(crate) fn check<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        cpu: &HostCpu<F>,
        trap: Trap,
        resume: Resume,
        was: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let runs = kernel.loaded(cpu.id());
        let in_call = was != NONE && {
            let calling = self.calling(was);
            *calling |= trap == Trap::Syscall;
            *calling
        };
        if resume == Resume::User {
            *self.calling(runs) = false;
        }
        let left = if in_call { Left::InCall } else { Left::Interrupted };
        let ends = trap == Trap::Syscall && before.request.number == Number::UpcallEnd as u64;
        // Behind an upcall, if there is one; what comes of its end is for the model to say.
        let found = self.behind_upcall(kernel, runs, ends && was == runs, resume).unwrap_or(*cpu.peek());
        if trap == Trap::Syscall {
            // Whoever has made the call may have had to leave in the same entry.
            let away = kernel.inspect().threads.get(was as usize);
            let away = away.filter(|row| row.life() == Life::Alive).map(|row| row.registers().reply);
            if let Some(reply) = if was == runs { Some(found.reply) } else { away } {
                self.follow_registers(kernel, before, reply, now)?;
            }
        }
        if was == runs {
            if was != NONE && was != 0 && !ends {
                return same(before, left, &found, was, now);
            }
            return Ok(());
        }
        if was != NONE && was != 0 {
            let in_fault = kernel.inspect().threads[was as usize].fault().is_some();
            let left = if in_fault { Left::InFault } else { left };
            let generation = kernel.inspect().threads[was as usize].generation();
            if self.generations.len() <= was as usize {
                self.generations.resize(was as usize + 1, 0);
            }
            self.generations[was as usize] = generation;
            if let Some(seen) = self.interrupted.get_mut(was as usize).filter(|_| ends) {
                *seen = None;
            }
            *self.slot(was) = if ends {
                Some((*kernel.inspect().threads[was as usize].registers(), Left::Interrupted))
            } else {
                Some((*before, left))
            };
        }
        if runs != NONE && runs != 0
            && let Some((registers, left)) = self.slot(runs).take()
            // Another thread of the same row starts anew.
            && self.generations.get(runs as usize) == Some(&kernel.inspect().threads[runs as usize].generation())
        {
            return same(&registers, left, &found, runs, now);
        }
        Ok(())
    }

    /// Somebody has looked at a register of a thread that is stopped, or has changed it.
    fn follow_registers<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        caller: &HostRegisters,
        reply: Reply,
        now: Instant,
    ) -> Result<(), Violation> {
        let changes = caller.request.number == Number::ThreadSetRegister as u64;
        let looks = caller.request.number == Number::ThreadRegister as u64;
        let ([name, number, value, ..], Ok(found)) = (caller.request.arguments, reply.result()) else {
            return Ok(());
        };
        if !changes && !looks {
            return Ok(());
        }
        let slot = CapabilityHandle::from_word(name).slot;
        let thread = kernel.inspect().capabilities[slot as usize].target().row;
        // One that has never run has what it was started with, whoever has had its row before.
        let generation = kernel.inspect().threads[thread as usize].generation();
        if self.generations.get(thread as usize) != Some(&generation) {
            return Ok(());
        }
        let Some((registers, _)) = self.slot(thread) else { return Ok(()) };
        if changes {
            *meant(registers, number) = value;
            return Ok(());
        }
        let expected = *meant(registers, number);
        demand(found == expected, CONTEXT_KEPT, now, || {
            format!("thread {thread} left with {expected:#x} in register {number}, and {found:#x} is found")
        })
    }

    /// What the thread that goes on here had before it was interrupted, if it was in this entry.
    fn behind_upcall<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        runs: u32,
        ends: bool,
        resume: Resume,
    ) -> Option<HostRegisters> {
        let view = kernel.inspect();
        let row = view.threads.get(runs as usize).filter(|_| resume == Resume::User)?;
        if self.interrupted.len() <= runs as usize {
            self.interrupted.resize(runs as usize + 1, None);
        }
        let kept = row.upcall().kept();
        let is_in_one = kept.map(|_| row.generation());
        let was_in_one = std::mem::replace(&mut self.interrupted[runs as usize], is_in_one);
        let was_in_one = was_in_one == Some(row.generation());
        let kept = kept.filter(|_| !was_in_one || ends)?;
        Some(*view.interrupted[kept as usize].registers())
    }

    #[inline]
    fn calling(&mut self, thread: u32) -> &mut bool {
        let thread = thread as usize;
        if self.calling.len() <= thread {
            self.calling.resize(thread + 1, false);
        }
        &mut self.calling[thread]
    }

    #[inline]
    fn slot(&mut self, thread: u32) -> &mut Option<(HostRegisters, Left)> {
        let thread = thread as usize;
        if self.left_with.len() <= thread {
            self.left_with.resize(thread + 1, None);
        }
        &mut self.left_with[thread]
    }
}

/// The register of a simulated thread that a number means.
fn meant(registers: &mut HostRegisters, number: u64) -> &mut u64 {
    match number {
        0 => &mut registers.program_counter,
        1 => &mut registers.stack,
        2..6 => &mut registers.saved[number as usize - 2],
        number => &mut registers.float[(number - FLOAT_REGISTERS) as usize],
    }
}

fn same(
    before: &HostRegisters,
    left: Left,
    after: &HostRegisters,
    thread: u32,
    now: Instant,
) -> Result<(), Violation> {
    // Whether the message is the right one, and the place to go on at, is for the model to say.
    let answered = match left {
        Left::Interrupted => *before,
        Left::InCall => {
            let moves = before.request.number == Number::ThreadPointer as u64 && after.reply.result().is_ok();
            let thread_pointer = if moves { before.request.arguments[0] } else { before.thread_pointer };
            HostRegisters { reply: after.reply, message: after.message, thread_pointer, ..*before }
        }
        Left::InFault => {
            HostRegisters { program_counter: after.program_counter, stack: after.stack, ..*before }
        }
    };
    demand(answered == *after, CONTEXT_KEPT, now, || {
        format!("thread {thread} left with {before:?} and came back with {after:?}")
    })
}
