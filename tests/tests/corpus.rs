//! The fuzzers' corpus, replayed through the same function: it finds on stable what it found for the fuzzer.

use std::path::Path;

#[test]
fn the_syscalls_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/syscalls");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        if let Err(violation) = sim::fuzz::syscalls(&bytes) {
            panic!("{}: {violation}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
