//! Capabilities derived and given up the fast way, where nothing goes with them and nobody has to hear of it.
//!
//! Each looks at what it names once, for the test and for the change: the slow way does that one after the other.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Reply};
use coldframe_capability::{CHUNK, Capabilities, Holdings, Target};
use coldframe_hal::{Machine, Store};

use crate::calls::Caller;
use crate::fast::FastReply;
use crate::{Endpoint, Kernel, Life, Object, Registers, Thread};

impl<M: Machine> Kernel<M> {
    /// `capability_copy` of one without limits, where there is a free row.
    #[inline(always)]
    pub(crate) fn fast_copy(
        &mut self,
        cpu: &M::Cpu,
        caller: Caller,
        [word, rights, badge]: [u64; 3],
    ) -> Option<FastReply> {
        let rights = CapabilityRights(u8::try_from(rights).ok()?);
        let handle = CapabilityHandle::from_word(word);
        let name = (handle.slot, handle.generation);
        let Self { capabilities, chunks, processes, threads, objects, endpoints, .. } = self;
        let from = Capabilities::unlimited(capabilities.rows(), caller.process, name)?;
        let (target, badged) = (from.target(), from.badge());
        let fits =
            rights.and(CapabilityRights::COPY).within(from.rights()) && (badged == 0 || badge == badged);
        let owner = &mut processes.rows_mut()[caller.process as usize];
        if !fits || !owner.holdings.have_room() {
            return None;
        }
        let mut named = Named::<M> { objects, endpoints, threads };
        if !named.takes_another_name(target, rights, caller.process) {
            return None;
        }
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        let Some((slot, generation)) = view.mint(&mut owner.holdings, handle.slot, rights, badge) else {
            unreachable!("there is room (CAP-5)")
        };
        self.of_cpu(cpu).calls += 1;
        Some(FastReply::Answered(Reply::ok(CapabilityHandle { slot, generation }.to_word())))
    }

    /// `capability_delete` of one of several.
    #[inline(always)]
    pub(crate) fn fast_delete(&mut self, cpu: &M::Cpu, caller: Caller, word: u64) -> Option<FastReply> {
        let handle = CapabilityHandle::from_word(word);
        let (row, name) = (handle.slot, (handle.slot, handle.generation));
        let Self { capabilities, chunks, processes, threads, objects, endpoints, .. } = self;
        let capability = Capabilities::unlimited(capabilities.rows(), caller.process, name)?;
        if matches!(capability.target().kind, CapabilityKind::Process | CapabilityKind::Group) {
            return Some(self.fast_delete_of_holder(cpu, row));
        }
        let owner = &mut processes.rows_mut()[caller.process as usize];
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        let mut named = Named::<M> { objects, endpoints, threads };
        if !named.lets_go(&mut view, row, &mut owner.holdings) {
            return None;
        }
        self.of_cpu(cpu).calls += 1;
        Some(FastReply::Answered(Reply::ok(0)))
    }

    /// The same for what others belong to. Nobody waits by such a name, and nobody hears of it: a process goes with its
    /// end, and not with its last name.
    #[inline(never)]
    fn fast_delete_of_holder(&mut self, cpu: &M::Cpu, row: u32) -> FastReply {
        self.drop_capability(row);
        self.of_cpu(cpu).calls += 1;
        FastReply::Answered(Reply::ok(0))
    }

    /// Takes away what was derived from a capability, the last first, until one is met with which something goes or
    /// of which somebody has to hear; says how many.
    pub(crate) fn take_away_derived(&mut self, from: u32, most: u32) -> u32 {
        let Self { capabilities, chunks, processes, threads, objects, endpoints, .. } = self;
        let mut view = Capabilities { rows: capabilities.rows_mut(), chunks: chunks.rows_mut() };
        let mut named = Named::<M> { objects, endpoints, threads };
        let mut left = most;
        while let Some(last) = view.rows[from as usize].last_derived() {
            let Some(holder) = view.rows[last as usize].holder() else {
                unreachable!("what was derived is somebody's (CAP-4)")
            };
            let holdings = &mut processes.rows_mut()[holder as usize].holdings;
            let taken = view.give_last(from, holdings, left, |row, capability| {
                named.loses_a_name(capability.target(), capability.rights(), row)
            });
            left -= taken;
            if taken == 0 || left == 0 {
                break;
            }
        }
        most - left
    }
}

/// What has several names: of the kinds that go this way.
struct Named<'a, M: Machine> {
    objects: &'a mut M::Store<Object<M::Paging>>,
    endpoints: &'a mut M::Store<Endpoint>,
    threads: &'a mut M::Store<Thread<Registers<M>>>,
}

impl<M: Machine> Named<'_, M> {
    /// Takes a capability away if another one names the same, nobody waits by it, and its chunk stays; says whether
    /// that was so.
    #[inline(always)]
    fn lets_go(&mut self, view: &mut Capabilities<'_>, row: u32, holdings: &mut Holdings) -> bool {
        let capability = &view.rows[row as usize];
        let chunk_stays = view.chunks[(row / CHUNK) as usize].used() > 1 || holdings.chunks() == 1;
        if capability.users().is_some()
            || !chunk_stays
            || !self.loses_a_name(capability.target(), capability.rights(), row)
        {
            return false;
        }
        view.cut(row);
        let emptied = view.give(row, holdings);
        assert!(emptied.is_none(), "a chunk goes back the slow way (CAP-5)");
        true
    }

    /// One capability more names an object, if that is still there and the kind is a plain one.
    #[inline(always)]
    fn takes_another_name(
        &mut self,
        Target { kind, row, generation }: Target,
        rights: CapabilityRights,
        process: u32,
    ) -> bool {
        match kind {
            CapabilityKind::Object => {
                let object = &mut self.objects.rows_mut()[row as usize];
                let is_there = object.generation == generation && object.can_be_named();
                object.capabilities += u32::from(is_there);
                is_there
            }
            CapabilityKind::Endpoint => {
                let endpoint = &mut self.endpoints.rows_mut()[row as usize];
                let stands_alone = endpoint.membership.set().is_none();
                if stands_alone {
                    endpoint.add_name(rights);
                }
                stands_alone
            }
            CapabilityKind::Thread => {
                let thread = &mut self.threads.rows_mut()[row as usize];
                // One that runs has a process that has not ended.
                let is_there =
                    thread.generation == generation && thread.life != Life::Free && thread.process == process;
                thread.capabilities += u32::from(is_there);
                is_there
            }
            _ => false,
        }
    }

    /// One capability less names an object, if others do, and whoever waits there does not wait in vain; or it has named
    /// nothing any more.
    #[inline(always)]
    fn loses_a_name(
        &mut self,
        Target { kind, row, generation }: Target,
        rights: CapabilityRights,
        capability: u32,
    ) -> bool {
        match kind {
            CapabilityKind::Object => {
                let object = &mut self.objects.rows_mut()[row as usize];
                let has_others =
                    object.generation == generation && object.can_be_named() && object.capabilities > 1;
                object.capabilities -= u32::from(has_others);
                has_others
            }
            CapabilityKind::Endpoint => {
                let endpoint = &mut self.endpoints.rows_mut()[row as usize];
                let is_heard = endpoint.is_heard_without(rights);
                if is_heard {
                    endpoint.take_name(rights);
                }
                is_heard
            }
            CapabilityKind::Thread => {
                let thread = &mut self.threads.rows_mut()[row as usize];
                if thread.generation != generation || thread.life == Life::Free {
                    // It has gone before its name.
                    return true;
                }
                let has_others = thread.capabilities > 1 && thread.capability != capability;
                thread.capabilities -= u32::from(has_others);
                has_others
            }
            _ => false,
        }
    }
}
