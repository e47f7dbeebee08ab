//! What nobody reaches, nobody tests: every call is made by some drawn world, and every oracle fires for some defect.

use std::collections::BTreeSet;
use std::path::Path;

use coldframe_abi::TABLE;
use coldframe_hal::Event;
use sim::draw::KINDS;
use sim::oracle::ORACLES;
use sim::run::{ASSERTION, Options, PROGRESS, Subject, run};
use sim::source::Random;

#[test]
fn every_call_of_the_table_is_made() {
    let mut missing: BTreeSet<_> = TABLE.iter().copied().collect();
    for seed in 0..400 {
        for kind in KINDS {
            if missing.is_empty() {
                return;
            }
            let options = Options { traced: true, steps: Some(4_000), ..Options::default() };
            let outcome = run(Subject::Drawn(kind), &mut Random::new(seed), options);
            for stamped in outcome.trace {
                if let Event::Call(number) = stamped.event {
                    missing.remove(&number);
                }
            }
        }
    }
    panic!("no generator reaches {missing:?}");
}

#[test]
fn every_oracle_fires_for_a_planted_defect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("defects");
    let mut fires = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("the folder can be read").path();
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Where one of several may fire, none of them is sure to. A test may be expected to say an oracle's name.
        let expects =
            |line: &'_ str| line.strip_prefix("oracle: ").or(line.strip_prefix("says: ")).map(str::to_owned);
        fires.extend(text.lines().find_map(expects));
    }
    for oracle in ORACLES.iter().chain([&ASSERTION, &PROGRESS]) {
        assert!(fires.contains(oracle.name), "no planted defect makes '{}' fire", oracle.name);
    }
}
