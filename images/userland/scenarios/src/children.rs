use coldframe_abi::{
    Calls, CapabilityRights, Counter, Deadline, ExitCode, MemoryUse, Number, ObjectHandle, PageRights,
    ProcessHandle, UserAddress, UserRange, Word,
};

use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything, here and in the processes that are made.
const BASE: u64 = 0x20_0000_0000;
const CODE: UserRange = UserRange { start: UserAddress(BASE), length: PAGE };
const DATA: UserRange = UserRange { start: UserAddress(BASE + 8 * PAGE), length: PAGE };
/// How many frames a process gets: page tables, names, and a few pages.
const FRAMES: Word = Word(24);

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        let before = sys.memory_use().await.unwrap_or_default();
        if let (Ok(code), Ok(data)) =
            (sys.object_create(Word(PAGE)).await, sys.object_create(Word(PAGE)).await)
        {
            write(sys, code, data).await;
            runs_and_ends(sys, code, data).await;
            is_killed(sys).await;
            is_restricted(sys, code, data).await;
            loses_its_memory(sys, code, data).await;
            is_too_poor(sys, code).await;
            let _ = sys.capability_delete(code.into()).await;
            let _ = sys.capability_delete(data.into()).await;
        }
        let after: MemoryUse = sys.memory_use().await.unwrap_or_default();
        sys.note(if after == before { "every page came back" } else { "pages are missing" }).await;
    }
    0
}

/// Puts a program and what it reads where others can be shown it.
async fn write<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle, data: ObjectHandle) {
    let ground = sys.ground();
    for (object, range, words) in [(code, CODE, ground.small_program()), (data, DATA, [42, 0])] {
        let Ok(mapping) = sys.object_map(object, Word(0), range, PageRights::ReadWrite).await else { return };
        for (at, word) in (0..).zip(words) {
            ground.store(UserAddress(range.start.0 + at * 8), word).await;
        }
        let _ = sys.mapping_unmap(mapping).await;
    }
}

/// A process that is shown a program and its data, and has no thread yet.
async fn made<G: Ground>(
    sys: &Recorder<'_, G>,
    code: ObjectHandle,
    data: ObjectHandle,
) -> Option<ProcessHandle> {
    let process = sys.process_create(FRAMES).await.ok()?;
    sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await.ok()?;
    sys.process_map(process, data, Word(0), DATA, PageRights::Read).await.ok()?;
    Some(process)
}

async fn runs_and_ends<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle, data: ObjectHandle) {
    let Some(process) = made(sys, code, data).await else { return };
    let _ = sys.process_map(process, data, Word(0), DATA, PageRights::Read).await;
    let _ = sys.process_use(process).await;
    let _ = sys.process_wait(process, Deadline::NOW).await;
    let _ = sys.process_give(process, data.into(), CapabilityRights::READ, Word(1)).await;
    let Ok(watcher) = sys.capability_copy(process.into(), CapabilityRights::INSPECT, Word(0)).await else {
        return;
    };
    let weak = ProcessHandle::from_word(watcher.to_word());
    let _ = sys.process_kill(weak, ExitCode(1)).await;
    let _ = sys.process_thread(weak, CODE.start, UserAddress(0), Word(DATA.start.0)).await;
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(DATA.start.0)).await;
    let _ = sys.process_wait(weak, Deadline::NEVER).await;
    // One call, the one that ended it.
    let _ = sys.process_count(process, Counter::Calls).await;
    let _ = sys.process_count(process, Counter::Refusals).await;
    // It has ended already, and it stays ended.
    let _ = sys.process_wait(process, Deadline::NOW).await;
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(0)).await;
    let _ = sys.process_map(process, data, Word(0), DATA, PageRights::Read).await;
    let _ = sys.process_kill(process, ExitCode(1)).await;
    let _ = sys.capability_delete(watcher).await;
    let _ = sys.capability_delete(process.into()).await;
    let _ = sys.process_wait(process, Deadline::NOW).await;
}

async fn is_killed<G: Ground>(sys: &Recorder<'_, G>) {
    let Ok(process) = sys.process_create(FRAMES).await else { return };
    let _ = sys.process_kill(process, ExitCode(9)).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
}

async fn is_restricted<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle, data: ObjectHandle) {
    let Some(process) = made(sys, code, data).await else { return };
    let _ = sys.process_restrict(process, Word(0), Word(!(1 << Number::ProcessExit as u64))).await;
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(DATA.start.0)).await;
    // It may not end as it wants to, runs on into what is no instruction, and ends because of that.
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
}

async fn loses_its_memory<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle, data: ObjectHandle) {
    let Some(process) = made(sys, code, data).await else { return };
    let _ = sys.capability_revoke(data.into()).await;
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(DATA.start.0)).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
    // The name itself is as good as before.
    let Some(process) = made(sys, code, data).await else { return };
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(DATA.start.0)).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
}

async fn is_too_poor<G: Ground>(sys: &Recorder<'_, G>, code: ObjectHandle) {
    let _ = sys.process_create(Word(0)).await;
    let _ = sys.process_create(Word(u64::MAX)).await;
    // Enough for the root of its page tables, and for nothing else.
    let Ok(process) = sys.process_create(Word(1)).await else { return };
    let _ = sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await;
    let _ = sys.process_thread(process, CODE.start, UserAddress(0), Word(0)).await;
    let _ = sys.process_kill(process, ExitCode(2)).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
}
