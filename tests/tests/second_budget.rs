//! What a call and its reply may have of the instructions that cost more than others, counted on booted machines, one step
//! at a time. Asked for by COLDFRAME_STEPS: it builds and boots two images.

use images::instruction::Kind;
use images::steps::steps;
use images::target::Arch;

/// How many of each kind a round trip between two address spaces has.
fn budget(arch: Arch) -> [(Kind, usize); 9] {
    // Entry and exit of each of the two calls exchange the base; RISC-V clears it once more while the kernel runs.
    let base = match arch {
        Arch::X86_64 => 4,
        Arch::Riscv64 => 6,
    };
    [
        (Kind::Call, 2),
        (Kind::Return, 2),
        (Kind::LongReturn, 0),
        (Kind::Space, 2),
        (Kind::Base, base),
        (Kind::Locked, 2),
        (Kind::Model, 0),
        (Kind::Float, 0),
        (Kind::Flush, 0),
    ]
}

/// How many lines of memory the kernel touches each way at most. It has to be 14, and is not: see core/ipc/MODEL.md. This
/// keeps it from growing.
const LINES: usize = 54;

#[test]
fn a_call_and_its_reply_keep_their_second_budget() {
    if std::env::var_os("COLDFRAME_STEPS").is_none() {
        eprintln!("not stepped through: set COLDFRAME_STEPS=1");
        return;
    }
    for arch in Arch::ALL {
        let round = steps(arch, false, "call_and_reply").expect("the image boots and is stepped through");
        for (kind, count) in budget(arch) {
            assert_eq!(round.of_kind(kind), count, "{arch}: {}\n{}", kind.name(arch), round.summary());
        }
        let lines = round.kernel_lines();
        assert_eq!(lines.len(), 2, "{arch}: a call, and the one that replies");
        assert!(lines.iter().all(|lines| (1..=LINES).contains(lines)), "{arch}: {lines:?}");
    }
}
