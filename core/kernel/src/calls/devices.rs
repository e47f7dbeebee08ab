//! Calls of programs that drive devices.

use coldframe_abi::{
    Authority, CapabilityKind, CapabilityRights, DeviceMessage, EndpointHandle, Error, LineHandle,
};
use coldframe_capability::Target;
use coldframe_hal::paging::Cache;
use coldframe_hal::{Cpu, FRAME_BYTES, FrameRun, Machine, PortSpan};

use super::Caller;
use crate::capabilities::{OF_DEVICE, OF_FIRMWARE, OF_LINE};
use crate::interrupts::listener_of;
use crate::work::told;
use crate::{Bell, Kernel, LentName};

impl<M: Machine> Kernel<M> {
    pub(super) fn line_bind(
        &mut self,
        cpu: &M::Cpu,
        caller: Caller,
        line: u64,
        endpoint: EndpointHandle,
        bits: u64,
    ) -> Result<u64, Error> {
        self.signalled(caller, endpoint, bits)?;
        let exists = |line: &u32| *line < self.machine.lines();
        let line = u32::try_from(line).ok().filter(exists).ok_or(Error::BadArgument)?;
        let authority = self.authority_over(caller.process, Authority::Lines, (line, line))?;
        let listener = self.free_listener(line).ok_or(Error::Busy)?;
        let capability = self.take_capability(caller.process).map_err(told)?;
        // Whoever takes the authority away takes what was made of it.
        let target = Target { kind: CapabilityKind::Line, row: listener, generation: 0 };
        self.set_capability(capability, authority, target, OF_LINE, 0);
        let bell = Bell { name: LentName::new(caller.process, endpoint.into()), bits };
        self.begin_to_listen(listener, capability, bell, cpu.id());
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn line_done(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        line: LineHandle,
        mine: u64,
    ) -> Result<(), Error> {
        let listener = self.target(caller, line, CapabilityKind::Line, CapabilityRights::MANAGE)?;
        if mine > 1 {
            return Err(Error::BadArgument);
        }
        if self.line_is_answered(cpu, listener, mine == 1) { Ok(()) } else { Err(Error::BadState) }
    }

    pub(super) fn line_message(&self, caller: Caller, line: LineHandle) -> Result<u64, Error> {
        let listener = self.target(caller, line, CapabilityKind::Line, CapabilityRights::INSPECT)?;
        let (line, _) = listener_of(listener);
        self.machine.message_of(line).map(DeviceMessage::to_word).ok_or(Error::BadState)
    }

    pub(super) fn object_physical(
        &mut self,
        caller: Caller,
        address: u64,
        length: u64,
    ) -> Result<u64, Error> {
        let is_whole = length > 0 && (address | length).is_multiple_of(FRAME_BYTES);
        // Of what is whole, and ends somewhere, the last byte is there.
        let last = address.checked_add(length).filter(|_| is_whole).ok_or(Error::BadArgument)? - 1;
        let run = FrameRun::inside(address, length);
        if !self.machine.is_for_drivers(run) {
            return Err(Error::BadArgument);
        }
        let number = |frame: u64| u32::try_from(frame).map_err(|_| Error::BadArgument);
        let reach = (number(run.start.0)?, number(last / FRAME_BYTES)?);
        let authority = self.authority_over(caller.process, Authority::Devices, reach)?;
        let made = self.make_range(caller.process, (run, Cache::Device), (authority, OF_DEVICE));
        let (_, capability) = made.map_err(told)?;
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn object_firmware(&mut self, caller: Caller) -> Result<u64, Error> {
        let authority = self.authority_over(caller.process, Authority::Firmware, (0, 0))?;
        let run = self.firmware.ok_or(Error::BadState)?;
        let made = self.make_range(caller.process, (run, Cache::Normal), (authority, OF_FIRMWARE));
        let (_, capability) = made.map_err(told)?;
        self.firmware = None;
        Ok(self.handle_of(capability).to_word())
    }

    pub(super) fn port_read(&mut self, caller: Caller, port: u64, width: u64) -> Result<u64, Error> {
        let ports = PortSpan::new(port, width).ok_or(Error::BadArgument)?;
        self.may_reach(caller, ports)?;
        Ok(self.machine.read_ports(ports).into())
    }

    pub(super) fn port_write(
        &mut self,
        caller: Caller,
        port: u64,
        width: u64,
        value: u64,
    ) -> Result<(), Error> {
        let ports = PortSpan::new(port, width).ok_or(Error::BadArgument)?;
        let value = ports.fitting(value).ok_or(Error::BadArgument)?;
        self.may_reach(caller, ports)?;
        self.machine.write_ports(ports, value);
        Ok(())
    }

    /// # Errors
    /// Why the caller may not reach these ports. Who has no authority does not learn which there are.
    fn may_reach(&self, caller: Caller, ports: PortSpan) -> Result<(), Error> {
        let reach = (ports.first().into(), ports.last().into());
        self.authority_over(caller.process, Authority::Ports, reach)?;
        if self.machine.are_for_drivers(ports) { Ok(()) } else { Err(Error::BadArgument) }
    }
}
