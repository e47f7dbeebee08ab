//! CPUs as host threads around the real lock: whatever the order, every thread ends, the kernel is sound, and the model
//! explains every answer by the order of the lock.

use coldframe_abi::{
    Call, CpuId, Deadline, PageRights, Priority, ThreadHandle, UserAddress, UserRange, Word,
};
use coldframe_hal::Trap;
use coldframe_hal::paging::Sv39;
use coldframe_kernel::{Kernel, Life};
use hal_host::threads::{UserMode, run_watched};
use hal_host::{HostMachine, HostRegisters};
use proptest::prelude::*;
use sim::judge::Judge;

/// A program in registers: makes `children` threads, joins each, and ends; a child works, sleeps, and ends.
struct Family {
    children: u64,
    work: u64,
}

/// The phases of a thread, in `program_counter`.
const MAKE: u64 = 0;
const JOIN: u64 = 1;
const WORK: u64 = 2;

impl UserMode<Sv39> for Family {
    fn run(&self, _: CpuId, registers: &mut HostRegisters) -> Option<Trap> {
        let call = match registers.program_counter {
            MAKE if registers.argument == 1 => {
                registers.program_counter = WORK;
                return None;
            }
            MAKE => {
                registers.program_counter = JOIN;
                if registers.saved[0] == self.children {
                    Call::ThreadExit { result: Word(0) }
                } else {
                    Call::ThreadCreate { entry: UserAddress(0), stack: UserAddress(0), argument: Word(1) }
                }
            }
            JOIN => {
                assert_eq!(registers.reply.status, 0, "a thread is made");
                registers.program_counter = MAKE;
                registers.saved[0] += 1;
                let thread = ThreadHandle::from_word(registers.reply.value);
                Call::ThreadJoin { thread, deadline: Deadline::NEVER }
            }
            phase => {
                registers.program_counter += 1;
                match phase - WORK {
                    step if step >= self.work => Call::ThreadExit { result: Word(7) },
                    step if step % 3 == 0 => Call::YieldNow {},
                    step if step % 3 == 1 => Call::Sleep { until: Deadline(step * 1_000) },
                    _ => Call::ThreadSelf {},
                }
            }
        };
        registers.request = call.encode();
        Some(Trap::Syscall)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn families_end_on_any_number_of_cpus(cpus in 1_u16..5, roots in 1_u64..5, children in 1_u64..20, work in 0_u64..12) {
        let family = Family { children, work };
        let boot = |kernel: &mut Kernel<HostMachine<Sv39>>| {
            for _ in 0..roots {
                let process = kernel.create_process().expect("there is memory");
                kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
            }
        };
        let judge = |kernel: &_| Judge::new::<Sv39>(kernel, cpus);
        let (kernel, judge) = run_watched(cpus, 2_048, 1, &family, boot, judge);
        let verdict = judge.verdict();
        prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
        prop_assert_eq!(kernel.machine().status().map(|status| status.0), Some(0));
        let view = kernel.inspect();
        let alive = view.threads.iter().skip(1).filter(|thread| thread.life() == Life::Alive).count();
        prop_assert_eq!(alive, 0);
        prop_assert!(view.queues.iter().all(|queue| queue.current().is_none() || queue.current() == Some(0)));
    }
}

/// Threads of one process that reserve, fill, protect, copy and unmap pages of their own, side by side: every change
/// asks the other CPUs to forget, and they answer without the lock.
struct Changers {
    others: u64,
    rounds: u64,
}

impl UserMode<Sv39> for Changers {
    fn run(&self, _: CpuId, registers: &mut HostRegisters) -> Option<Trap> {
        const PAGE: u64 = 4_096;
        assert_eq!(registers.reply.status, 0, "{:?} was refused", registers.request);
        let step = registers.saved[0];
        registers.saved[0] += 1;
        let base = (1 << 32) + registers.argument * 64 * PAGE;
        let range = |count: u64| UserRange { start: UserAddress(base), length: count * PAGE };
        let made = if registers.argument == 0 { self.others } else { 0 };
        let call = if step < made {
            Call::ThreadCreate { entry: UserAddress(0), stack: UserAddress(0), argument: Word(step + 1) }
        } else if step - made == self.rounds * 5 {
            Call::ThreadExit { result: Word(0) }
        } else {
            match (step - made) % 5 {
                0 => Call::MemoryReserve { range: range(4), rights: PageRights::ReadWrite },
                1 => Call::MemoryFill { range: range(3) },
                2 => Call::MemoryProtect { range: range(4), rights: PageRights::Read },
                3 => Call::MemoryCopy { range: range(4), to: UserAddress(base + 16 * PAGE) },
                _ => Call::MemoryUnmap { range: range(32) },
            }
        };
        registers.request = call.encode();
        Some(Trap::Syscall)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn pages_change_on_any_number_of_cpus(cpus in 1_u16..5, others in 0_u64..6, rounds in 1_u64..40) {
        let boot = |kernel: &mut Kernel<HostMachine<Sv39>>| {
            let process = kernel.create_process().expect("there is memory");
            kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        };
        let judge = |kernel: &_| Judge::new::<Sv39>(kernel, cpus);
        let (kernel, judge) = run_watched(cpus, 4_096, 1, &Changers { others, rounds }, boot, judge);
        let verdict = judge.verdict();
        prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
        prop_assert_eq!(kernel.machine().status().map(|status| status.0), Some(0));
    }
}

#[test]
fn priorities_are_words_of_the_abi() {
    let call = Call::SetPriority { thread: ThreadHandle { slot: 1, generation: 2 }, priority: Priority(3) };
    assert_eq!(Call::decode(&call.encode()), Ok(call));
}
