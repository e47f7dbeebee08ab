//! A run is a pure function of its decisions, a failure is a file, and the tester itself is tested.

use std::sync::atomic::AtomicBool;

use sim::draw::KINDS;
use sim::explore::{Counts, Plan, Verdict, explore, record};
use sim::file::{FileError, RunFile};
use sim::run::{Options, Subject, run};
use sim::source::{Bytes, Random, Replay, Source};

#[test]
fn every_world_runs_the_same_twice_and_from_its_file() {
    for kind in KINDS {
        for seed in 0..12 {
            let subject = Subject::Drawn(kind);
            let options = Options { traced: true, steps: Some(2_000), ..Options::default() };
            let first = run(subject, &mut Random::new(seed), options);
            let (file, second) = record(subject, seed, options);
            assert_eq!(first, second, "{} from seed {seed}", kind.name);
            let file = RunFile::parse(&file.to_text()).expect("a file reads back");
            let mut replay = Replay::new(file.decisions);
            let third = run(subject, &mut replay, options);
            assert_eq!(first, third, "{} from seed {seed}, replayed", kind.name);
            assert!(!replay.strayed());
        }
    }
}

#[test]
fn no_oracle_fires_on_fixed_seeds() {
    let plan = Plan {
        subjects: KINDS.iter().map(Subject::Drawn).collect(),
        first_seed: 1,
        end_seed: Some(601),
        time: None,
        jobs: 2,
        // Those that go on for longer are for whoever has more time.
        options: Options { steps: Some(20_000), ..Options::default() },
        twice_every: 50,
    };
    let counts = Counts::default();
    let verdict = explore(&plan, &counts, &AtomicBool::new(false), |_| {});
    assert!(matches!(verdict, Verdict::Fine), "{verdict:?}");
}

#[test]
fn the_short_way_in_comes_to_the_same_as_the_long_one() {
    for kind in KINDS {
        for seed in 0..7 {
            let options = Options { steps: Some(1_500), compared: Some(2), ..Options::default() };
            let outcome = run(Subject::Drawn(kind), &mut Random::new(seed), options);
            assert_eq!(outcome.violation, None, "{} from seed {seed}", kind.name);
        }
    }
}

#[test]
fn damaged_files_are_told_apart() {
    let subject = Subject::Drawn(&KINDS[0]);
    let options = Options { steps: Some(300), ..Options::default() };
    let (file, _) = record(subject, 7, options);
    let text = file.to_text();
    assert_eq!(RunFile::parse(""), Err(FileError::NotARun));
    assert_eq!(RunFile::parse("coldframe-run 9\n"), Err(FileError::NotARun));
    let unknown = text.replace("subject scheduler", "subject nonsense");
    assert_eq!(RunFile::parse(&unknown), Err(FileError::UnknownSubject("nonsense".to_owned())));
    let cut: String = text.lines().take(8).map(|line| format!("{line}\n")).collect();
    assert!(matches!(RunFile::parse(&cut), Err(FileError::Incomplete { .. })));
    for line in 1..8 {
        let damaged: Vec<_> =
            text.lines().enumerate().map(|(n, l)| if n == line { "?" } else { l }).collect();
        assert!(RunFile::parse(&damaged.join("\n")).is_err(), "line {line}");
    }
}

#[test]
fn sources_stay_in_range() {
    let mut random = Random::new(3);
    let mut bytes = Bytes::new(&[7, 255, 0, 9, 200, 201, 202, 203, 204]);
    for n in [1, 2, 3, 255, 256, 257, 70_000, u32::MAX] {
        assert!(random.choose(n) < n && bytes.choose(n) < n, "{n}");
    }
    assert!(bytes.is_exhausted());
}
