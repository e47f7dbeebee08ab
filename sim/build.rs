//! Gives the kernel under glass a name that changes with its source, so that a reproduction file knows its kernel.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let mut found = Vec::new();
    for folder in ["core", "hal-host", "sim/src", "images/userland/scenarios"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        sources(&root.join(folder), &mut found);
    }
    found.sort();
    // FNV-1a: a name, not a secret.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for path in found {
        for byte in fs::read(path).unwrap_or_default() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=COLDFRAME_KERNEL={hash:016x}");
}
