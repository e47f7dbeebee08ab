//! Threads of one process on one simulated CPU that yield to each other.

use coldframe_abi::{Call, CpuId, UserAddress};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{FastCall, FastReply, Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

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
        let machine = HostMachine::<Sv39>::new(1, 1 << 18, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).unwrap_or_else(|error| panic!("{error:?}"));
        let process = kernel.create_process().unwrap_or_else(|error| panic!("{error:?}"));
        let zero = UserAddress(0);
        for _ in 0..threads {
            kernel.start_process(process, zero, zero, 0).unwrap_or_else(|error| panic!("{error:?}"));
        }
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
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
