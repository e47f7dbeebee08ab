//! Just enough of GDB's remote protocol to step a booted machine.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::target::Arch;
use crate::touch::Registers;

/// How long the machine may take to come to a breakpoint.
const PATIENCE: Duration = Duration::from_secs(120);

fn few() -> io::Error {
    io::Error::other("the machine has few registers")
}

/// A machine that is stopped, or goes one instruction at a time.
pub struct Debugger {
    arch: Arch,
    output: TcpStream,
    input: BufReader<TcpStream>,
}

impl Debugger {
    /// Takes charge of a machine that has called and waits.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn of(arch: Arch, output: TcpStream) -> io::Result<Self> {
        output.set_read_timeout(Some(PATIENCE))?;
        output.set_nodelay(true)?;
        let input = BufReader::new(output.try_clone()?);
        let mut debugger = Self { arch, output, input };
        debugger.ask("QStartNoAckMode")?;
        Ok(debugger)
    }

    /// Lets the machine run until it comes to an address.
    ///
    /// # Errors
    /// If it does not.
    pub fn run_to(&mut self, address: u64) -> io::Result<()> {
        self.ask(&format!("Z0,{address:x},1"))?;
        let stopped = self.ask("c")?;
        self.ask(&format!("z0,{address:x},1"))?;
        if stopped.starts_with('T') || stopped.starts_with('S') {
            return Ok(());
        }
        Err(io::Error::other(format!("the machine did not come to {address:#x}: {stopped}")))
    }

    /// Lets it execute one instruction.
    ///
    /// # Errors
    /// If it is gone.
    pub fn step(&mut self) -> io::Result<()> {
        self.ask("s").map(drop)
    }

    /// Where it is, and all registers.
    ///
    /// # Errors
    /// If it is gone.
    pub fn place(&mut self) -> io::Result<(u64, Registers)> {
        let registers = Registers(self.bytes("g")?);
        let place = match self.arch {
            Arch::Riscv64 => 32,
            Arch::X86_64 => 16,
        };
        let address = registers.numbered(place).ok_or_else(few)?;
        Ok((address, registers))
    }

    /// The first two arguments of the function that it is about to enter.
    ///
    /// # Errors
    /// If it is gone.
    pub fn arguments(&mut self) -> io::Result<[u64; 2]> {
        let [first, second] = match self.arch {
            Arch::Riscv64 => [10, 11],
            Arch::X86_64 => [5, 4],
        };
        Ok([self.register(first)?, self.register(second)?])
    }

    /// Lets it run until the function that it is about to enter is back.
    ///
    /// # Errors
    /// If it is gone.
    pub fn finish(&mut self) -> io::Result<()> {
        let back = match self.arch {
            Arch::Riscv64 => self.register(1)?,
            Arch::X86_64 => {
                let stack = self.register(7)?;
                let bytes = self.memory(stack, 8)?;
                let bytes = bytes.try_into().map_err(|_| io::Error::other("the stack has an end"))?;
                u64::from_le_bytes(bytes)
            }
        };
        self.run_to(back)
    }

    /// A register, by its place among those that come with GDB's packet for all of them.
    fn register(&mut self, place: usize) -> io::Result<u64> {
        Registers(self.bytes("g")?).numbered(place).ok_or_else(few)
    }

    /// Memory as the machine sees it where it is, as far as there is some.
    ///
    /// # Errors
    /// If there is none.
    pub fn memory(&mut self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        self.bytes(&format!("m{address:x},{length:x}"))
    }

    fn bytes(&mut self, packet: &str) -> io::Result<Vec<u8>> {
        let answer = self.ask(packet)?;
        let byte = |at: usize| answer.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (0..answer.len())
            .step_by(2)
            .map(|at| byte(at).ok_or_else(|| io::Error::other(format!("{packet}: {answer}"))))
            .collect()
    }

    /// Sends a packet and waits for its answer.
    fn ask(&mut self, packet: &str) -> io::Result<String> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.output.write_all(format!("${packet}#{sum:02x}").as_bytes())?;
        let mut byte = [0];
        let mut answer = String::new();
        // What comes before is the acknowledgement of the packet that turned acknowledgements off.
        while byte != *b"$" {
            self.input.read_exact(&mut byte)?;
        }
        loop {
            self.input.read_exact(&mut byte)?;
            if byte == *b"#" {
                break;
            }
            answer.push(char::from(byte[0]));
        }
        let mut checksum = [0; 2];
        self.input.read_exact(&mut checksum)?;
        Ok(answer)
    }
}
