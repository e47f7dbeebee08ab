//! A machine with one CPU, told step by step what its threads do.

use coldframe_abi::{Call, CpuId, Message, Reply, UserAddress};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

/// One CPU and the threads of one process, told apart by their argument: each does what it is told when it runs.
pub struct Play {
    /// The kernel.
    pub kernel: Kernel<HostMachine<Sv39>>,
    /// Its one CPU.
    pub cpu: HostCpu<Sv39>,
}

impl Play {
    /// A machine whose first thread, with the argument zero, runs.
    pub fn new() -> Self {
        let machine = HostMachine::<Sv39>::new(1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
        let process = kernel.create_process().expect("there is memory");
        kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
        Self { kernel, cpu }
    }

    /// Who runs.
    pub fn who(&self) -> u64 {
        self.cpu.peek().argument
    }

    /// A call of whoever runs; what comes of it, if it still runs then.
    pub fn ask(&mut self, call: Call) -> Reply {
        self.tell(call, Message::default())
    }

    /// The same with a message.
    pub fn tell(&mut self, call: Call, message: Message) -> Reply {
        let registers = self.cpu.registers();
        (registers.request, registers.message) = (call.encode(), message);
        let mut resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        while resume == Resume::Again {
            resume = self.kernel.enter(&mut self.cpu, Trap::Again);
        }
        assert_eq!(resume, Resume::User, "somebody always runs");
        self.cpu.peek().reply
    }
}
