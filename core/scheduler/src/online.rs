//! CPUs that come and go.

use coldframe_abi::CpuId;
use coldframe_hal::CpuSet;

use crate::state::COUNT_BITS;
use crate::{Kick, Scheduler, Wake};

impl Scheduler<'_> {
    /// Takes a CPU in.
    pub fn set_online(&mut self, cpu: CpuId, here: CpuId) -> Option<Kick> {
        self.state.online.insert(cpu);
        let queue = self.queue(cpu);
        let (was, busy) = (core::mem::replace(&mut queue.online, true), queue.busy);
        if !was {
            self.state.urgency_counts += 1 << (COUNT_BITS * u32::from(busy));
        }
        self.kick(cpu, here)
    }

    /// Takes a CPU out; it gives its threads away when it looks, in steps. The CPUs in the set have to be kicked:
    /// threads elsewhere whose mask has no CPU left may run on any of them now.
    #[must_use]
    pub fn set_offline(&mut self, cpu: CpuId, here: CpuId) -> CpuSet {
        let mut kicks = CpuSet::EMPTY;
        for other in self.state.online.iter() {
            if let Some(Kick(target)) = self.kick(other, here) {
                kicks.insert(target);
            }
        }
        self.state.online.remove(cpu);
        let queue = self.queue(cpu);
        let (was, busy) = (core::mem::replace(&mut queue.online, false), queue.busy);
        if was {
            self.state.urgency_counts -= 1 << (COUNT_BITS * u32::from(busy));
        }
        kicks
    }

    /// Moves one thread that is queued on an off-line CPU to another; `None` if none is left.
    pub fn evacuate_one(&mut self, cpu: CpuId) -> Option<Option<Kick>> {
        let queue = &self.cpus[usize::from(cpu.0)];
        let level = queue.top()?;
        let thread = self.turns[self.head(cpu, level) as usize].first;
        let loose = self.take(thread);
        Some(self.place(loose, Wake::Start, cpu))
    }
}
