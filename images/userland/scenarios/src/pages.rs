use coldframe_abi::{Calls, Deadline, MemoryUse, Nanos, PageRights, UserAddress, UserRange, Word};

use crate::threads::start;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
const LARGE: u64 = 2 << 20;
/// Where no ground has put anything.
const BASE: u64 = 0x10_0000_0000;
/// What the threads share.
const SHARED: u64 = BASE + (1 << 30);
/// How often the second thread looks.
const LOOKS: u64 = 40;

const fn range(start: u64, length: u64) -> UserRange {
    UserRange { start: UserAddress(start), length }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    match role {
        0 => first(sys).await,
        _ => reader(sys).await,
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let before = sys.memory_use().await.unwrap_or_default();
    pages(sys).await;
    copies(sys).await;
    large(sys).await;
    objects(sys).await;
    together(sys).await;
    exhausted(sys).await;
    let after = sys.memory_use().await.unwrap_or_default();
    sys.note(if after == before { "every page came back" } else { "pages are missing" }).await;
    0
}

/// Says whether there is in memory what should be.
async fn expect<G: Ground>(sys: &Recorder<'_, G>, address: u64, value: u64) {
    let found = sys.ground().load(UserAddress(address)).await;
    sys.note(if found == value { "as it should be" } else { "something else is there" }).await;
}

async fn pages<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.memory_reserve(range(BASE, 4 * PAGE), PageRights::ReadWrite).await;
    let _ = sys.memory_query(UserAddress(BASE)).await;
    expect(sys, BASE, 0).await;
    let _ = sys.memory_query(UserAddress(BASE)).await;
    sys.ground().store(UserAddress(BASE + PAGE), 17).await;
    expect(sys, BASE + PAGE, 17).await;
    let _ = sys.memory_reserve(range(BASE + 3 * PAGE, 2 * PAGE), PageRights::Read).await;
    let _ = sys.memory_query(UserAddress(BASE + 4 * PAGE)).await;
    for (start, length) in [
        (BASE + 1, PAGE),
        (BASE, 0),
        (BASE, PAGE + 8),
        (u64::MAX - PAGE + 1, PAGE),
        (u64::MAX - PAGE + 1, 2 * PAGE),
        (1 << 63, PAGE),
        (BASE, u64::MAX - PAGE + 1),
    ] {
        let _ = sys.memory_unmap(range(start, length)).await;
        let _ = sys.memory_copy(range(BASE, PAGE), UserAddress(start)).await;
    }
    let _ = sys.memory_protect(range(BASE, 2 * PAGE), PageRights::Read).await;
    expect(sys, BASE + PAGE, 17).await;
    let _ = sys.memory_protect(range(BASE, 2 * PAGE), PageRights::None).await;
    let _ = sys.memory_query(UserAddress(BASE + PAGE)).await;
    let _ = sys.memory_protect(range(BASE, 8 * PAGE), PageRights::ReadWrite).await;
    let _ = sys.memory_query(UserAddress(BASE + PAGE)).await;
    expect(sys, BASE + PAGE, 17).await;
    let _ = sys.memory_move(range(BASE, 4 * PAGE), UserAddress(BASE + 2 * PAGE)).await;
    let _ = sys.memory_move(range(BASE, 4 * PAGE), UserAddress(BASE + 64 * PAGE)).await;
    let _ = sys.memory_query(UserAddress(BASE + PAGE)).await;
    expect(sys, BASE + 65 * PAGE, 17).await;
    let _ = sys.memory_fill(range(BASE + 64 * PAGE, 5 * PAGE)).await;
    let _ = sys.memory_query(UserAddress(BASE + 67 * PAGE)).await;
    let _ = sys.memory_unmap(range(BASE, 128 * PAGE)).await;
}

async fn copies<G: Ground>(sys: &Recorder<'_, G>) {
    let (source, copy, third) = (BASE, BASE + 32 * PAGE, BASE + 600 * PAGE);
    let _ = sys.memory_reserve(range(source, 3 * PAGE), PageRights::ReadWrite).await;
    sys.ground().store(UserAddress(source), 1).await;
    sys.ground().store(UserAddress(source + PAGE), 2).await;
    let _ = sys.memory_copy(range(source, 3 * PAGE), UserAddress(copy)).await;
    let _ = sys.memory_copy(range(copy, 3 * PAGE), UserAddress(third)).await;
    for page in 0..3 {
        let _ = sys.memory_query(UserAddress(copy + page * PAGE)).await;
    }
    sys.ground().store(UserAddress(source), 10).await;
    sys.ground().store(UserAddress(copy + PAGE), 20).await;
    for (address, value) in
        [(source, 10), (source + PAGE, 2), (copy, 1), (copy + PAGE, 20), (third, 1), (third + PAGE, 2)]
    {
        expect(sys, address, value).await;
        let _ = sys.memory_query(UserAddress(address)).await;
    }
    let _ = sys.memory_copy(range(source, PAGE), UserAddress(copy)).await;
    let _ = sys.memory_unmap(range(source, 40 * PAGE)).await;
    sys.ground().store(UserAddress(third), 30).await;
    expect(sys, third, 30).await;
    expect(sys, third + PAGE, 2).await;
    let _ = sys.memory_unmap(range(third, 3 * PAGE)).await;
}

async fn large<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.memory_reserve(range(BASE, 2 * LARGE), PageRights::ReadWrite).await;
    let _ = sys.memory_fill(range(BASE, LARGE)).await;
    let _ = sys.memory_query(UserAddress(BASE + LARGE - PAGE)).await;
    let _ = sys.memory_query(UserAddress(BASE + LARGE)).await;
    sys.ground().store(UserAddress(BASE + 7 * PAGE), 7).await;
    sys.ground().store(UserAddress(BASE + 8 * PAGE), 8).await;
    let _ = sys.memory_copy(range(BASE, LARGE), UserAddress(BASE + 8 * LARGE)).await;
    let _ = sys.memory_protect(range(BASE + 7 * PAGE, PAGE), PageRights::Read).await;
    sys.ground().store(UserAddress(BASE + 8 * PAGE), 9).await;
    expect(sys, BASE + 7 * PAGE, 7).await;
    expect(sys, BASE + 8 * PAGE, 9).await;
    expect(sys, BASE + 8 * LARGE + 8 * PAGE, 8).await;
    let _ = sys.memory_unmap(range(BASE + 7 * PAGE, PAGE)).await;
    let _ = sys.memory_query(UserAddress(BASE + 7 * PAGE)).await;
    expect(sys, BASE + 8 * PAGE, 9).await;
    let _ = sys.memory_unmap(range(BASE, 10 * LARGE)).await;
}

async fn objects<G: Ground>(sys: &Recorder<'_, G>) {
    let (one, other) = (BASE, BASE + 64 * PAGE);
    let Ok(object) = sys.object_create(Word(4 * PAGE)).await else { return };
    let Ok(first) = sys.object_map(object, Word(0), range(one, 4 * PAGE), PageRights::ReadWrite).await else {
        return;
    };
    let Ok(second) = sys.object_map(object, Word(PAGE), range(other, 2 * PAGE), PageRights::Read).await
    else {
        return;
    };
    let _ = sys.object_map(object, Word(0), range(one + 3 * PAGE, PAGE), PageRights::Read).await;
    let _ = sys.object_map(object, Word(3 * PAGE), range(other + 8 * PAGE, 2 * PAGE), PageRights::Read).await;
    sys.ground().store(UserAddress(one + PAGE), 77).await;
    expect(sys, other, 77).await;
    let _ = sys.memory_query(UserAddress(other)).await;
    let _ = sys.memory_query(UserAddress(other + PAGE)).await;
    let _ = sys.memory_unmap(range(one, PAGE)).await;
    let _ = sys.memory_protect(range(other, PAGE), PageRights::ReadWrite).await;
    let _ = sys.mapping_unmap(first).await;
    let _ = sys.mapping_unmap(first).await;
    let _ = sys.memory_query(UserAddress(one + PAGE)).await;
    expect(sys, other, 77).await;
    let _ = sys.mapping_object(second).await;
    let _ = sys.object_destroy(object).await;
    let _ = sys.object_destroy(object).await;
    let _ = sys.memory_query(UserAddress(other)).await;
    // Pages become an object where they are.
    let _ = sys.memory_reserve(range(one, 3 * PAGE), PageRights::ReadWrite).await;
    sys.ground().store(UserAddress(one), 5).await;
    let _ = sys.object_from_range(range(one, 4 * PAGE)).await;
    expect(sys, one, 5).await;
    let Ok(here) = sys.object_from_range(range(one, 3 * PAGE)).await else { return };
    let Ok(made) = sys.mapping_object(here).await else { return };
    let _ = sys.object_map(made, Word(0), range(other, PAGE), PageRights::ReadWrite).await;
    sys.ground().store(UserAddress(other), 6).await;
    expect(sys, one, 6).await;
    let _ = sys.object_destroy(made).await;
    let _ = sys.memory_query(UserAddress(one)).await;
}

/// Pages go and come while another thread reads the ones beside them.
async fn together<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.memory_reserve(range(SHARED, 8 * PAGE), PageRights::ReadWrite).await;
    sys.ground().store(UserAddress(SHARED), 5).await;
    let Ok(other) = start(sys, 1, 1).await else { return };
    for round in 0..12 {
        let page = SHARED + (1 + round % 6) * PAGE;
        let ground = sys.ground();
        ground.store(UserAddress(page), round).await;
        let _ = ground.memory_copy(range(page, PAGE), UserAddress(page + 64 * PAGE)).await;
        ground.store(UserAddress(page), round + 100).await;
        let copied = ground.load(UserAddress(page + 64 * PAGE)).await == round;
        let moved = ground.memory_move(range(page, PAGE), UserAddress(page + 128 * PAGE)).await.is_ok();
        let found = ground.load(UserAddress(page + 128 * PAGE)).await == round + 100;
        let _ = ground.memory_unmap(range(page + 64 * PAGE, 128 * PAGE)).await;
        let again = ground.memory_reserve(range(page, PAGE), PageRights::ReadWrite).await.is_ok();
        let fresh = ground.load(UserAddress(page)).await == 0;
        if !(copied && moved && found && again && fresh) {
            sys.note("something else is there").await;
        }
    }
    let _ = sys.thread_join(other, Deadline::NEVER).await;
    let _ = sys.memory_unmap(range(SHARED, 512 * PAGE)).await;
}

async fn reader<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let mut right = 0;
    for _ in 0..LOOKS {
        right += u64::from(sys.ground().load(UserAddress(SHARED)).await == 5);
        sys.ground_pause(Nanos::from_micros(20)).await;
    }
    sys.note(if right == LOOKS { "nothing but five" } else { "five was not there" }).await;
    right
}

/// Pages and page tables run out; whoever asked hears of it, and goes on.
async fn exhausted<G: Ground>(sys: &Recorder<'_, G>) {
    let limit = u64::from(sys.ground().memory_use().await.unwrap_or_default().limit);
    let many = (limit + 1) * PAGE;
    // How many pages there are is another number on every ground: nothing of this is recorded but how it ends.
    let reserved = sys.ground().memory_reserve(range(BASE, many), PageRights::ReadWrite).await.is_ok();
    let filled = sys.ground().memory_fill(range(BASE, many)).await;
    sys.note(match (reserved, filled) {
        (true, Err(coldframe_abi::Error::OverBudget)) => "the budget is spent",
        _ => "there is more than there may be",
    })
    .await;
    let MemoryUse { used, limit: most } = sys.ground().memory_use().await.unwrap_or_default();
    sys.note(if used <= most && used + 4 >= most { "to the last page" } else { "too early" }).await;
    let _ = sys.ground().memory_unmap(range(BASE, many)).await;
    // A table for each page.
    let mut tables = 0;
    let end = loop {
        let page = range(BASE + tables * LARGE, PAGE);
        if let Err(error) = sys.ground().memory_reserve(page, PageRights::Read).await {
            break error;
        }
        tables += 1;
    };
    sys.note(match end {
        coldframe_abi::Error::OverBudget => "no table is left",
        _ => "a table was refused for no reason",
    })
    .await;
    let Ok(()) = sys.ground().memory_unmap(range(BASE, tables * LARGE)).await else {
        sys.note("what there is cannot go").await;
        return;
    };
}
