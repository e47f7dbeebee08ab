//! Simulated devices: interrupt lines, what asks on them, and a page of registers.

use coldframe_abi::{CpuId, DeviceMessage, Instant, Nanos};
use coldframe_hal::{Frame, PhysicalAddress};

use crate::Ram;

/// How many frames of a machine are registers of devices: they lie behind its RAM.
pub const DEVICE_FRAMES: u64 = 4;

/// How many frames behind those hold what firmware says.
pub const FIRMWARE_FRAMES: u64 = 1;
/// The first word there.
pub const FIRMWARE_WORD: u64 = u64::from_le_bytes(*b"firmware");

/// Of the page of registers of the device that asks at a moment: when it asks, zero for never, and whether it does.
pub const ASKS_AT: u64 = 0;
/// Written by the device when its moment has come, and by its driver to silence it.
pub const ASKS: u64 = 8;
/// Where it writes when its moment has come, instead of asking by its wire, unless that is zero; and what.
pub const SENDS_TO: u64 = 16;
/// See there.
pub const SENDS: u64 = 24;

/// The first line that has no wire: its devices ask by a message.
pub const FIRST_MESSAGE_LINE: u32 = 4;
/// How many lines there are.
const LINES: usize = 6;
/// Where devices write messages: behind everything else.
const MESSAGES: u64 = 0xfee0_0000;
/// What they write there for the first line that has no wire; the others follow.
const FIRST_MESSAGE: u16 = 0x40;
/// The line of the device that asks at a moment.
pub const ALARM_LINE: u32 = 3;

/// When the device of a line asks.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    next: Instant,
    every: Nanos,
    left: u32,
}

/// A line, and what is at its end.
#[derive(Clone, Copy, Debug, Default)]
struct Wire {
    /// At which CPU its interrupts are let in.
    open: Option<CpuId>,
    asks: bool,
    /// Whether it asks for a moment only, and not until it is silenced.
    is_edge: bool,
    rhythm: Option<Rhythm>,
    /// Whether it has been let in since it was kept out.
    is_heard: bool,
}

impl Wire {
    /// A message is one for a moment, and where nobody listens it is nobody's.
    fn message_comes(&mut self) {
        if self.is_heard {
            (self.asks, self.is_edge) = (true, true);
        }
    }
}

/// The devices of a machine, and its interrupt controller.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceBoard {
    wires: [Wire; LINES],
}

impl DeviceBoard {
    pub(crate) const fn lines(&self) -> u32 {
        self.wires.len() as u32
    }

    pub(crate) fn open(&mut self, line: u32, cpu: CpuId) {
        let wire = &mut self.wires[line as usize];
        (wire.open, wire.is_heard) = (Some(cpu), true);
    }

    pub(crate) fn close(&mut self, line: u32) {
        let wire = &mut self.wires[line as usize];
        (wire.open, wire.is_heard) = (None, false);
        // What a message has asked for goes with whoever listened.
        wire.asks &= line < FIRST_MESSAGE_LINE;
    }

    /// By which message a device asks on a line, if that has no wire.
    pub(crate) fn message_of(line: u32) -> Option<DeviceMessage> {
        let number = line.checked_sub(FIRST_MESSAGE_LINE)?;
        Some(DeviceMessage { address: MESSAGES, data: FIRST_MESSAGE + number as u16 })
    }

    /// A device writes somewhere.
    fn comes(&mut self, to: u64, data: u64) {
        let number = data.checked_sub(FIRST_MESSAGE.into()).filter(|_| to == MESSAGES);
        let wires = &mut self.wires[FIRST_MESSAGE_LINE as usize..];
        if let Some(wire) = number.and_then(|number| wires.get_mut(usize::try_from(number).ok()?)) {
            wire.message_comes();
        }
    }

    pub(crate) fn is_open(&self, line: u32) -> bool {
        self.wires.get(line as usize).is_some_and(|wire| wire.open.is_some())
    }

    /// The lines on which a device asks and is let in at a CPU.
    pub(crate) fn arriving(&self, cpu: CpuId) -> impl Iterator<Item = u32> {
        let arrives = move |wire: &Wire| wire.asks && wire.open == Some(cpu);
        (0..).zip(&self.wires).filter(move |(_, wire)| arrives(wire)).map(|(line, _)| line)
    }

    /// An interrupt is taken: nothing more is let in on that line.
    pub(crate) fn take(&mut self, line: u32) {
        let wire = &mut self.wires[line as usize];
        wire.open = None;
        wire.asks &= !wire.is_edge;
    }

    pub(crate) fn silence(&mut self, line: u32) {
        if let Some(wire) = self.wires.get_mut(line as usize) {
            wire.asks = false;
        }
    }

    pub(crate) fn attach(&mut self, line: u32, is_edge: bool, every: Nanos, times: u32) {
        let wire = &mut self.wires[line as usize];
        wire.is_edge = is_edge;
        wire.rhythm = Some(Rhythm { next: Instant(every.0), every, left: times });
    }

    /// The devices do what they do until now.
    pub(crate) fn run(&mut self, now: Instant, ram: &mut Ram, registers: Frame) {
        for (line, wire) in (0..).zip(&mut self.wires) {
            if let Some(Rhythm { next, every, left }) = &mut wire.rhythm
                && *left > 0
                && *next <= now
            {
                *left -= 1;
                *next = now.after(*every);
                if line < FIRST_MESSAGE_LINE {
                    wire.asks = true;
                } else {
                    wire.message_comes();
                }
            }
        }
        let register = |at: u64| PhysicalAddress(registers.start().0 + at);
        let at = ram.read(register(ASKS_AT));
        if at != 0 && at <= now.0 {
            ram.write(register(ASKS_AT), 0);
            match ram.read(register(SENDS_TO)) {
                0 => ram.write(register(ASKS), 1),
                to => self.comes(to, ram.read(register(SENDS))),
            }
        }
        let alarm = &mut self.wires[ALARM_LINE as usize];
        if alarm.rhythm.is_none() {
            alarm.asks = ram.read(register(ASKS)) != 0;
        }
    }

    /// When a device does something next.
    pub(crate) fn next(&self, ram: &Ram, registers: Frame) -> Option<Instant> {
        let rhythms = self.wires.iter().filter_map(|wire| wire.rhythm);
        let moments = rhythms.filter(|rhythm| rhythm.left > 0).map(|rhythm| rhythm.next);
        let at = ram.read(PhysicalAddress(registers.start().0 + ASKS_AT));
        moments.chain((at != 0).then_some(Instant(at))).min()
    }
}
