//! `sim syscalls`: the reference, from the one table.

use clap::{Args, ValueEnum};
use serde_json::json;
use sim::reference::{markdown, rights_named, text};

use super::Exit;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How to print it; '--json' is the same as '--format json'.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

pub(crate) fn run(arguments: &Arguments, json: bool) -> Exit {
    match arguments.format {
        _ if json => outln!("{}", rows()),
        Format::Json => outln!("{}", rows()),
        Format::Text => out!("{}", text()),
        Format::Markdown => out!("{}", markdown()),
    }
    Exit::Fine
}

fn rows() -> serde_json::Value {
    let rows: Vec<_> = coldframe_abi::TABLE
        .iter()
        .map(|number| {
            let row = number.description();
            let parameters: Vec<_> = row
                .parameters
                .iter()
                .map(|p| json!({ "name": p.name, "kind": p.kind.name(), "rights": rights_named(p.rights) }))
                .collect();
            let errors: Vec<_> = row.errors.iter().map(|error| format!("{error:?}")).collect();
            json!({
                "number": *number as u64, "name": row.name, "parameters": parameters,
                "sends_message": row.sends, "result": row.result.name(), "receives_message": row.receives,
                "errors": errors, "line": row.line,
            })
        })
        .collect();
    json!(rows)
}
