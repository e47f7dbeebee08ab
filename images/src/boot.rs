//! Boots an image in QEMU, with the serial line as its voice.

use std::fmt;
use std::io::{BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::build::Image;
use crate::symbols::Symbols;
use crate::target::Arch;

/// How to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many CPUs.
    pub cpus: u16,
    /// How much memory, as QEMU reads it.
    pub memory: String,
    /// Stop when the serial line has been silent for so long.
    pub silence: Duration,
    /// Count instructions as nanoseconds.
    pub icount: bool,
    /// Wait for a debugger.
    pub gdb: bool,
}

/// Why a machine did not run to its end.
#[derive(Debug)]
pub enum BootError {
    /// The emulator is not there.
    NoEmulator(Arch),
    /// It cannot be run.
    Io(std::io::Error),
    /// The serial line went silent.
    Silent(Duration),
    /// The emulator ended without a word from the machine.
    Died(ExitStatus),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEmulator(arch) => write!(
                f,
                "{} is not installed; on Debian: apt-get install --no-install-recommends {}",
                arch.emulator(),
                arch.package()
            ),
            Self::Io(error) => write!(f, "the emulator cannot be run: {error}"),
            Self::Silent(span) => {
                write!(f, "the machine has said nothing for {} s and was stopped (--timeout)", span.as_secs())
            }
            Self::Died(status) => write!(f, "the emulator ended by itself: {status}"),
        }
    }
}

impl std::error::Error for BootError {}

/// The command that boots an image.
#[must_use]
pub fn command(image: &Image, options: &Options) -> Command {
    let mut command = Command::new(image.arch.emulator());
    command.args(image.arch.machine());
    command.args(["-smp", &options.cpus.to_string(), "-m", &options.memory]);
    command.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"]);
    command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.archive);
    if options.icount {
        command.args(["-icount", "shift=0,align=off,sleep=off"]);
    }
    if options.gdb {
        command.args(["-S", "-s"]);
    }
    command
}

/// Takes the emulator down with whoever started it.
pub(crate) struct Kill(pub(crate) Child);

impl Drop for Kill {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots, gives each line of the machine to `line`, and returns the machine's status.
///
/// # Errors
/// If it did not come to its end.
pub fn boot(image: &Image, options: &Options, mut line: impl FnMut(&str)) -> Result<i32, BootError> {
    let mut command = command(image, options);
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => BootError::NoEmulator(image.arch),
            _ => BootError::Io(error),
        })?;
    let mut child = Kill(child);
    let Some(output) = child.0.stdout.take() else {
        return Err(BootError::Io(std::io::Error::other("no pipe from the emulator")));
    };
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let symbols = Symbols::of(&image.kernel);
    let mut pending = Vec::new();
    loop {
        // A debugger may hold the machine for as long as it likes.
        let patience = if options.gdb { Duration::MAX } else { options.silence };
        match receiver.recv_timeout(patience) {
            Ok(bytes) => {
                pending.extend(bytes);
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let text: Vec<u8> = pending.drain(..=end).collect();
                    line(&symbols.explain(&String::from_utf8_lossy(&text)));
                }
            }
            Err(RecvTimeoutError::Timeout) => return Err(BootError::Silent(options.silence)),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.0.wait().map_err(BootError::Io)?;
    match status.code() {
        // QEMU itself answers with 1; x86_64 answers with 0 only when the machine was reset.
        Some(0) if image.arch == Arch::X86_64 => Err(BootError::Died(status)),
        Some(code) => Ok(image.arch.status(code)),
        None => Err(BootError::Died(status)),
    }
}
