//! The end of a machine.

use coldframe_abi::{Authority, ExitCode};
use coldframe_hal::Machine;

use super::{Caller, Outcome};
use crate::Kernel;

impl<M: Machine> Kernel<M> {
    pub(super) fn power_off(&mut self, caller: Caller, status: ExitCode) -> Outcome {
        if let Err(error) = self.may(caller.process, Authority::Power, 0) {
            return Err::<u64, _>(error).into();
        }
        self.machine.power_off(status);
        self.stop_all();
        // No thread goes on.
        self.change.0 += 1;
        Outcome::Settled
    }
}
