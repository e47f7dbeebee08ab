//! What a thread has apart from its process, and what of a machine is not everybody's: its wall time, words that nobody
//! can guess, its CPUs.

use coldframe_abi::{
    Authority, Calls, Deadline, Error, Instant, Nanos, PageRights, Reach, UserAddress, UserRange, Word,
};

use crate::names::{found, narrowed};
use crate::threads::start;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything: pages for the storage of threads, the clock page, and the registers of a clock.
const STORAGE: UserAddress = UserAddress(0x2d_2000_0000);
const CLOCK: UserAddress = UserAddress(0x2d_3000_0000);
const REGISTERS: UserAddress = UserAddress(0x2d_3000_8000);
/// Where no storage can be.
const OUTSIDE: UserAddress = UserAddress(1 << 63);
/// How many threads have storage of their own, the first included.
const THREADS: u64 = 4;

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => {
            let all = async {
                storage(sys).await?;
                wall_time(sys).await?;
                guesses(sys).await?;
                places(sys).await
            };
            u64::from(all.await.is_err())
        }
        number => u64::from(finds_its_own(sys, number.into()).await),
    }
}

const fn word_of(number: u64) -> UserAddress {
    UserAddress(STORAGE.0 + number * 8)
}

/// Whether a thread finds its own word, whoever else runs meanwhile.
async fn finds_its_own<G: Ground>(sys: &Recorder<'_, G>, number: u64) -> bool {
    let ground = sys.ground();
    ground.store(word_of(number), number).await;
    if sys.thread_pointer(word_of(number)).await.is_err() {
        return false;
    }
    let mut finds = true;
    for _ in 0..20 {
        finds &= ground.thread_word().await == number;
        // Not recorded: how often others come between differs.
        let _ = ground.yield_now().await;
        finds &= ground.thread_word().await == number;
        let soon = ground.clock().await.unwrap_or_default().after(Nanos::from_micros(20));
        let _ = ground.sleep(Deadline::at(soon)).await;
    }
    finds
}

async fn storage<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    sys.memory_reserve(UserRange { start: STORAGE, length: PAGE }, PageRights::ReadWrite).await?;
    let _ = sys.thread_pointer(OUTSIDE).await;
    let mut threads = [None; THREADS as usize];
    for (seat, thread) in (1..).zip(&mut threads[1..]) {
        *thread = Some(start(sys, seat, seat).await?);
    }
    let mut all = finds_its_own(sys, 0).await;
    for thread in threads.into_iter().flatten() {
        all &= sys.thread_join(thread, Deadline::NEVER).await? == Word(1);
    }
    sys.note(if all { "each thread finds its own word" } else { "a thread finds another's word" }).await;
    sys.memory_unmap(UserRange { start: STORAGE, length: PAGE }).await
}

async fn wall_time<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let ground = sys.ground();
    let mapping = sys.clock_map(CLOCK).await?;
    let unset = ground.clock_page(CLOCK).await.wall(0).is_none();
    sys.note(if unset { "nobody has said what time it is" } else { "somebody knows what time it is" }).await;
    // In 1970 no machine ran that runs now.
    let _ = sys.clock_set(Instant(0)).await;
    let wall = ground.wall_time(REGISTERS).await?;
    sys.clock_set(wall).await?;
    let page = ground.clock_page(CLOCK).await;
    let first = page.wall(ground.counter().await).unwrap_or_default();
    let second = page.wall(ground.counter().await).unwrap_or_default();
    let soon = wall.after(Nanos::from_millis(10_000));
    let rises = wall <= first && first <= second && second < soon;
    sys.note(if rises { "the wall time goes on from there" } else { "the wall time is another" }).await;
    sys.mapping_unmap(mapping).await?;
    // Who may see the page may not say what is on it.
    narrowed(sys, Authority::Clock, Reach { start: 0, end: 1 }).await?;
    let mapping = sys.clock_map(CLOCK).await?;
    let _ = sys.clock_set(wall).await;
    sys.mapping_unmap(mapping).await
}

async fn guesses<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    // Not recorded: they differ.
    let mut bits = [0; 2];
    let mut before = Word(0);
    let mut all_differ = true;
    for _ in 0..64 {
        let word = sys.ground().random().await?;
        all_differ &= word != before;
        bits = [bits[0] | word.0, bits[1] | !word.0];
        before = word;
    }
    // One of 128 that stays away 64 times comes along once in 2 to the power of 57 runs.
    let fine = all_differ && bits == [u64::MAX; 2];
    sys.note(if fine { "each bit has been there, and has not" } else { "a bit can be guessed" }).await;
    let entropy = found(sys, Authority::Entropy).await.ok_or(Error::BadHandle)?;
    sys.capability_delete(entropy).await?;
    let _ = sys.random().await;
    Ok(())
}

async fn places<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    sys.set_affinity(me, Word(0), Word(0b01)).await?;
    sys.set_affinity(me, Word(0), Word(0b11)).await?;
    narrowed(sys, Authority::Affinity, Reach { start: 1, end: 2 }).await?;
    // To fewer, and back to where it may, but not to one more.
    sys.set_affinity(me, Word(0), Word(0b001)).await?;
    sys.set_affinity(me, Word(0), Word(0b011)).await?;
    sys.set_affinity(me, Word(0), Word(0b001)).await?;
    let _ = sys.set_affinity(me, Word(0), Word(0b111)).await;
    let _ = sys.set_affinity(me, Word(0), Word(0b101)).await;
    sys.capability_delete(me.into()).await
}
