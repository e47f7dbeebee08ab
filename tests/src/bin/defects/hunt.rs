//! The hunt: the harness is let loose on the copy, and what it says is compared with what it has to say.

use crate::defect::{Defect, Method};
use crate::scratch::{Scratch, build_folder, output};

/// What came of a hunt.
pub enum Catch {
    /// The right oracle fired, or the right test failed with the right words.
    Found { by: String, runs: String, decisions: String },
    /// Something else was noticed.
    Otherwise(String),
    /// Nothing was noticed.
    Nothing,
}

/// Lets the method of a planted defect look for it.
pub fn hunt(defect: &Defect, scratch: &Scratch) -> Result<Catch, String> {
    match &defect.method {
        Method::Explore { world, seeds, oracles } => explore(defect, scratch, world, seeds, oracles),
        Method::Test { name, says } => {
            let arguments = ["test", "-q", "-p", "tests", "--test", name].map(str::to_owned);
            test(defect, scratch, &format!("test {name}"), &arguments, says)
        }
        Method::Loom { package, name, says } => {
            let folder = build_folder().join("loom");
            let arguments = [
                "test",
                "-q",
                "--release",
                "--target-dir",
                &folder.display().to_string(),
                "--config",
                r#"build.rustflags=["--cfg=model=\"loom\""]"#,
                "-p",
                package,
                "--test",
                name,
            ];
            test(defect, scratch, &format!("loom {name}"), &arguments.map(str::to_owned), says)
        }
    }
}

fn explore(
    defect: &Defect,
    scratch: &Scratch,
    world: &str,
    seeds: &str,
    oracles: &[String],
) -> Result<Catch, String> {
    let built = output(scratch.cargo().args(["build", "--release", "-q", "-p", "sim"]))?;
    if !built.status.success() {
        return Err(format!("{}: {}", defect.row, String::from_utf8_lossy(&built.stderr)));
    }
    let mut sim = std::process::Command::new(build_folder().join("release/sim"));
    sim.current_dir(scratch.folder()).args(["explore", world, "--seeds", seeds, "--json", "--log", "off"]);
    // Runs take less than a second.
    sim.args(["--patience", "30s"]);
    let report = String::from_utf8_lossy(&output(&mut sim)?.stdout).into_owned();
    let value = |name: &str| json_value(&report, name);
    let Some(oracle) = value("oracle") else { return Ok(Catch::Nothing) };
    if !oracles.contains(&oracle) {
        return Ok(Catch::Otherwise(format!("{oracle} fired instead of {}", oracles.join(" or "))));
    }
    let file = value("file").map(|file| scratch.folder().join(file));
    let decisions = file
        .and_then(|file| std::fs::read_to_string(file).ok())
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("decisions ").map(str::to_owned)));
    Ok(Catch::Found {
        by: format!("explore {world}: {oracle}"),
        runs: value("runs").unwrap_or_default(),
        decisions: decisions.unwrap_or_default(),
    })
}

/// Where it happened, what was claimed, and what was found instead.
const WORDS_OF_A_PANIC: usize = 4;

fn test(
    defect: &Defect,
    scratch: &Scratch,
    by: &str,
    arguments: &[String],
    says: &[String],
) -> Result<Catch, String> {
    let result = output(scratch.cargo().args(arguments))?;
    if result.status.success() {
        return Ok(Catch::Nothing);
    }
    let text = String::from_utf8_lossy(&result.stdout);
    let words = text.lines().skip_while(|line| !line.contains("panicked at")).take(WORDS_OF_A_PANIC);
    let words = words.collect::<Vec<_>>().join(" ");
    match Some(words).filter(|words| !words.is_empty()) {
        Some(_) if says.iter().any(|words| text.contains(words)) => {
            Ok(Catch::Found { by: by.to_owned(), runs: "-".into(), decisions: "-".into() })
        }
        Some(words) => Ok(Catch::Otherwise(format!("{words}, and nothing says '{}'", says.join("' or '")))),
        None => Err(format!("{}: {}", defect.row, String::from_utf8_lossy(&result.stderr))),
    }
}

/// The value of a field in an object without nesting.
fn json_value(report: &str, name: &str) -> Option<String> {
    let at = report.find(&format!("\"{name}\":"))? + name.len() + 3;
    let rest = &report[at..];
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next().map(str::to_owned),
        None => rest.split([',', '}']).next().map(str::to_owned),
    }
}
