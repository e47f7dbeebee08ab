//! Page faults: repaired, waited for, or the end of the process.

use coldframe_abi::{Counter, Instant};
use coldframe_hal::paging::{Entry, Ownership};
use coldframe_hal::{Access, Machine};
use coldframe_memory::{Flush, Repair};

use crate::{After, Fault, Kernel};

impl<M: Machine> Kernel<M> {
    /// The page table does not allow what the running thread did.
    pub(crate) fn page_fault(
        &mut self,
        cpu: &mut M::Cpu,
        now: Instant,
        cause: u64,
        address: u64,
        access: Access,
    ) {
        let Some(thread) = self.current(cpu) else { return };
        let process = self.thread(thread).process;
        if self.process(process).ended.is_some() {
            return;
        }
        self.count(thread, Counter::Faults);
        let open = !self.may_change(process);
        let Some((space, mut means)) = self.space_of(process) else { return };
        if open && is_shared(space.query(means.memory, coldframe_abi::UserAddress(address))) {
            // A copy would need a round of its own.
            self.wait_for_round(cpu, now, process);
            return;
        }
        let repair = space.fault(&mut means, address, access);
        let (flush, after) = match repair {
            Ok(Repair::Done(flush)) => {
                self.forget_here(cpu, process, flush);
                return;
            }
            Ok(Repair::Copying { page, frame, flush }) => (flush, After::Copy { page, frame }),
            // What is on its way while no round is open belongs to a message.
            Ok(Repair::Wait) if open => {
                self.wait_for_round(cpu, now, process);
                return;
            }
            Ok(Repair::Promised(mapping)) if self.keep_promise(mapping, address, access) == Ok(true) => {
                return;
            }
            Ok(Repair::Promised(_) | Repair::Wait | Repair::Refused) | Err(_) => {
                self.fault(cpu, now, Fault { access: Some(access), cause, address });
                return;
            }
        };
        if !self.flush_then(cpu, process, thread, flush, after) {
            self.wait_as_owner(cpu, now, process);
        }
    }

    /// Only this CPU has to look again: no other remembers more than is true.
    fn forget_here(&mut self, cpu: &mut M::Cpu, process: u32, flush: Flush) {
        use coldframe_hal::{Stale, Translation};
        let tag = self.process(process).tag;
        if let Some(what) = flush.into_duty() {
            cpu.forget(Stale { tag, what });
        }
    }
}

/// Whether the first write to what an entry shows needs a copy.
fn is_shared(entry: Option<(Entry, u32)>) -> bool {
    matches!(entry, Some((Entry::Page(leaf), _)) if leaf.ownership == Ownership::Copied)
}
