//! What somebody may still have of memory is there, whatever others do with theirs.

use coldframe_abi::{Call, Error, UserAddress, Word};

mod play;

use play::Play;

/// More rows than the kernel has room for, in a machine of 16 MiB.
const MANY: u32 = 1_000_000;

fn promised(play: &Play) -> u64 {
    let view = play.kernel.inspect();
    let left: u64 = view.processes.iter().map(|process| process.budget().left()).sum();
    left + view.budget.left()
}

fn free(play: &Play) -> u64 {
    play.kernel.inspect().frames.free_count()
}

/// Makes as many as it can; says how many that were, and why there were no more.
fn make(call: Call) -> (Play, u32, Error) {
    let mut play = Play::new();
    assert_eq!(play.who(), 0, "the first thread goes on");
    for made in 0..MANY {
        if let Err(error) = play.ask(call).result() {
            return (play, made, error);
        }
    }
    panic!("there is room for so many of {call:?}");
}

#[test]
fn rows_without_end_take_nothing_that_was_promised() {
    let zero = UserAddress(0);
    let calls = [
        Call::ThreadCreate { entry: zero, stack: zero, argument: Word(1) },
        Call::EndpointCreate {},
        Call::GroupCreate {},
    ];
    for call in calls {
        let (play, made, error) = make(call);
        println!("{made} of {call:?}, then {error:?}; {} are free", free(&play));
        assert!(free(&play) >= promised(&play), "{} are free, {} promised", free(&play), promised(&play));
        assert!(made > 100 && matches!(error, Error::NoMemory | Error::OverBudget), "{made} {error:?}");
    }
}
