//! Instruction counts of capabilities: looked up, made, given up, revoked.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use std::hint::black_box;

use benches::names::Names;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Each figure is that of so many operations: divide.
const TIMES: u64 = 1_000;

#[library_benchmark]
#[bench::ten(Names::with(10))]
#[bench::many(Names::with(100_000))]
fn look_up(names: Names) -> Names {
    let handle = names.handle().to_word();
    for _ in 0..TIMES {
        black_box(names.look_up(black_box(handle)));
    }
    names
}

#[library_benchmark]
#[bench::ten(Names::with(10))]
#[bench::many(Names::with(100_000))]
fn mint_and_delete(mut names: Names) -> Names {
    for _ in 0..TIMES {
        names.mint_and_delete();
    }
    names
}

#[library_benchmark]
#[bench::ten(Names::with(1_010))]
#[bench::many(Names::with(100_000))]
fn revoke_each(mut names: Names) -> Names {
    for _ in 0..TIMES {
        names.revoke_one();
    }
    names
}

library_benchmark_group!(name = capabilities, benchmarks = [look_up, mint_and_delete, revoke_each]);
main!(library_benchmark_groups = capabilities);
