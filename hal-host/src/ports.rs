//! Simulated ports: a console that the kernel keeps, and a clock with its memory behind an index, as PCs have it. At all
//! others there is nothing.

use coldframe_hal::PortSpan;

/// Where the console is: these are not for drivers.
pub const CONSOLE_PORTS: std::ops::Range<u16> = 0x3f8..0x400;
/// Where a driver says which register of the clock it means, and the port behind that, where the register is.
pub const CLOCK_PORT: u16 = 0x70;

/// How many registers the clock has.
const REGISTERS: usize = 128;
/// What the clock says when the machine starts, and for ever: 2026-11-23, 05:30:00, in binary and not by halves of a day.
pub const CLOCK_AT_START: [(u8, u8); 8] =
    [(0x02, 30), (0x04, 5), (0x07, 23), (0x08, 11), (0x09, 26), (0x0a, 0x26), (0x0b, 0x06), (0x32, 20)];

/// What is behind the ports of a machine.
#[derive(Clone, Debug)]
pub(crate) struct PortBoard {
    index: u8,
    clock: [u8; REGISTERS],
}

impl Default for PortBoard {
    fn default() -> Self {
        let mut clock = [0; REGISTERS];
        for (register, value) in CLOCK_AT_START {
            clock[usize::from(register)] = value;
        }
        Self { index: 0, clock }
    }
}

impl PortBoard {
    pub(crate) fn are_for_drivers(ports: PortSpan) -> bool {
        ports.last() < CONSOLE_PORTS.start || ports.first() >= CONSOLE_PORTS.end
    }

    fn register(&mut self) -> &mut u8 {
        &mut self.clock[usize::from(self.index) % REGISTERS]
    }

    pub(crate) fn read(&mut self, ports: PortSpan) -> u32 {
        assert!(Self::are_for_drivers(ports), "{ports:?} are the kernel's");
        let bytes = (ports.first()..=ports.last()).map(|port| {
            let is_register = port == CLOCK_PORT + 1;
            u32::from(if is_register { *self.register() } else { u8::MAX })
        });
        bytes.zip(0..).fold(0, |word, (byte, place)| word | byte << (8 * place))
    }

    pub(crate) fn write(&mut self, ports: PortSpan, value: u32) {
        assert!(Self::are_for_drivers(ports), "{ports:?} are the kernel's");
        assert!(ports.fitting(value.into()).is_some(), "{value:#x} does not fit into {ports:?}");
        for (port, byte) in (ports.first()..=ports.last()).zip(value.to_le_bytes()) {
            match port {
                CLOCK_PORT => self.index = byte,
                _ if port == CLOCK_PORT + 1 => *self.register() = byte,
                _ => {}
            }
        }
    }
}
