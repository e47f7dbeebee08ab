//! Calls about what a person sees.

use coldframe_abi::{Error, UserRange};
use coldframe_hal::{Machine, Store};
use coldframe_memory::UserSlice;

use super::Caller;
use crate::Kernel;

/// How many bytes one call writes at most: one bounded step of the kernel.
const WRITE_LIMIT: usize = 256;

impl<M: Machine> Kernel<M> {
    pub(super) fn console_write(&mut self, caller: Caller, text: UserRange) -> Result<u64, Error> {
        let slice = UserSlice::check::<M::Paging>(text).ok_or(Error::BadAddress)?;
        let slice = slice.shortened(WRITE_LIMIT as u64);
        let Self { machine, processes, .. } = self;
        let space = processes.rows()[caller.process as usize].space.as_ref().ok_or(Error::BadAddress)?;
        let mut buffer = [0; WRITE_LIMIT];
        slice.read(space, machine, &mut buffer).ok_or(Error::BadAddress)?;
        machine.write(&buffer[..slice.length() as usize]);
        Ok(slice.length())
    }
}
