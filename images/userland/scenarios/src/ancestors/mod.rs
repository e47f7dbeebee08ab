//! How programs of the five systems that this one grew out of talk to each other, each written on top of ours.

pub(crate) mod anos;
pub(crate) mod euralios;
pub(crate) mod fenix;
pub(crate) mod norost;
pub(crate) mod patchwork;

use coldframe_abi::{Calls, Error, PageRights, ThreadHandle, UserAddress, UserRange, Word};

use crate::{Ground, Recorder};

/// A page at an address where no ground has put anything.
const fn page(start: u64) -> UserRange {
    UserRange { start: UserAddress(start), length: 4_096 }
}

/// Stays on one CPU, as do the threads that it makes: so it can let each run until it waits.
async fn alone<G: Ground>(sys: &Recorder<'_, G>) -> Result<ThreadHandle, Error> {
    let me = sys.thread_self().await?;
    sys.set_affinity(me, Word(0), Word(1)).await?;
    Ok(me)
}

/// Leaves names for the threads that will be started, in a page of their own.
async fn leave<G: Ground, const N: usize>(
    sys: &Recorder<'_, G>,
    at: UserRange,
    names: [u64; N],
) -> Result<(), Error> {
    sys.memory_reserve(at, PageRights::ReadWrite).await?;
    for (word, name) in (0..).zip(names) {
        sys.ground().store(UserAddress(at.start.0 + word * 8), name).await;
    }
    Ok(())
}

/// Finds what was left.
async fn left<G: Ground, const N: usize>(sys: &Recorder<'_, G>, at: UserRange) -> [u64; N] {
    let mut names = [0; N];
    for (word, name) in (0..).zip(&mut names) {
        *name = sys.ground().load(UserAddress(at.start.0 + word * 8)).await;
    }
    names
}
