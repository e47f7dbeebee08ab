//! Which defects are planted, and in which order.

use std::collections::BTreeSet;
use std::process::Command;

use crate::defect::{Defect, crate_of, root};
use crate::scratch::output;

/// Keeps the defects with these names; all, if there are none.
pub fn named(rows: &[String], mut defects: Vec<Defect>) -> Result<Vec<Defect>, String> {
    for row in rows {
        if !defects.iter().any(|defect| defect.row == *row) {
            let known: Vec<_> = defects.iter().map(|defect| defect.row.as_str()).collect();
            return Err(format!("there is no defect '{row}'; there are: {}", known.join(", ")));
        }
    }
    defects.retain(|defect| rows.is_empty() || rows.contains(&defect.row));
    Ok(defects)
}

/// The order in which a hunt with little time takes them: first those in crates that the last commit or the working
/// tree has changed, then the others; both from another place for every commit.
pub fn in_turn(mut defects: Vec<Defect>) -> Result<Vec<Defect>, String> {
    let start =
        head()?.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let count = defects.len().max(1);
    defects.rotate_left(start % count);
    let changed = changed_crates()?;
    let (mut first, others): (Vec<_>, Vec<_>) =
        defects.into_iter().partition(|defect| defect.crates().any(|name| changed.contains(&name)));
    first.extend(others);
    Ok(first)
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let result = output(Command::new("git").current_dir(root()).args(arguments))?;
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

fn head() -> Result<String, String> {
    git(&["rev-parse", "HEAD"])
}

fn changed_crates() -> Result<BTreeSet<String>, String> {
    // A clone without history has no commit before this one: then only the working tree counts.
    let commit = git(&["diff", "--name-only", "HEAD~1", "HEAD"])?;
    let tree = git(&["diff", "--name-only", "HEAD"])?;
    Ok(commit.lines().chain(tree.lines()).filter_map(crate_of).collect())
}
