//! Threads of one process on one simulated CPU that yield to each other.

use coldframe_abi::Call;
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{FastCall, FastReply, Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

use crate::started::started;

/// Some threads, of which one runs.
pub struct Yielders {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
}

impl Yielders {
    /// So many.
    ///
    /// # Panics
    /// If the simulated machine is too small for them.
    #[must_use]
    pub fn new(threads: u32) -> Self {
        let (kernel, cpu) = started(threads, 1 << 18);
        Self { kernel, cpu }
    }

    /// The running one yields, the fast way.
    pub fn yield_fast(&mut self) {
        let done = self.kernel.fast(&mut self.cpu, FastCall::YieldNow, [0; 3]);
        assert_eq!(done, Some(FastReply::Swapped), "nothing is in the way");
    }

    /// The same the slow way.
    pub fn yield_slowly(&mut self) {
        self.cpu.registers().request = Call::YieldNow {}.encode();
        let resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        assert_eq!(resume, Resume::User, "somebody goes on");
    }
}
