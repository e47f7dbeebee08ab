//! The fuzzers' corpus, replayed through the same functions: it finds on stable what it found for the fuzzer.

use std::fmt::Display;
use std::path::Path;

#[track_caller]
fn passes<E: Display>(target: &str, run: fn(&[u8]) -> Result<(), E>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        if let Err(problem) = run(&bytes) {
            panic!("{}: {problem}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn the_syscalls_corpus_passes() {
    passes("syscalls", sim::fuzz::syscalls);
}

#[test]
fn the_frames_corpus_passes() {
    passes("frames", sim::fuzz::frames);
}

#[test]
fn the_spaces_corpus_passes() {
    passes("spaces", sim::fuzz::spaces);
}
