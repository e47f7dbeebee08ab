//! The end of a machine, and what a thread did that it may not.

use core::fmt::{self, Write};

use coldframe_abi::{Authority, ExitCode, UserAddress};
use coldframe_hal::{Console, Cpu, Machine, UserRegisters};

use super::{Caller, Outcome};
use crate::Kernel;

/// The status of a process that was ended because of a fault.
const FAULTED: ExitCode = ExitCode(139);

struct Report<'a, C: Console>(&'a mut C);

impl<C: Console> Write for Report<'_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl<M: Machine> Kernel<M> {
    pub(super) fn power_off(&mut self, caller: Caller, status: ExitCode) -> Outcome {
        if let Err(error) = self.may(caller.process, Authority::Power, 0) {
            return Err::<u64, _>(error).into();
        }
        self.machine.power_off(status);
        self.off = true;
        // No thread goes on.
        self.change.0 += 1;
        Outcome::Settled
    }

    /// Nobody handles the fault of this thread: its process ends, the machine goes on.
    pub(crate) fn fault(&mut self, cpu: &mut M::Cpu, cause: u64, address: u64) {
        let Some(thread) = self.current(cpu) else { return };
        let process = self.thread(thread).process;
        let at = cpu.registers().program_counter();
        let entry =
            self.space_of(process).and_then(|(space, means)| space.query(means.memory, UserAddress(address)));
        let budget = self.process(process).budget;
        let mut report = Report(&mut self.machine);
        // Writing to a console cannot fail.
        let _ = writeln!(
            report,
            "process {process} ended: its thread {thread} had fault {cause} at {at:#x}, about {address:#x}, on {}",
            cpu.id(),
        );
        if let Some((entry, level)) = entry {
            let (used, limit) = (budget.used(), budget.limit());
            let _ = writeln!(report, "  there: {entry:x?} at level {level}; it had {used} of {limit} frames");
        }
        self.end_process(cpu, process, FAULTED);
    }
}
