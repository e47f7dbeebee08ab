//! A thread on one simulated CPU that derives capabilities and gives them up.

use coldframe_abi::{Call, CapabilityHandle, CapabilityRights, Request, Word};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{FastCall, FastReply, Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

use crate::started::started;

/// A thread that has capabilities.
pub struct Namer {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
    object: CapabilityHandle,
}

impl Namer {
    /// With an object, and so many other names for it.
    ///
    /// # Panics
    /// If the simulated machine is too small for them.
    #[must_use]
    pub fn with(names: u32) -> Self {
        let (kernel, cpu) = started(1, 1 << 16);
        let mut namer = Self { kernel, cpu, object: CapabilityHandle::from_word(0) };
        let made = namer.slow(Call::ObjectCreate { length: Word(4_096) }.encode());
        namer.object = CapabilityHandle::from_word(made);
        for _ in 0..names {
            namer.derive_slowly();
        }
        namer
    }

    /// With so many other names for an object, which it has begun to take away.
    ///
    /// # Panics
    /// If the simulated machine is too small for them.
    #[must_use]
    pub fn revoking(names: u32) -> Self {
        let mut namer = Self::with(names);
        namer.cpu.registers().request = Call::CapabilityRevoke { capability: namer.object }.encode();
        assert_eq!(namer.kernel.enter(&mut namer.cpu, Trap::Syscall), Resume::Again);
        namer
    }

    /// Takes a few of them away.
    pub fn revoke_a_step(&mut self) {
        assert_eq!(self.kernel.enter(&mut self.cpu, Trap::Again), Resume::Again);
    }

    /// Derives one and gives it up, the fast way.
    pub fn fast(&mut self) {
        let Request { arguments: [from, rights, badge, ..], .. } = self.copy();
        let made = self.kernel.fast(&mut self.cpu, FastCall::CapabilityCopy, [from, rights, badge]);
        let Some(FastReply::Answered(made)) = made else { panic!("nothing is in the way") };
        let gone = self.kernel.fast(&mut self.cpu, FastCall::CapabilityDelete, [made.value, 0, 0]);
        assert!(gone.is_some(), "nothing is in the way");
    }

    /// The same the slow way.
    pub fn slowly(&mut self) {
        let capability = CapabilityHandle::from_word(self.derive_slowly());
        self.slow(Call::CapabilityDelete { capability }.encode());
    }

    fn derive_slowly(&mut self) -> u64 {
        self.slow(self.copy())
    }

    fn copy(&self) -> Request {
        let rights = CapabilityRights::INSPECT;
        Call::CapabilityCopy { capability: self.object, rights, badge: Word(0) }.encode()
    }

    fn slow(&mut self, request: Request) -> u64 {
        self.cpu.registers().request = request;
        assert_eq!(self.kernel.enter(&mut self.cpu, Trap::Syscall), Resume::User);
        self.cpu.peek().reply.value
    }
}
