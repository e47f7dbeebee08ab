//! What nobody reaches, nobody tests: every call is made by some drawn world and answered in every way by the corpus,
//! and every oracle fires for some defect.

use std::collections::BTreeSet;
use std::path::Path;

use coldframe_abi::TABLE;
use coldframe_hal::Event;
use sim::Answers;
use sim::draw::KINDS;
use sim::fuzz::played;
use sim::oracle::ORACLES;
use sim::run::{ASSERTION, Options, PROGRESS, Subject, run};
use sim::source::{Bytes, Random};

#[test]
fn every_call_of_the_table_is_made() {
    /// So many worlds of each kind; what is rare is looked for where every call is drawn.
    const OF_EACH: u64 = 4;
    let mut missing: BTreeSet<_> = TABLE.iter().copied().collect();
    for seed in 0..4_000 {
        for kind in KINDS.iter().filter(|kind| seed < OF_EACH || kind.name == "calls") {
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

/// Not by luck: these inputs are in the repository, and a change of the worlds that spoils one is told of here.
#[test]
fn every_call_is_answered_in_every_way_by_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/syscalls");
    let mut covered = Answers::default();
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let bytes =
            std::fs::read(entry.expect("the folder can be read").path()).expect("the file can be read");
        covered.add_all(&played(&mut Bytes::new(&bytes)).answers);
    }
    let missing: Vec<_> = Answers::in_the_table().filter(|answer| !covered.has(*answer)).collect();
    assert!(missing.is_empty(), "no input leads to {missing:?}: 'cargo corpus' looks for some");
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
