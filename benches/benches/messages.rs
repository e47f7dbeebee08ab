//! Instruction counts of calls that have a fast way, and of interrupts: how many threads or names there are does not matter.
#![expect(missing_docs, reason = "gungraun's macros make modules without")]

use benches::messages::Pair;
use benches::namer::Namer;
use benches::yielders::Yielders;
use gungraun::{library_benchmark, library_benchmark_group, main};

/// Each figure is that of so many round trips: divide.
const TIMES: u64 = 1_000;

#[library_benchmark]
#[bench::two(Pair::beside(0))]
#[bench::many(Pair::beside(100_000))]
fn call_and_reply(mut pair: Pair) -> Pair {
    for _ in 0..TIMES {
        pair.round_trip();
    }
    pair
}

#[library_benchmark]
#[bench::two(Pair::beside(0))]
#[bench::many(Pair::beside(100_000))]
fn slow_call_and_reply(mut pair: Pair) -> Pair {
    for _ in 0..TIMES {
        pair.slow_round_trip();
    }
    pair
}

#[library_benchmark]
#[bench::two(Pair::beside(0))]
#[bench::many(Pair::beside(100_000))]
fn call_with_page_lent(mut pair: Pair) -> Pair {
    for _ in 0..TIMES {
        pair.page_lent();
    }
    pair
}

#[library_benchmark]
#[bench::two(Pair::beside(0))]
#[bench::many(Pair::beside(100_000))]
fn signal_and_receive(mut pair: Pair) -> Pair {
    for _ in 0..TIMES {
        pair.signal_and_receive();
    }
    pair
}

#[library_benchmark]
#[bench::two(Pair::beside(0))]
#[bench::many(Pair::beside(100_000))]
fn interrupt_and_answer(mut pair: Pair) -> Pair {
    for _ in 0..TIMES {
        pair.interrupt_and_answer();
    }
    pair
}

#[library_benchmark]
#[bench::ten(Yielders::new(10))]
#[bench::many(Yielders::new(10_000))]
fn yield_fast(mut yielders: Yielders) -> Yielders {
    for _ in 0..TIMES {
        yielders.yield_fast();
    }
    yielders
}

#[library_benchmark]
#[bench::ten(Yielders::new(10))]
#[bench::many(Yielders::new(10_000))]
fn yield_slowly(mut yielders: Yielders) -> Yielders {
    for _ in 0..TIMES {
        yielders.yield_slowly();
    }
    yielders
}

#[library_benchmark]
#[bench::fewer(Namer::revoking(40_000))]
#[bench::many(Namer::revoking(100_000))]
fn step_of_a_revocation(mut namer: Namer) -> Namer {
    for _ in 0..TIMES {
        namer.revoke_a_step();
    }
    namer
}

#[library_benchmark]
#[bench::ten(Namer::with(10))]
#[bench::many(Namer::with(100_000))]
fn derive_and_give_up_fast(mut namer: Namer) -> Namer {
    for _ in 0..TIMES {
        namer.fast();
    }
    namer
}

#[library_benchmark]
#[bench::ten(Namer::with(10))]
#[bench::many(Namer::with(100_000))]
fn derive_and_give_up_slowly(mut namer: Namer) -> Namer {
    for _ in 0..TIMES {
        namer.slowly();
    }
    namer
}

library_benchmark_group!(
    name = messages,
    benchmarks = [
        call_and_reply,
        slow_call_and_reply,
        call_with_page_lent,
        signal_and_receive,
        interrupt_and_answer,
        yield_fast,
        yield_slowly,
        step_of_a_revocation,
        derive_and_give_up_fast,
        derive_and_give_up_slowly
    ]
);
main!(library_benchmark_groups = messages);
