//! The reference of the syscalls: as text, and as a page.

use std::fmt::Write as _;

use coldframe_abi::{CapabilityRights, Description, Error, Parameter, TABLE};

/// The rights in a set, by name.
#[must_use]
pub fn rights_named(rights: CapabilityRights) -> Vec<&'static str> {
    let all = CapabilityRights::NAMED.iter();
    all.filter(|(right, _)| right.within(rights)).map(|(_, name)| *name).collect()
}

fn described(parameter: &Parameter) -> String {
    let needed = rights_named(parameter.rights);
    let needed = if needed.is_empty() { String::new() } else { format!(" ({})", needed.join(", ")) };
    format!("{}: {}{needed}", parameter.name, parameter.kind.name())
}

fn signature(row: &Description) -> String {
    let message = row.sends.then(|| "a message".to_owned());
    let parameters: Vec<_> = row.parameters.iter().map(described).chain(message).collect();
    let received = if row.receives { " and a message" } else { "" };
    format!("{}({}) -> {}{received}", row.name, parameters.join(", "), row.result.name())
}

fn errors(row: &Description) -> String {
    row.errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join(", ")
}

const OF_ALL: &str = "Every call also fails with BadArgument if a word cannot be what the table says it is, and with NotAllowed if \
the caller's process may not make it.";

/// Every row of the table.
#[must_use]
pub fn text() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for number in TABLE {
        let row = number.description();
        let _ = writeln!(text, "{:>3}  {}\n     {}", *number as u64, signature(row), row.line);
        if !row.errors.is_empty() {
            let _ = writeln!(text, "     fails with: {}", errors(row));
        }
    }
    let _ = writeln!(text, "\n{OF_ALL}\n\nErrors:");
    for error in Error::ALL {
        let _ = writeln!(text, "{:>3}  {error:?}: {}", *error as u16, error.meaning());
    }
    text
}

/// Every row of the table, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("# Calls\n\n| | call | what it does | fails with |\n|---|---|---|---|\n");
    for number in TABLE {
        let row = number.description();
        let _ =
            writeln!(text, "| {} | `{}` | {} | {} |", *number as u64, signature(row), row.line, errors(row));
    }
    let _ = writeln!(text, "\n{OF_ALL}\n\n# Errors\n\n| | error | meaning |\n|---|---|---|");
    for error in Error::ALL {
        let _ = writeln!(text, "| {} | {error:?} | {} |", *error as u16, error.meaning());
    }
    text
}
