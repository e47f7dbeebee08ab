//! The interrupt controller of RISC-V machines (PLIC specification 1.0): a source each, counted from one, and a context
//! for each hart's S-mode.
//!
//! A source that a hart has claimed asks nobody until it is completed: a line that has come in is closed by that, and
//! opened by the completion, which counts only where the source is enabled.

use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use coldframe_hal::MAX_CPUS;

use crate::boot::device_tree::MOST_LINES;

const ENABLES: u64 = 0x2000;
const ENABLES_OF_CONTEXT: u64 = 0x80;
const THRESHOLDS: u64 = 0x20_0000;
const OF_CONTEXT: u64 = 0x1000;
const CLAIM: u64 = 4;
const NO_CONTEXT: u16 = u16::MAX;

/// The registers of the controller, by their offsets.
pub trait Registers {
    /// Reads one; to read a claim register claims.
    fn read(&self, offset: u64) -> u32;

    /// Writes one.
    fn write(&self, offset: u64, value: u32);
}

/// What is known of the sources. All but `claim` is called by one CPU at a time.
#[derive(Debug)]
pub struct Plic {
    lines: AtomicU32,
    /// The context of each CPU's S-mode.
    contexts: [AtomicU16; MAX_CPUS],
    /// The context that has claimed each source and not completed it: written by its CPU before it goes on.
    claimed: [AtomicU16; MOST_LINES],
    /// The context in which each source is enabled.
    routes: [AtomicU16; MOST_LINES],
}

impl Default for Plic {
    fn default() -> Self {
        Self::new()
    }
}

impl Plic {
    /// One without lines.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: AtomicU32::new(0),
            contexts: [const { AtomicU16::new(NO_CONTEXT) }; MAX_CPUS],
            claimed: [const { AtomicU16::new(NO_CONTEXT) }; MOST_LINES],
            routes: [const { AtomicU16::new(NO_CONTEXT) }; MOST_LINES],
        }
    }

    /// How many lines there are, the one that there never is included.
    pub fn lines(&self) -> u32 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Takes charge of so many lines, for CPUs with these contexts.
    pub fn set_up(
        &self,
        lines: u32,
        contexts: impl Iterator<Item = Option<u32>>,
        registers: &impl Registers,
    ) {
        for (cpu, context) in self.contexts.iter().zip(contexts) {
            let context = context.and_then(|context| u16::try_from(context).ok());
            cpu.store(context.unwrap_or(NO_CONTEXT), Ordering::Relaxed);
        }
        // All are equally urgent: which is served first is for the kernel to say.
        (1..lines).for_each(|line| registers.write(u64::from(line) * 4, 1));
        self.lines.store(lines, Ordering::SeqCst);
    }

    /// Readies the context of a CPU: nothing is enabled, and whatever will be gets through.
    pub fn set_up_cpu(&self, cpu: usize, registers: &impl Registers) {
        let Some(context) = self.context(cpu) else { return };
        for word in 0..self.lines().div_ceil(32) {
            registers.write(enables(context, word * 32), 0);
        }
        registers.write(threshold(context), 0);
    }

    fn context(&self, cpu: usize) -> Option<u16> {
        let context = self.contexts[cpu].load(Ordering::Relaxed);
        if context == NO_CONTEXT { None } else { Some(context) }
    }

    /// Lets a line in at a CPU.
    pub fn open(&self, line: u32, cpu: usize, registers: &impl Registers) {
        let Some(to) = self.context(cpu).filter(|_| line != 0) else { return };
        let route = self.routes[line as usize].swap(to, Ordering::Relaxed);
        if route != NO_CONTEXT && route != to {
            enable(route, line, false, registers);
        }
        enable(to, line, true, registers);
        let claimed = self.claimed[line as usize].swap(NO_CONTEXT, Ordering::SeqCst);
        if claimed == NO_CONTEXT {
            return;
        }
        enable(claimed, line, true, registers);
        registers.write(threshold(claimed) + CLAIM, line);
        if claimed != to {
            enable(claimed, line, false, registers);
        }
    }

    /// Keeps a line out.
    pub fn close(&self, line: u32, registers: &impl Registers) {
        let route = self.routes[line as usize].swap(NO_CONTEXT, Ordering::Relaxed);
        if route != NO_CONTEXT {
            enable(route, line, false, registers);
        }
    }

    /// Claims what has come to a CPU, if it is still there: it stays closed until it is opened.
    pub fn claim(&self, cpu: usize, registers: &impl Registers) -> Option<u32> {
        let context = self.context(cpu)?;
        let line = registers.read(threshold(context) + CLAIM);
        if line == 0 {
            return None;
        }
        self.claimed.get(line as usize)?.store(context, Ordering::SeqCst);
        Some(line)
    }
}

fn threshold(context: u16) -> u64 {
    THRESHOLDS + OF_CONTEXT * u64::from(context)
}

fn enables(context: u16, line: u32) -> u64 {
    ENABLES + ENABLES_OF_CONTEXT * u64::from(context) + u64::from(line / 32) * 4
}

fn enable(context: u16, line: u32, on: bool, registers: &impl Registers) {
    let (at, bit) = (enables(context, line), 1 << (line % 32));
    let before = registers.read(at);
    registers.write(at, if on { before | bit } else { before & !bit });
}
