//! Calls about what a person sees.

use coldframe_abi::{Authority, Error, UserRange};
use coldframe_hal::Machine;
use coldframe_memory::{SpaceError, UserSlice};

use super::{Caller, Outcome};
use crate::Kernel;

/// How many bytes one call writes at most: one bounded step of the kernel.
const WRITE_LIMIT: usize = 256;

impl<M: Machine> Kernel<M> {
    pub(super) fn console_write(&mut self, caller: Caller, text: UserRange) -> Outcome {
        if let Err(error) = self.may(caller.process, Authority::Console, 0) {
            return Err::<u64, _>(error).into();
        }
        let Some(slice) = UserSlice::check::<M::Paging>(text) else {
            return Err::<u64, _>(Error::BadAddress).into();
        };
        let slice = slice.shortened(WRITE_LIMIT as u64);
        let mut buffer = [0; WRITE_LIMIT];
        let Some((space, means)) = self.space_of(caller.process) else {
            return Err::<u64, _>(Error::BadAddress).into();
        };
        match slice.read(space, means.memory, &mut buffer) {
            Ok(()) => {
                self.machine.write(&buffer[..slice.length() as usize]);
                Ok(slice.length()).into()
            }
            Err(SpaceError::Busy(_)) if self.process(caller.process).round.is_some() => {
                self.call_again(caller)
            }
            Err(_) => Err::<u64, _>(Error::BadAddress).into(),
        }
    }
}
