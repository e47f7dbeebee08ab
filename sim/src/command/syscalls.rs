//! `sim syscalls`: the reference, from the one table.

use serde_json::json;

use super::Exit;

pub(crate) fn run(json: bool) -> Exit {
    if json {
        let rows: Vec<_> = coldframe_abi::TABLE
            .iter()
            .map(|number| {
                let row = number.description();
                let parameters: Vec<_> =
                    row.parameters.iter().map(|p| json!({ "name": p.name, "kind": p.kind.name() })).collect();
                let errors: Vec<_> = row.errors.iter().map(|error| format!("{error:?}")).collect();
                json!({
                    "number": *number as u64, "name": row.name, "parameters": parameters,
                    "result": row.result.name(), "errors": errors, "line": row.line,
                })
            })
            .collect();
        outln!("{}", json!(rows));
    } else {
        out!("{}", sim::reference::text());
    }
    Exit::Fine
}
