//! Signals: bits that stay at an endpoint until somebody receives them, raised by programs and by the kernel.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Error, Message};
use coldframe_capability::{Capabilities, Limit};
use coldframe_hal::{Machine, Store, UserRegisters};
use coldframe_scheduler::{NONE, Wake};

use crate::messages::Met;
use crate::walls::Way;
use crate::{Kernel, Line};

/// A capability by which the kernel does something for its holder later: only if it still stands then (KRN-27).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LentName {
    holder: u32,
    handle: CapabilityHandle,
}

impl Default for LentName {
    fn default() -> Self {
        Self { holder: NONE, handle: CapabilityHandle { slot: NONE, generation: 0 } }
    }
}

impl LentName {
    /// The capability that a process calls so.
    #[must_use]
    pub const fn new(holder: u32, handle: CapabilityHandle) -> Self {
        Self { holder, handle }
    }

    /// Whose it is, if any has been lent.
    #[must_use]
    pub const fn holder(&self) -> Option<u32> {
        if self.holder == NONE { None } else { Some(self.holder) }
    }

    /// What its holder calls it.
    #[must_use]
    pub const fn handle(&self) -> CapabilityHandle {
        self.handle
    }
}

/// What is raised when something comes to pass, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bell {
    /// By which name.
    pub name: LentName,
    /// Which signals.
    pub bits: u64,
}

impl<M: Machine> Kernel<M> {
    /// Where that is received which comes by a lent name, if it still stands and allows this.
    pub(crate) fn lent_endpoint(&self, name: LentName, rights: CapabilityRights) -> Option<u32> {
        self.lent_way(name, rights).map(|way| way.endpoint)
    }

    /// How that gets there.
    pub(crate) fn lent_way(&self, name: LentName, rights: CapabilityRights) -> Option<Way> {
        self.lent_target(name, rights)?;
        self.way_by(name.handle.slot, rights).ok()
    }

    /// The endpoint that a lent name is for, a member of a set or not, if it still stands and allows this.
    pub(crate) fn lent_target(&self, name: LentName, rights: CapabilityRights) -> Option<u32> {
        let holder = name.holder()?;
        if self.processes.rows()[holder as usize].ended.is_some() {
            return None;
        }
        let CapabilityHandle { slot, generation } = name.handle;
        let rows = self.capabilities.rows();
        let name = (slot, generation);
        let target = match Capabilities::named(rows, holder, name, CapabilityKind::Endpoint, rights) {
            // To lend it was to use it: how often it can be used is not asked again, but whether its time is over is.
            Err(Error::NoRight) => {
                let row = &rows[slot as usize];
                let limit = Limit { uses: Limit::NONE.uses, ..row.limit() };
                (rights.within(row.rights()) && limit.allows(self.now)).then_some(row.target())
            }
            found => found.ok(),
        };
        target.map(|target| target.row)
    }

    /// Raises signals at an endpoint; false if nothing has happened, because only such as have ended were in the way.
    pub(crate) fn raise(&mut self, cpu: &mut M::Cpu, endpoint: u32, bits: u64) -> bool {
        self.raise_by(cpu, endpoint, bits, Wake::Start)
    }

    /// The same, for whatever reason whoever waits for them is woken.
    pub(crate) fn raise_by(&mut self, cpu: &mut M::Cpu, endpoint: u32, bits: u64, wake: Wake) -> bool {
        match self.meet(cpu, Line::Receivers(endpoint)) {
            Met::Ghosts => return false,
            Met::Thread(to) if bits != 0 => {
                self.leave_line(to);
                self.registers_of(cpu, to).deliver(Message::SIGNALLED);
                self.wake(cpu, to, Ok(bits), wake);
            }
            _ => {
                let row = self.endpoint_row(endpoint);
                row.signals |= bits;
                if bits != 0 && row.upcall != NONE {
                    self.call_up(cpu, endpoint);
                }
            }
        }
        true
    }

    /// Nothing is left of a process: whoever wanted to be told is; false if that has to be tried again.
    pub(crate) fn ring(&mut self, cpu: &mut M::Cpu, process: u32) -> bool {
        let Bell { name, bits } = self.process(process).bell;
        let rung = match self.lent_endpoint(name, CapabilityRights::SIGNAL) {
            Some(endpoint) => self.raise(cpu, endpoint, bits),
            None => true,
        };
        if rung {
            self.process(process).bell = Bell::default();
        }
        rung
    }
}
