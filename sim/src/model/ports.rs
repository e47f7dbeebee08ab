//! Ports: what a program writes there it finds again, if there is something, and if it may.

use std::collections::BTreeMap;

use coldframe_abi::{Authority, Error, Number};
use coldframe_kernel::Inspection;
use hal_host::{CLOCK_AT_START, CLOCK_PORT, CONSOLE_PORTS, HardwareFormat, HostMachine};

use super::Model;
use super::calls::Answer;

/// How many ports there are, and how many registers the clock has behind its two.
const PORTS: u64 = 1 << 16;
const REGISTERS: u64 = 128;

/// What the clock holds.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    meant: u64,
    registers: BTreeMap<u64, u64>,
}

impl Default for Clock {
    fn default() -> Self {
        let registers = CLOCK_AT_START.map(|(register, value)| (register.into(), value.into()));
        Self { meant: 0, registers: registers.into() }
    }
}

impl Clock {
    fn read(&self, port: u64) -> u64 {
        if port == u64::from(CLOCK_PORT) + 1 {
            self.registers.get(&self.meant).copied().unwrap_or(0)
        } else {
            0xff
        }
    }

    fn write(&mut self, port: u64, byte: u64) {
        if port == u64::from(CLOCK_PORT) {
            self.meant = byte % REGISTERS;
        } else if port == u64::from(CLOCK_PORT) + 1 {
            self.registers.insert(self.meant, byte);
        }
    }
}

impl Model {
    /// A program reads from ports, or writes there.
    pub(super) fn port_call<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        words: &[u64; 6],
    ) -> Answer {
        let [first, width, value, ..] = *words;
        let there = [1, 2, 4].contains(&width) && first < PORTS && first + width <= PORTS;
        let writes = number == Number::PortWrite;
        if !there || (writes && value >= 1 << (8 * width)) {
            return Err(Error::BadArgument);
        }
        let ports = first..first + width;
        if ports.clone().any(|port| !self.may(view, caller, Authority::Ports, port)) {
            return Err(Error::NotAllowed);
        }
        if ports.clone().any(|port| CONSOLE_PORTS.contains(&(port as u16))) {
            return Err(Error::BadArgument);
        }
        if writes {
            for port in ports {
                self.clock.write(port, value >> (8 * (port - first)) & 0xff);
            }
            return Ok(0);
        }
        Ok(ports.fold(0, |word, port| word | self.clock.read(port) << (8 * (port - first))))
    }
}
