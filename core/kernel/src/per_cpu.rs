//! What the kernel keeps for each CPU beside its run queue.

use coldframe_abi::{Counter, CpuId, Instant};
use coldframe_hal::{Machine, Store, Tag};
use coldframe_scheduler::NONE;

use crate::hint::{Change, Hint};
use crate::{FastCall, Kernel, reaper};

/// One CPU. What fast calls look at comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct PerCpu {
    /// The calls that its thread may try the fast way, a bit each: none while anything is unusual here (KRN-46).
    pub(crate) quick: u64,
    /// Whose registers are in the CPU.
    pub(crate) loaded: u32,
    /// Whose address space is active.
    pub(crate) active: u32,
    /// How many fast calls its thread has made that are in no account yet.
    pub(crate) calls: u64,
    /// Of which generation the tags are that it may remember something under.
    pub(crate) tag_generation: u64,
    /// What its timer is set to.
    pub(crate) armed: Option<Instant>,
    /// The tag of the space that it had when this generation began.
    pub(crate) kept_tag: Tag,
    /// Whoever runs here can pass the CPU on, with what it runs on (KRN-47).
    pub(crate) passes: Hint,
    /// After which change it has last looked who runs here, and found nothing to do.
    pub(crate) settled: Change,
}

// A line of the cache, and a shift from one to the next.
const _: () = assert!(size_of::<PerCpu>() == 64, "what is kept for a CPU has 64 bytes");

impl Default for PerCpu {
    fn default() -> Self {
        Self {
            quick: 0,
            loaded: NONE,
            active: NONE,
            calls: 0,
            passes: Hint::UNKNOWN,
            tag_generation: 0,
            armed: None,
            kept_tag: Tag::NONE,
            settled: Change(0),
        }
    }
}

impl PerCpu {
    /// Whether its thread may try a call the fast way.
    #[inline(always)]
    pub(crate) const fn may_try(&self, call: FastCall) -> bool {
        self.quick & 1 << call.number() as u64 != 0
    }
}

impl<M: Machine> Kernel<M> {
    /// Lets the thread that a CPU goes on with try calls the fast way, if nobody has asked the CPU to look.
    #[inline]
    pub(crate) fn permit_fast_calls(&mut self, here: CpuId) {
        let PerCpu { loaded, active, .. } = self.per_cpu.rows()[usize::from(here.0)];
        let is_asked = self.off || self.queues.rows()[usize::from(here.0)].is_kicked();
        let quick = if is_asked || loaded == NONE || loaded == reaper::THREAD {
            0
        } else {
            self.processes.rows()[active as usize].quick_calls
        };
        let row = &mut self.per_cpu.rows_mut()[usize::from(here.0)];
        (row.quick, row.passes) = (quick, Hint::UNKNOWN);
    }

    /// The next call of a CPU's thread comes the slow way, whatever it is, and what it touches next is looked at the long way.
    pub fn forbid_fast_calls(&mut self, cpu: CpuId) {
        self.per_cpu.rows_mut()[usize::from(cpu.0)].quick = 0;
    }

    /// Finds anew what the threads of a process may try the fast way, which is no more than before, for those that run as well.
    pub(crate) fn find_quick_calls(&mut self, process: u32) {
        let row = self.process(process);
        row.find_quick_calls();
        let (quick, active_on) = (row.quick_calls, row.active_on);
        for cpu in active_on.iter() {
            self.per_cpu.rows_mut()[usize::from(cpu.0)].quick &= quick;
        }
    }

    /// The machine is off: nobody goes on.
    pub(crate) fn stop_all(&mut self) {
        self.off = true;
        for cpu in 0..self.cpus {
            self.forbid_fast_calls(CpuId(cpu));
        }
    }

    /// Puts the calls that the threads on all CPUs have made the fast way to their accounts.
    pub(crate) fn count_fast_calls(&mut self) {
        for cpu in 0..self.cpus {
            self.count_fast_calls_of(CpuId(cpu));
        }
    }

    /// The same for one CPU.
    #[inline(always)]
    pub(crate) fn count_fast_calls_of(&mut self, cpu: CpuId) {
        let row = &mut self.per_cpu.rows_mut()[usize::from(cpu.0)];
        let calls = core::mem::take(&mut row.calls);
        if calls != 0 {
            let (thread, process) = (row.loaded, row.active);
            self.thread(thread).counts.add(Counter::Calls, calls);
            self.process(process).counts.add(Counter::Calls, calls);
        }
    }
}
