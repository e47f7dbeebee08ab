//! A kernel on one simulated CPU, on which a thread runs.

use coldframe_abi::{CpuId, UserAddress};
use coldframe_hal::Trap;
use coldframe_hal::paging::Sv39;
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

/// With so many threads of one process, on a machine of so many frames.
///
/// # Panics
/// If the machine is too small for them.
pub(crate) fn started(threads: u32, frames: usize) -> (Kernel<HostMachine<Sv39>>, HostCpu<Sv39>) {
    let machine = HostMachine::<Sv39>::new(1, frames, 1);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, 1, map).unwrap_or_else(|error| panic!("{error:?}"));
    let process = kernel.create_process().unwrap_or_else(|error| panic!("{error:?}"));
    let zero = UserAddress(0);
    for _ in 0..threads {
        kernel.start_process(process, zero, zero, 0).unwrap_or_else(|error| panic!("{error:?}"));
    }
    let mut cpu = HostCpu::new(CpuId(0));
    assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
    (kernel, cpu)
}
