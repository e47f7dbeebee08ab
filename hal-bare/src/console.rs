//! The serial line, and formatted text on it. Written under the kernel lock, at boot, or by the last words of a panic.

use core::fmt::{self, Write};

use crate::arch;

/// Writes bytes; a line feed becomes what terminals expect.
pub(crate) fn write(bytes: &[u8]) {
    for byte in bytes {
        if *byte == b'\n' {
            arch::serial_write(b'\r');
        }
        arch::serial_write(*byte);
    }
}

/// The serial line as a formatter.
pub(crate) struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Prints a line of the boot log.
macro_rules! say {
    ($($text:tt)*) => {{
        use core::fmt::Write as _;
        // The serial line takes everything.
        let _ = writeln!($crate::console::Serial, $($text)*);
    }};
}
pub(crate) use say;
