//! `context-kept`: registers survive everything but their own answers.

use coldframe_abi::Instant;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_scheduler::NONE;
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

use super::{CONTEXT_KEPT, Violation, demand};

/// What each thread looked like when it left its CPU, by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contexts {
    left_with: Vec<Option<(HostRegisters, bool)>>,
    /// Who has made a call that has not been answered.
    calling: Vec<bool>,
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
        if was == runs {
            if was != NONE && was != 0 {
                return same(before, in_call, cpu.peek(), was, now);
            }
            return Ok(());
        }
        if was != NONE && was != 0 {
            *self.slot(was) = Some((*before, in_call));
        }
        if runs != NONE && runs != 0
            && let Some((registers, in_call)) = self.slot(runs).take()
            // A row whose thread has ended meanwhile starts anew.
            && cpu.peek().argument == registers.argument
            && cpu.peek().saved != [0; 4]
        {
            return same(&registers, in_call, cpu.peek(), runs, now);
        }
        Ok(())
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
    fn slot(&mut self, thread: u32) -> &mut Option<(HostRegisters, bool)> {
        let thread = thread as usize;
        if self.left_with.len() <= thread {
            self.left_with.resize(thread + 1, None);
        }
        &mut self.left_with[thread]
    }
}

fn same(
    before: &HostRegisters,
    in_call: bool,
    after: &HostRegisters,
    thread: u32,
    now: Instant,
) -> Result<(), Violation> {
    // Whether the message is the right one is for the model to say.
    let answered = if in_call {
        HostRegisters { reply: after.reply, message: after.message, ..*before }
    } else {
        *before
    };
    demand(answered == *after, CONTEXT_KEPT, now, || {
        format!("thread {thread} left with {before:?} and came back with {after:?}")
    })
}
