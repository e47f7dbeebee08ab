//! Pages changed the fast way: one at a time, where its table is there and nobody else has to hear of it.

use coldframe_abi::{Argument, Counter, CpuId, Instant, PageRights};
use coldframe_hal::paging::Format;
use coldframe_hal::{Access, Cpu, CpuSet, FRAME_BYTES, Forget, Machine, Stale, Store, Tag, Translation};
use coldframe_memory::{Flush, Means, Pages};

use coldframe_scheduler::NONE;

use crate::calls::Caller;
use crate::per_cpu::PerCpu;
use crate::{FastCall, Kernel, Process};

impl<M: Machine> Kernel<M> {
    /// A call about one page of the caller's space.
    #[inline(always)]
    pub(crate) fn fast_page(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        call: FastCall,
        [start, length, rights]: [u64; 3],
    ) -> Option<()> {
        let pages = Pages::check::<M::Paging>(start, length).filter(|_| length == FRAME_BYTES)?;
        let page = pages.start();
        let Self { machine, frames, processes, per_cpu, flushes, .. } = self;
        let Process { space, budget, round, words, tag, active_on, warm_on, .. } =
            &mut processes.rows_mut()[caller.process as usize];
        let space = space.as_mut()?;
        if round.is_some() || !flushes.has_room() {
            return None;
        }
        // What this CPU forgets another may remember, and at a word that goes somebody may wait.
        let is_private = || active_on.is_only(cpu.id()) && words.is_empty();
        let mut means = Means { memory: machine, frames, budget };
        match call {
            FastCall::MemoryReserve => {
                space.reserve_one(means.memory, page, PageRights::decode(&[rights]).ok()?)?;
            }
            FastCall::MemoryFill => space.fill_one(&mut means, page, None)?,
            FastCall::MemoryProtect if is_private() => {
                let flush = space.protect_one(means.memory, page, PageRights::decode(&[rights]).ok()?)?;
                forget::<M>(cpu, flush, *tag, (active_on, warm_on));
            }
            FastCall::MemoryUnmap if is_private() => {
                let (flush, taken) = space.unmap_one(means.memory, page)?;
                forget::<M>(cpu, flush, *tag, (active_on, warm_on));
                taken.give(&mut means);
            }
            _ => return None,
        }
        per_cpu.rows_mut()[usize::from(cpu.id().0)].calls += 1;
        Some(())
    }

    /// The running thread has touched a page that was reserved: says whether it goes on at once.
    #[inline(always)]
    pub(crate) fn fill_at_once(
        &mut self,
        cpu: &mut M::Cpu,
        here: CpuId,
        now: Instant,
        (address, access): (u64, Access),
    ) -> bool {
        if !self.flushes.is_empty() || self.waking_first != NONE {
            return false;
        }
        let PerCpu { quick, armed, loaded, active, .. } = self.per_cpu.rows()[usize::from(here.0)];
        if quick == 0 || armed.is_some_and(|armed| armed <= now) || address >= M::Paging::USER_END {
            return false;
        }
        let page = address & !(FRAME_BYTES - 1);
        let Self { machine, frames, processes, threads, .. } = self;
        let row = &mut processes.rows_mut()[active as usize];
        let Some(space) = row.space.as_mut() else { return false };
        let mut means = Means { memory: machine, frames, budget: &mut row.budget };
        if space.fill_one(&mut means, page, Some(access)).is_none() {
            return false;
        }
        // It may remember that nothing is there.
        cpu.forget(Stale { tag: row.tag, what: Forget::Pages { start: page, pages: 1 } });
        row.counts.add(Counter::Faults, 1);
        threads.rows_mut()[loaded as usize].counts.add(Counter::Faults, 1);
        true
    }
}

/// A CPU forgets what is no longer true; no other has the space, and those that had it forget all of it when they come back.
#[inline(always)]
fn forget<M: Machine>(
    cpu: &mut M::Cpu,
    flush: Flush,
    tag: Tag,
    (active_on, warm_on): (&CpuSet, &mut CpuSet),
) {
    if let Some(what) = flush.into_duty() {
        *warm_on = warm_on.and(active_on);
        cpu.forget(Stale { tag, what });
    }
}
