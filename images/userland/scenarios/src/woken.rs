use coldframe_abi::{
    Calls, CapabilityRights, Deadline, ObjectHandle, PageRights, Priority, ThreadHandle, UserAddress,
    UserRange, Word,
};

use crate::threads::{cornered, start};
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const WORDS: UserRange = UserRange { start: UserAddress(0x20_0000_0000), length: PAGE };
const SHOWN: UserRange = UserRange { start: UserAddress(0x20_0010_0000), length: PAGE };
/// How often each thread takes the locks of the runtime.
const ROUNDS: u32 = 100;
/// Where the first thread leaves the name of an object for the others.
const NAME: UserAddress = word(100);

const fn word(number: u64) -> UserAddress {
    UserAddress(WORDS.start.0 + number * 8)
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        1 => waits_at_own(sys).await,
        2 => waits_at_object(sys).await,
        _ => u64::from(sys.ground().contend(ROUNDS).await),
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    let _ = sys.set_affinity(me, Word(0), Word(1)).await;
    is_refused(sys).await;
    let _ = sys.memory_reserve(WORDS, PageRights::ReadWrite).await;
    is_woken(sys, me).await;
    is_in_order(sys, me).await;
    is_told(sys, me).await;
    let _ = sys.memory_reserve(WORDS, PageRights::ReadWrite).await;
    by_a_name(sys, me).await;
    by_locks(sys, me).await;
    0
}

async fn waits_at_own<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let _ = sys.word_wait(word(0), Word(0), Deadline::NEVER).await;
    u64::from(sys.part().seat)
}

async fn waits_at_object<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let object = ObjectHandle::from_word(sys.ground().load(NAME).await);
    let _ = sys.object_wait(object, Word(8), Word(0), Deadline::NEVER).await;
    u64::from(sys.part().seat)
}

async fn is_refused<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.word_wait(UserAddress(WORDS.start.0 + 4), Word(0), Deadline::NEVER).await;
    let _ = sys.word_wait(word(0), Word(0), Deadline::NEVER).await;
    let _ = sys.word_wait(UserAddress(u64::MAX - 7), Word(0), Deadline::NEVER).await;
    let _ = sys.word_wake(UserAddress(WORDS.start.0 + 4), Word(1)).await;
    let _ = sys.word_wake(word(0), Word(1)).await;
}

async fn is_woken<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let _ = sys.word_wait(word(0), Word(1), Deadline::NEVER).await;
    let _ = sys.word_wait(word(0), Word(0), Deadline::NOW).await;
    let now = sys.ground().clock().await.unwrap_or_default();
    let soon = Deadline(now.0 + 1_000_000);
    let in_time = sys.ground().word_wait(word(0), Word(0), soon).await;
    sys.note(if in_time == Err(coldframe_abi::Error::TimedOut) { "its time is up" } else { "it was woken" })
        .await;
    let Some(thread) = cornered(sys, me, 1, 1).await else { return };
    let _ = sys.word_wake(word(1), Word(9)).await;
    let _ = sys.word_wake(word(0), Word(0)).await;
    let _ = sys.word_wake(word(0), Word(9)).await;
    let _ = sys.word_wake(word(0), Word(9)).await;
    let _ = sys.thread_join(thread, Deadline::NEVER).await;
}

/// The most urgent first, then whoever came first; a change of priority is a new arrival.
async fn is_in_order<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let mut threads = [None; 4];
    for (seat, thread) in (1..).zip(&mut threads) {
        *thread = cornered(sys, me, 1, seat).await;
    }
    let [Some(first), Some(second), Some(urgent), Some(again)] = threads else { return };
    let _ = sys.set_priority(urgent, Priority(200)).await;
    let _ = sys.set_priority(again, Priority(140)).await;
    let _ = sys.set_priority(first, Priority(128)).await;
    for thread in [urgent, again, second, first] {
        let _ = sys.word_wake(word(0), Word(1)).await;
        let _ = sys.thread_join(thread, Deadline::NEVER).await;
    }
}

/// Who waits at a word that goes hears of it.
async fn is_told<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let Some(one) = cornered(sys, me, 1, 1).await else { return };
    let Some(other) = cornered(sys, me, 1, 2).await else { return };
    let _ = sys.memory_unmap(WORDS).await;
    let _ = sys.thread_join(one, Deadline::NEVER).await;
    let _ = sys.thread_join(other, Deadline::NEVER).await;
}

async fn by_a_name<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let Ok(whole) = sys.object_create(Word(PAGE)).await else { return };
    let reads = CapabilityRights::READ;
    let Ok(reader) = sys.capability_copy(whole.into(), reads, Word(0)).await else { return };
    let reader = ObjectHandle::from_word(reader.to_word());
    let _ = sys.object_wait(whole, Word(PAGE), Word(0), Deadline::NEVER).await;
    let _ = sys.object_wait(whole, Word(4), Word(0), Deadline::NEVER).await;
    let _ = sys.object_wait(reader, Word(8), Word(1), Deadline::NEVER).await;
    let _ = sys.object_wake(reader, Word(8), Word(1)).await;
    let Ok(mapping) = sys.object_map(whole, Word(0), SHOWN, PageRights::ReadWrite).await else { return };
    sys.ground().store(UserAddress(SHOWN.start.0 + 16), 5).await;
    let _ = sys.object_wait(reader, Word(16), Word(0), Deadline::NOW).await;
    let _ = sys.object_wait(reader, Word(16), Word(5), Deadline::NOW).await;
    sys.ground().store(NAME, reader.to_word()).await;
    let Some(by_reader) = cornered(sys, me, 2, 1).await else { return };
    sys.ground().store(NAME, whole.to_word()).await;
    let Some(by_whole) = cornered(sys, me, 2, 2).await else { return };
    let Some(last) = cornered(sys, me, 2, 3).await else { return };
    // A name goes, and with it the waits of those who came by it; then one is woken; then all goes.
    let _ = sys.capability_revoke(whole.into()).await;
    let _ = sys.thread_join(by_reader, Deadline::NEVER).await;
    let _ = sys.mapping_unmap(mapping).await;
    let _ = sys.object_wake(whole, Word(8), Word(1)).await;
    let _ = sys.thread_join(by_whole, Deadline::NEVER).await;
    let _ = sys.object_destroy(whole).await;
    let _ = sys.thread_join(last, Deadline::NEVER).await;
}

async fn by_locks<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) {
    let _ = sys.set_affinity(me, Word(0), Word(u64::MAX)).await;
    let mut threads = [None; 3];
    for (seat, thread) in (1..).zip(&mut threads) {
        *thread = start(sys, 3, seat).await.ok();
    }
    let complete = sys.ground().contended(3 * ROUNDS).await;
    sys.note(if complete { "no round was lost" } else { "rounds were lost" }).await;
    for thread in threads.into_iter().flatten() {
        let _ = sys.thread_join(thread, Deadline::NEVER).await;
    }
}
