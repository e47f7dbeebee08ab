//! The reference model as a watcher of threads mode: the order of the lock is the sequential explanation that it checks.

use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_scheduler::NONE;
use hal_host::threads::Watcher;
use hal_host::{HardwareFormat, HostCpu, HostMachine, HostRegisters};

use crate::model::Model;
use crate::oracle::Violation;

/// Judges what is answered on host threads, entry by entry.
#[derive(Debug)]
pub struct Judge {
    model: Model,
    /// Who made the entry that is under way, with what in its registers.
    was: u32,
    before: HostRegisters,
    entries: u64,
    found: Option<Violation>,
}

impl Judge {
    /// Of a kernel that has its first processes and has not been entered yet.
    #[must_use]
    pub fn new<F: HardwareFormat>(kernel: &Kernel<HostMachine<F>>, cpus: u16) -> Self {
        let model = Model::new(&kernel.inspect(), usize::from(cpus));
        Self { model, was: NONE, before: HostRegisters::default(), entries: 0, found: None }
    }

    /// How many entries it has seen.
    ///
    /// # Errors
    /// The first answer that no sequential run would have brought.
    pub fn verdict(self) -> Result<u64, Violation> {
        self.found.map_or(Ok(self.entries), Err)
    }
}

impl<F: HardwareFormat> Watcher<F> for Judge {
    const WATCHES: bool = true;

    fn before(&mut self, kernel: &Kernel<HostMachine<F>>, cpu: &HostCpu<F>, trap: Trap) {
        (self.was, self.before) = (kernel.loaded(cpu.id()), *cpu.peek());
        self.model.before_entry(kernel, &kernel.inspect(), trap, self.was, &self.before);
    }

    fn after(&mut self, kernel: &Kernel<HostMachine<F>>, cpu: &HostCpu<F>, trap: Trap, resume: Resume) {
        self.entries += 1;
        // Once it has lost the thread, all that follows is wrong.
        if self.found.is_some() || resume == Resume::Off {
            return;
        }
        let (view, was) = (kernel.inspect(), self.was);
        let judged = self.model.after_entry(kernel, &view, cpu, trap, resume, was, &self.before, view.now);
        self.found = judged.err();
    }
}
