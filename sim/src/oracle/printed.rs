//! `printed`: the console against a walk of the caller's own page table, which the kernel had no part in.

use coldframe_abi::{Instant, Number, Reply};
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Inspection, Kernel};
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

use super::{PRINTED, Violation, demand};

/// How much of the console has been judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printed {
    judged: usize,
    /// Those whose call is made once more, since a page was on its way.
    again: Vec<u32>,
}

impl Printed {
    #[expect(clippy::too_many_arguments, reason = "an entry is judged by all that is known about it")]
    #[inline]
    pub(crate) fn check<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: &HostCpu<F>,
        trap: Trap,
        was: u32,
        before: &HostRegisters,
        now: Instant,
    ) -> Result<(), Violation> {
        let console = kernel.machine().console();
        let fresh = &console[std::mem::replace(&mut self.judged, console.len())..];
        let is_open = |thread: u32| view.threads[thread as usize].work().is_some();
        let writer = if trap == Trap::Syscall && before.request.number == Number::ConsoleWrite as u64 {
            if is_open(was) && !self.again.contains(&was) {
                self.again.push(was);
            }
            Some(was).filter(|was| !is_open(*was))
        } else {
            let done = self.again.iter().position(|thread| !is_open(*thread));
            done.map(|at| self.again.swap_remove(at))
        };
        let Some(writer) = writer else {
            // What the kernel has to say about a fault is its own affair.
            let report = fresh.starts_with(b"process ") && fresh.ends_with(b"\n");
            return demand(report || fresh.is_empty(), PRINTED, now, || {
                format!("{} bytes are printed and nobody asked for it", fresh.len())
            });
        };
        let row = &view.threads[writer as usize];
        let process = &view.processes[row.process() as usize];
        if process.ended().is_some() {
            // Another CPU has ended the caller on its way in: it is not served, and there is no answer.
            return demand(fresh.is_empty(), PRINTED, now, || {
                format!("{} bytes are printed for a process that has ended", fresh.len())
            });
        }
        let registers = if kernel.loaded(cpu.id()) == writer { cpu.peek() } else { row.registers() };
        let kept = row.upcall().kept().map(|place| view.interrupted[place as usize].registers());
        let writes = |registers: &&HostRegisters| registers.request.number == Number::ConsoleWrite as u64;
        // Signals may have interrupted it on its way back.
        let registers = if writes(&registers) { registers } else { kept.filter(writes).unwrap_or(registers) };
        if registers.request.number != Number::ConsoleWrite as u64 {
            // Its row is another thread's by now.
            return Ok(());
        }
        let reply: Reply = registers.reply;
        let length = reply.result().unwrap_or(0);
        demand(fresh.len() as u64 == length, PRINTED, now, || {
            format!("{} bytes are printed and the answer is {:?}", fresh.len(), reply.result())
        })?;
        let Some(space) = process.space() else { return Ok(()) };
        for (byte, address) in fresh.iter().zip(registers.request.arguments[0]..) {
            let there = kernel.machine().byte_of(space.root(), address);
            demand(there == Some(*byte), PRINTED, now, || {
                format!("{byte:#04x} is printed for {address:#x}, where the program has {there:x?}")
            })?;
        }
        Ok(())
    }
}
