//! The reference of the syscalls as text.

use std::fmt::Write as _;

/// Every row of the table.
#[must_use]
pub fn text() -> String {
    let mut text = String::new();
    for number in coldframe_abi::TABLE {
        let row = number.description();
        let parameters: Vec<_> =
            row.parameters.iter().map(|p| format!("{}: {}", p.name, p.kind.name())).collect();
        let errors: Vec<_> = row.errors.iter().map(|error| format!("{error:?}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>3}  {}({}) -> {}\n     {}",
            *number as u64,
            row.name,
            parameters.join(", "),
            row.result.name(),
            row.line
        );
        if !errors.is_empty() {
            let _ = writeln!(text, "     fails with: {}", errors.join(", "));
        }
    }
    text.push_str("\nEvery call also fails with BadArgument if a word cannot be what the table says it is.\n\nErrors:\n");
    for error in coldframe_abi::Error::ALL {
        let _ = writeln!(text, "{:>3}  {error:?}: {}", *error as u16, error.meaning());
    }
    text
}
