//! Which address space a CPU has, and under which tag it remembers it.
//!
//! Tags are given out in rising order. When there are no more, a new generation begins: each CPU forgets everything
//! before it activates another space (row V6). Spaces that are active at that moment keep their tags, and nobody else
//! gets these before the next generation.

use coldframe_hal::{Cpu, Forget, MAX_CPUS, Machine, Stale, Store, Tag, Translation};
use coldframe_scheduler::NONE;

use crate::Kernel;

/// The tags that have been given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tags {
    /// How many there are to give out; none if the machine has too few to tell its CPUs' spaces apart.
    count: u16,
    /// The next one, less one.
    given: u16,
    generation: u64,
}

impl Tags {
    /// The tags of a machine, none of them given out.
    pub(crate) fn of<M: Machine>(machine: &M, cpus: u16) -> Self {
        assert!(usize::from(cpus) <= MAX_CPUS, "the kernel was made for so many CPUs");
        // One beside those that may all be active, or a generation could begin and end with none to give out.
        let count = machine.tags().saturating_sub(1);
        Self { count: if count > cpus { count } else { 0 }, given: 0, generation: 1 }
    }
}

impl<M: Machine> Kernel<M> {
    /// Makes the space of a process the one of this CPU.
    #[inline(always)]
    pub(crate) fn enter_space(&mut self, cpu: &mut M::Cpu, process: u32) {
        let active = self.of_cpu(cpu).active;
        if active == process {
            return;
        }
        let here = cpu.id();
        let tag = if self.tags.count == 0 { Tag::NONE } else { self.ready_tag(cpu, process) };
        let row = self.process(process);
        row.active_on.insert(here);
        row.warm_on.insert(here);
        if let Some(space) = &row.space {
            cpu.activate(space.root(), tag);
        }
        self.of_cpu(cpu).active = process;
        if active != NONE {
            let left = self.process(active);
            left.active_on.remove(here);
            assert!(left.ended.is_none(), "a dead space is left before the scheduler decides (KRN-5)");
        }
    }

    /// A CPU without a thread of its own keeps the address space that it had, unless that is about to go: whoever
    /// ended its process has kicked this CPU for it (row T5).
    pub(crate) fn leave_dead_space(&mut self, cpu: &mut M::Cpu) {
        let active = self.of_cpu(cpu).active;
        if active == NONE || self.process(active).ended.is_none() {
            return;
        }
        cpu.deactivate();
        self.of_cpu(cpu).active = NONE;
        self.process(active).active_on.remove(cpu.id());
        self.call_reaper(cpu, active);
    }

    /// The tag of a process, under which this CPU remembers nothing that is not of its space.
    fn ready_tag(&mut self, cpu: &mut M::Cpu, process: u32) -> Tag {
        let tag = self.tag_of(process);
        let generation = self.tags.generation;
        let seen = core::mem::replace(&mut self.of_cpu(cpu).tag_generation, generation);
        if seen != generation {
            cpu.forget_all();
        } else if !self.process(process).warm_on.contains(cpu.id()) {
            cpu.forget(Stale { tag, what: Forget::Everything });
        }
        tag
    }

    /// The tag of a process; a new one, if its old one is of an earlier generation.
    fn tag_of(&mut self, process: u32) -> Tag {
        while self.process(process).tag_generation != self.tags.generation {
            if self.tags.given == self.tags.count {
                self.begin_generation();
                continue;
            }
            self.tags.given += 1;
            let tag = Tag(self.tags.given);
            if !self.is_kept(tag) {
                let generation = self.tags.generation;
                let row = self.process(process);
                row.tag = tag;
                row.tag_generation = generation;
                // Whatever CPUs remember under this tag, it is not of this space.
                row.warm_on = coldframe_hal::CpuSet::EMPTY;
            }
        }
        self.process(process).tag
    }

    fn begin_generation(&mut self) {
        self.tags.generation += 1;
        self.tags.given = 0;
        let generation = self.tags.generation;
        let Self { per_cpu, processes, .. } = self;
        for cpu in per_cpu.rows_mut() {
            (cpu.kept_tag, cpu.tag_generation) = (Tag::NONE, 0);
            if cpu.active != NONE {
                let row = &mut processes.rows_mut()[cpu.active as usize];
                row.tag_generation = generation;
                cpu.kept_tag = row.tag;
            }
        }
    }

    /// Whether a space that some CPU had active when this generation began has kept this tag.
    fn is_kept(&self, tag: Tag) -> bool {
        self.per_cpu.rows().iter().take(self.cpus.into()).any(|cpu| cpu.kept_tag == tag)
    }
}
