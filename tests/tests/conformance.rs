//! One kernel, two grounds: the same scenarios under glass, on RISC-V and on x86_64, transcript by transcript.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use coldframe_hal::paging::{FourLevel, Sv39, Sv48};
use coldframe_scenarios::SCENARIOS;
use hal_host::HardwareFormat;
use images::boot::{Options, boot};
use images::build::build;
use images::compiler::{Compiler, find_compiler};
use images::target::Arch;
use sim::source::Random;
use sim::stage::{transcript, world};
use sim::world::Progress;

type Transcript = BTreeMap<String, Vec<String>>;

/// Plays a scenario under glass.
fn under_glass<F: HardwareFormat>(name: &str, cpus: u16, seed: u64) -> Transcript {
    let mut world = world::<F>(name, cpus, seed).expect("the scenario is there");
    let mut source = Random::new(seed);
    for _ in 0..2_000_000 {
        match world.step(&mut source) {
            Ok(Progress::Going) => {}
            Ok(Progress::Off) => {
                let console = String::from_utf8_lossy(world.kernel().machine().console()).into_owned();
                return transcript(&console);
            }
            Ok(Progress::Rest) => {
                panic!("{name} on {cpus} CPUs from seed {seed} came to rest before its end")
            }
            Err(violation) => panic!("{name} on {cpus} CPUs from seed {seed}: {violation}"),
        }
    }
    panic!("{name} on {cpus} CPUs from seed {seed} does not end");
}

fn all_under_glass<F: HardwareFormat>(cpus: u16, seed: u64) -> Transcript {
    SCENARIOS.iter().flat_map(|scenario| under_glass::<F>(scenario.name, cpus, seed)).collect()
}

#[test]
fn transcripts_depend_on_nothing_but_the_scenario() {
    let expected = all_under_glass::<Sv39>(1, 0);
    assert!(expected.values().map(Vec::len).sum::<usize>() > 150, "the scenarios say something");
    for cpus in [1, 2, 4, 7] {
        for seed in 0..6 {
            differ(
                &expected,
                &all_under_glass::<Sv39>(cpus, seed),
                &format!("glass, {cpus} CPUs, seed {seed}"),
            );
        }
    }
    differ(&expected, &all_under_glass::<Sv48>(2, 1), "glass, Sv48");
    differ(&expected, &all_under_glass::<FourLevel>(2, 1), "glass, x86_64 4-level");
}

#[test]
fn metal_says_what_glass_says() {
    let expected = all_under_glass::<Sv39>(2, 0);
    for arch in Arch::ALL {
        if let Some(reason) = cannot_boot(arch) {
            // Past the test harness' capture: what was skipped has to be seen.
            let _ = writeln!(std::io::stderr(), "skipped: conformance on {arch}: {reason}");
            assert!(std::env::var_os("COLDFRAME_MUST_BOOT").is_none(), "{arch}: {reason}");
            continue;
        }
        let image = build(arch, true).unwrap_or_else(|error| panic!("{error}"));
        for (round, cpus) in [1, 2, 4, 4].into_iter().enumerate() {
            let options = Options {
                cpus,
                // One scenario spends it all: what is more costs time and shows nothing.
                memory: "64M".to_owned(),
                silence: Duration::from_secs(120),
                icount: false,
                gdb: false,
            };
            let mut console = String::new();
            let status = boot(&image, &options, |line| {
                console.push_str(line);
                console.push('\n');
            });
            match status {
                Ok(0) => {}
                other => panic!("{arch} with {cpus} CPUs, boot {round}: {other:?}\n{console}"),
            }
            differ(&expected, &transcript(&console), &format!("{arch}, {cpus} CPUs, boot {round}"));
            assert!(console.contains("process 0 ended: its thread"), "the crash was reported:\n{console}");
            assert!(!console.contains("still here"), "the crash ended its process:\n{console}");
        }
    }
}

fn cannot_boot(arch: Arch) -> Option<String> {
    let emulator = Command::new(arch.emulator()).arg("--version").output();
    if emulator.is_err() {
        return Some(format!("to enable it: apt-get install --no-install-recommends {}", arch.package()));
    }
    match find_compiler(arch) {
        Some(compiler) if compiler != Compiler::Addable => None,
        _ => Some(format!("to enable it: rustup target add {}", arch.triple())),
    }
}

/// Compares event by event, and says which one is the first that differs.
fn differ(expected: &Transcript, found: &Transcript, ground: &str) {
    for (thread, events) in expected {
        let others = found.get(thread).map(Vec::as_slice).unwrap_or_default();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(Some(event), others.get(index), "{ground}: thread {thread}, event {index}");
        }
        assert_eq!(events.len(), others.len(), "{ground}: thread {thread} says more: {:?}", others.last());
    }
    let unknown: Vec<_> = found.keys().filter(|thread| !expected.contains_key(*thread)).collect();
    assert!(unknown.is_empty(), "{ground}: nobody knows {unknown:?}");
}
