//! What goes along with a message: all of it changes hands with it, or nothing does.

use coldframe_abi::{CapabilityHandle, CapabilityKind, CapabilityRights, Error, MOST_CARRIED, Message};
use coldframe_capability::{Capabilities, Limit};
use coldframe_hal::{Cpu, Machine, Store, UserRegisters};

use crate::Kernel;
use crate::calls::Caller;

/// The rows that a message names.
#[derive(Clone, Copy, Default)]
struct Carried {
    rows: [u32; MOST_CARRIED],
    count: usize,
}

impl<M: Machine> Kernel<M> {
    /// Whether the running thread can send its message with all capabilities that it names.
    ///
    /// # Errors
    /// Why it cannot: what it names is not there, may not go along, or is in use.
    pub(crate) fn can_carry(&self, cpu: &mut M::Cpu, caller: Caller) -> Result<(), Error> {
        self.carried(caller.process, &cpu.registers().message()).map(|_| ())
    }

    fn carried(&self, process: u32, message: &Message) -> Result<Carried, Error> {
        let mut carried = Carried { count: message.carries.count(), ..Carried::default() };
        if carried.count > MOST_CARRIED {
            return Err(Error::BadArgument);
        }
        for (index, word) in message.words.iter().enumerate().take(carried.count) {
            let moves = message.carries.moves(index);
            let row = self.may_carry(process, CapabilityHandle::from_word(*word), moves)?;
            let twice = carried.rows[..index].iter().position(|other| *other == row);
            if twice.is_some_and(|other| moves || message.carries.moves(other)) {
                return Err(Error::BadArgument);
            }
            carried.rows[index] = row;
        }
        Ok(carried)
    }

    fn may_carry(&self, process: u32, handle: CapabilityHandle, moves: bool) -> Result<u32, Error> {
        let name = (handle.slot, handle.generation);
        let row = Capabilities::held(self.capabilities.rows(), process, name)?;
        let capability = self.capability(row);
        let target = capability.target();
        // A mapping is where it is, who listens is told by a name of his own, and a group is its process's.
        let stays = [CapabilityKind::Mapping, CapabilityKind::Line, CapabilityKind::Group];
        let goes = !stays.contains(&target.kind);
        if !goes || !(moves || CapabilityRights::COPY.within(capability.rights())) {
            return Err(Error::NoRight);
        }
        if !self.is_there(target) || !self.is_usable(row) {
            return Err(Error::BadHandle);
        }
        // Two that can be used so often are more than one.
        if !moves && capability.limit().uses != Limit::NONE.uses {
            return Err(Error::NoRight);
        }
        if moves && capability.users().is_some() {
            return Err(Error::Busy);
        }
        Ok(row)
    }

    /// Hands what a message names from one thread to another, and puts the other's names into it.
    ///
    /// # Errors
    /// Why nothing has happened.
    pub(crate) fn hand_on(&mut self, from: u32, to: u32, message: &mut Message) -> Result<(), Error> {
        let (sender, receiver) = (self.thread(from).process, self.thread(to).process);
        let carried = self.carried(sender, message)?;
        if carried.count > usize::from(self.thread(to).accepts) {
            return Err(Error::Refused);
        }
        let fresh = self.make_room(receiver, carried.count).ok_or(Error::Refused)?;
        if message.carries.has_pages()
            && let Err(error) = self.hand_pages_on(from, to, message)
        {
            fresh.iter().take(carried.count).for_each(|row| self.return_capability(*row));
            return Err(error);
        }
        for (index, (old, new)) in carried.rows.into_iter().zip(fresh).enumerate().take(carried.count) {
            let capability = self.capability(old);
            let (target, rights, badge) = (capability.target(), capability.rights(), capability.badge());
            self.set_capability(new, old, target, rights, badge);
            if message.carries.moves(index) {
                self.capabilities().take_uses(old, new);
                self.drop_capability(old);
                // An authority that a process moves to itself stands again.
                self.stand(new);
            }
            message.words[index] = self.handle_of(new).to_word();
        }
        message.carries = message.carries.copied();
        Ok(())
    }

    /// So many free rows of a process, or none.
    fn make_room(&mut self, process: u32, count: usize) -> Option<[u32; MOST_CARRIED]> {
        let mut fresh = [0; MOST_CARRIED];
        for index in 0..count {
            match self.take_capability(process) {
                Ok(row) => fresh[index] = row,
                Err(_) => {
                    for row in &fresh[..index] {
                        self.return_capability(*row);
                    }
                    return None;
                }
            }
        }
        Some(fresh)
    }
}
