use coldframe_abi::{
    Arrival, Calls, CapabilityRights, Deadline, EndpointHandle, Error, ExitCode, FaultAnswer, FaultKind,
    FaultReport, ObjectHandle, PageRights, ProcessHandle, ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything, here and in the processes that are made.
const NAME: UserRange = range(0x22_0000_0000);
const BROUGHT: UserRange = range(0x22_0010_0000);
const CODE: UserRange = range(0x22_0020_0000);
const DATA: UserRange = range(0x22_0020_8000);

const LISTENER: u8 = 1;
const PAGER: u8 = 2;
const DESERTER: u8 = 3;

const fn range(start: u64) -> UserRange {
    UserRange { start: UserAddress(start), length: PAGE }
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    if role == 0 {
        return first(sys).await;
    }
    let endpoint = EndpointHandle::from_word(sys.ground().load(NAME.start).await);
    match role {
        LISTENER => {
            let _ = sys.receive(endpoint, Deadline::NEVER).await;
        }
        PAGER => bring(sys, endpoint).await,
        // Whoever it should have helped is alone.
        _ => {
            let _ = next_fault(sys, endpoint).await;
        }
    }
    u64::from(sys.part().seat)
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> u64 {
    let Ok(me) = sys.thread_self().await else { return 1 };
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    let _ = sys.set_affinity(me, Word(0), Word(1)).await;
    let _ = sys.memory_reserve(NAME, PageRights::ReadWrite).await;
    let Ok(endpoint) = sys.endpoint_create().await else { return 2 };
    sys.ground().store(NAME.start, endpoint.to_word()).await;
    is_signalled(sys, me, endpoint).await;
    hears_of_the_end(sys, endpoint).await;
    is_paged(sys, me, endpoint).await;
    let Ok(code) = sys.object_create(Word(PAGE)).await else { return 3 };
    let Ok(data) = sys.object_create(Word(PAGE)).await else { return 4 };
    write(sys, code, sys.ground().small_program()).await;
    write(sys, data, [42, 0]).await;
    is_loaded_on_demand(sys, endpoint, code, data).await;
    let _ = is_mended(sys, endpoint, code, data).await;
    let _ = is_looked_at(sys, me).await;
    is_not_helped(sys, me, endpoint).await;
    0
}

async fn write<G: Ground>(sys: &Recorder<'_, G>, object: ObjectHandle, words: [u64; 2]) {
    let Ok(mapping) = sys.object_map(object, Word(0), CODE, PageRights::ReadWrite).await else { return };
    for (at, word) in (0..).zip(words) {
        sys.ground().store(UserAddress(CODE.start.0 + at * 8), word).await;
    }
    let _ = sys.mapping_unmap(mapping).await;
}

/// Signals stay until they are received, all at once, and only those are raised that a name allows.
async fn is_signalled<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let _ = sys.signal(endpoint, Word(1)).await;
    let _ = sys.signal(endpoint, Word(4)).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let only = CapabilityRights::SIGNAL;
    let Ok(weak) = sys.capability_copy(endpoint.into(), only, Word(6)).await else { return };
    let weak = EndpointHandle::from_word(weak.to_word());
    let _ = sys.signal(weak, Word(2)).await;
    let _ = sys.signal(weak, Word(3)).await;
    let _ = sys.send(weak, Deadline::NOW, coldframe_abi::Message::default()).await;
    let _ = sys.receive(weak, Deadline::NOW).await;
    let _ = sys.receive(endpoint, Deadline::NEVER).await;
    let Some(listener) = cornered(sys, me, LISTENER, 1).await else { return };
    let _ = sys.signal(weak, Word(4)).await;
    let _ = sys.thread_join(listener, Deadline::NEVER).await;
    let _ = sys.capability_delete(weak.into()).await;
    let _ = sys.signal(weak, Word(4)).await;
}

async fn hears_of_the_end<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    let Ok(process) = sys.process_create(Word(8)).await else { return };
    let _ = sys.process_notify(process, endpoint, Word(8)).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let _ = sys.process_kill(process, ExitCode(9)).await;
    let _ = sys.receive(endpoint, Deadline::NEVER).await;
    // It has gone already.
    let _ = sys.process_notify(process, endpoint, Word(16)).await;
    let _ = sys.receive(endpoint, Deadline::NOW).await;
    let _ = sys.capability_delete(process.into()).await;
}

/// The fault that has come, and whether it was one.
async fn next_fault<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Option<FaultReport> {
    // Registers and causes are not the same on every ground.
    let (_, message) = sys.ground().receive(endpoint, Deadline::NEVER).await.ok()?;
    let report = FaultReport::from_message(&message);
    let called = message.arrival == Arrival::Called;
    sys.note(match report.kind {
        _ if !called => "no fault",
        FaultKind::Exception => "an exception",
        FaultKind::Load => "nothing to read",
        FaultKind::Store => "nothing to write to",
        FaultKind::Fetch => "nothing to run",
    })
    .await;
    called.then_some(report)
}

/// Brings pages to where threads touch them, until something else comes.
async fn bring<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) {
    while let Some(fault) = next_fault(sys, endpoint).await {
        let page = range(fault.address / PAGE * PAGE);
        let _ = sys.memory_reserve(page, PageRights::ReadWrite).await;
        let _ = sys.ground().reply(FaultAnswer::Resume.to_message()).await;
    }
}

async fn is_paged<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(pager) = cornered(sys, me, PAGER, 1).await else { return };
    let _ = sys.thread_handler(me, endpoint).await;
    sys.ground().store(BROUGHT.start, 77).await;
    let found = sys.ground().load(BROUGHT.start).await;
    sys.note(if found == 77 { "the page was brought" } else { "the word is lost" }).await;
    let _ = sys.memory_unmap(BROUGHT).await;
    let found = sys.ground().load(BROUGHT.start).await;
    sys.note(if found == 0 { "another page was brought" } else { "an old word is there" }).await;
    let _ = sys.signal(endpoint, Word(1)).await;
    let _ = sys.thread_join(pager, Deadline::NEVER).await;
}

/// A process without a page, whose faults go to an endpoint.
async fn made<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Option<ProcessHandle> {
    let process = sys.process_create(Word(24)).await.ok()?;
    sys.process_handler(process, endpoint).await.ok()?;
    sys.process_thread(process, CODE.start, UserAddress(0), Word(DATA.start.0)).await.ok()?;
    Some(process)
}

async fn is_loaded_on_demand<G: Ground>(
    sys: &Recorder<'_, G>,
    endpoint: EndpointHandle,
    code: ObjectHandle,
    data: ObjectHandle,
) {
    let Some(process) = made(sys, endpoint).await else { return };
    let Some(_) = next_fault(sys, endpoint).await else { return };
    let _ = sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await;
    let _ = sys.ground().reply(FaultAnswer::Resume.to_message()).await;
    let Some(fault) = next_fault(sys, endpoint).await else { return };
    let _ = sys.process_map(process, data, Word(0), DATA, PageRights::Read).await;
    // From the beginning again: it comes to the same.
    let again = FaultAnswer::ResumeAt { program_counter: CODE.start.0, stack: fault.stack };
    let _ = sys.ground().reply(again.to_message()).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.capability_delete(process.into()).await;
}

/// A handler finds in the registers of a thread where that wanted to read, and has it read elsewhere.
async fn is_mended<G: Ground>(
    sys: &Recorder<'_, G>,
    endpoint: EndpointHandle,
    code: ObjectHandle,
    data: ObjectHandle,
) -> Result<(), Error> {
    const ELSEWHERE: UserRange = range(DATA.start.0 + 2 * PAGE);
    let argument = sys.ground().argument_register();
    let process = sys.process_create(Word(24)).await?;
    sys.process_handler(process, endpoint).await?;
    sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await?;
    sys.process_map(process, data, Word(0), ELSEWHERE, PageRights::Read).await?;
    let (stack, nowhere) = (UserAddress(0), Word(DATA.start.0));
    let thread = sys.process_thread(process, CODE.start, stack, nowhere).await?;
    let _ = sys.thread_register(thread, Word(1 << 20)).await;
    let Some(fault) = next_fault(sys, endpoint).await else { return Ok(()) };
    let place = sys.ground().thread_register(thread, Word(0)).await?;
    let found = sys.ground().thread_register(thread, Word(argument)).await?;
    let fits = (place.0, found.0) == (fault.program_counter, nowhere.0);
    sys.note(if fits { "its registers are there" } else { "its registers are lost" }).await;
    let _ = sys.thread_set_register(thread, Word(0), Word(u64::MAX)).await;
    sys.ground().thread_set_register(thread, Word(argument), Word(ELSEWHERE.start.0)).await?;
    sys.ground().reply(FaultAnswer::Resume.to_message()).await?;
    sys.process_wait(process, Deadline::NEVER).await?;
    let _ = sys.thread_register(thread, Word(0)).await;
    sys.capability_delete(process.into()).await?;
    sys.capability_delete(thread.into()).await
}

/// A thread that is suspended can be looked at, and one that is not cannot.
async fn is_looked_at<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle) -> Result<(), Error> {
    let _ = sys.thread_register(me, Word(1)).await;
    let Some(listener) = cornered(sys, me, LISTENER, 1).await else { return Ok(()) };
    let _ = sys.thread_register(listener, Word(1)).await;
    sys.thread_suspend(listener).await?;
    let _ = sys.thread_register(listener, Word(1)).await;
    let endpoint = EndpointHandle::from_word(sys.ground().load(NAME.start).await);
    sys.signal(endpoint, Word(1)).await?;
    // It has what it waited for, and may not go on.
    let stack = sys.ground().thread_register(listener, Word(1)).await?;
    sys.ground().thread_set_register(listener, Word(1), stack).await?;
    sys.note("the thread that is suspended has a stack").await;
    sys.thread_resume(listener).await?;
    sys.thread_join(listener, Deadline::NEVER).await.map(|_| ())
}

/// What a handler will not or cannot answer ends the process, and nobody else.
async fn is_not_helped<G: Ground>(sys: &Recorder<'_, G>, me: ThreadHandle, endpoint: EndpointHandle) {
    let Some(process) = made(sys, endpoint).await else { return };
    let _ = next_fault(sys, endpoint).await;
    let _ = sys.ground().reply(FaultAnswer::End.to_message()).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let Some(process) = made(sys, endpoint).await else { return };
    let _ = next_fault(sys, endpoint).await;
    let nowhere = FaultAnswer::ResumeAt { program_counter: u64::MAX, stack: 0 };
    let _ = sys.ground().reply(nowhere.to_message()).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    // Its handler ends and has said nothing.
    let Some(deserter) = cornered(sys, me, DESERTER, 2).await else { return };
    let Some(process) = made(sys, endpoint).await else { return };
    let _ = sys.process_wait(process, Deadline::NEVER).await;
    let _ = sys.thread_join(deserter, Deadline::NEVER).await;
    // Nobody can come any more.
    let rights = CapabilityRights::WRITE;
    let Ok(writes) = sys.capability_copy(endpoint.into(), rights, Word(0)).await else { return };
    let Some(process) = made(sys, EndpointHandle::from_word(writes.to_word())).await else { return };
    let _ = sys.capability_delete(writes).await;
    let _ = sys.process_wait(process, Deadline::NEVER).await;
}
