//! Calls about what a machine has one of: its wall time, its entropy.

use coldframe_abi::{Authority, ClockPage, Error, Instant};
use coldframe_hal::{Clock, Machine};

use super::Caller;
use crate::Kernel;

/// The numbers in the reach of the authority over the clock.
pub(super) const SEE_CLOCK: u32 = 0;
const SET_CLOCK: u32 = 1;

impl<M: Machine> Kernel<M> {
    pub(super) fn random(&mut self, caller: Caller) -> Result<u64, Error> {
        self.may(caller.process, Authority::Entropy, 0)?;
        Ok(self.machine.random())
    }

    pub(super) fn clock_set(&mut self, cpu: &M::Cpu, caller: Caller, wall: Instant) -> Result<(), Error> {
        self.may(caller.process, Authority::Clock, SET_CLOCK)?;
        // No machine has been running for longer than since 1970.
        let wall_at_zero = wall.0.checked_sub(cpu.now().0).ok_or(Error::BadArgument)?;
        let page = ClockPage { rate: self.machine.counter_rate(), wall_at_zero };
        self.machine.publish(self.clock_page, page.to_words());
        Ok(())
    }
}
