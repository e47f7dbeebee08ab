//! `sim list`.

use coldframe_scenarios::SCENARIOS;
use serde_json::json;
use sim::draw::KINDS;
use sim::oracle::ORACLES;

use super::Exit;

pub(crate) fn run(json: bool) -> Exit {
    if json {
        let worlds: Vec<_> =
            KINDS.iter().map(|kind| json!({ "name": kind.name, "about": kind.about })).collect();
        let scenarios: Vec<_> =
            SCENARIOS.iter().map(|s| json!({ "name": s.name, "about": s.about })).collect();
        let oracles: Vec<_> = ORACLES
            .iter()
            .map(|oracle| json!({ "name": oracle.name, "statement": oracle.statement }))
            .collect();
        println!("{}", json!({ "worlds": worlds, "scenarios": scenarios, "oracles": oracles }));
        return Exit::Fine;
    }
    println!("Drawn worlds (explore, run):");
    for kind in KINDS {
        println!("  {:<12} {}", kind.name, kind.about);
    }
    println!("\nScenarios (explore, run; the same programs run in the images):");
    for scenario in SCENARIOS {
        println!("  {:<12} {}", scenario.name, scenario.about);
    }
    println!("\nOracles:");
    for oracle in ORACLES {
        println!("  {:<16} {}", oracle.name, oracle.statement);
    }
    Exit::Fine
}
