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
        outln!("{}", json!({ "worlds": worlds, "scenarios": scenarios, "oracles": oracles }));
        return Exit::Fine;
    }
    outln!("Drawn worlds (explore, run):");
    for kind in KINDS {
        outln!("  {:<12} {}", kind.name, kind.about);
    }
    outln!("\nScenarios (explore, run; the same programs run in the images):");
    for scenario in SCENARIOS {
        outln!("  {:<12} {}", scenario.name, scenario.about);
    }
    outln!("\nOracles:");
    for oracle in ORACLES {
        outln!("  {:<16} {}", oracle.name, oracle.statement);
    }
    Exit::Fine
}
