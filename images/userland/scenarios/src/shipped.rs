use coldframe_abi::{
    Calls, Carries, Deadline, EndpointHandle, Error, MOST_PAGES, Message, Nanos, PageRights, Passage,
    ThreadHandle, UserAddress, UserRange, Word,
};

use crate::threads::cornered;
use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything.
const NAMES: UserRange = UserRange { start: UserAddress(0x2e_0000_0000), length: PAGE };
/// What the first thread sends.
const SENT: u64 = NAMES.start.0 + 16 * PAGE;
/// Where the server takes it, and where the first thread takes what comes back: around an edge of a page table.
const TAKEN: u64 = NAMES.start.0 + (1 << 30) - 2 * PAGE;
const BACK: u64 = NAMES.start.0 + (1 << 31);

const SERVER: u8 = 1;

/// What the server is asked for: to say what it finds, to change it, to send it back, to be late, to go.
const LOOK: u64 = 1;
const CHANGE: u64 = 2;
const RETURN: u64 = 3;
const DAWDLE: u64 = 4;
const GO: u64 = 5;

const fn range(start: u64, pages: u64) -> UserRange {
    UserRange { start: UserAddress(start), length: pages * PAGE }
}

const fn moved(pages: u64) -> Carries {
    Carries::NONE.and_pages(Passage::Moved, pages)
}

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, role: u8) -> u64 {
    let result = match role {
        0 => first(sys).await,
        _ => serve(sys).await,
    };
    u64::from(result.is_err())
}

/// Does with pages what it is asked to, until it goes without an answer.
async fn serve<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let ground = sys.ground();
    let endpoint = EndpointHandle::from_word(ground.load(NAMES.start).await);
    // Nothing is taken before somebody has said where it goes.
    sys.receive(endpoint, Deadline::NEVER).await?;
    sys.accept_pages(range(TAKEN, 4)).await?;
    let mut answer = Message::default();
    loop {
        let (_, asked) = sys.reply_receive(endpoint, Deadline::NEVER, answer).await?;
        answer = Message::new(asked.label, [0; 4]);
        match asked.label {
            LOOK => {
                let last = asked.carries.range(0).map_or(0, |(_, pages)| pages - 1);
                answer.words[0] = ground.load(UserAddress(asked.words[0])).await;
                answer.words[1] = ground.load(UserAddress(asked.words[0] + last * PAGE)).await;
                let _ = sys.memory_query(UserAddress(TAKEN)).await;
                // What has been lent cannot be kept.
                let _ = sys.memory_unmap(range(TAKEN, 1)).await;
            }
            CHANGE => {
                let found = ground.load(UserAddress(asked.words[1])).await;
                ground.store(UserAddress(asked.words[0]), found + 1).await;
            }
            RETURN => {
                answer = Message::new(RETURN, [asked.words[0], 0, 0, 0]).carrying(moved(2));
            }
            DAWDLE => {
                let now = ground.clock().await?;
                ground.sleep(Deadline::at(now.after(Nanos::from_millis(300)))).await?;
                let _ = sys.memory_query(UserAddress(TAKEN)).await;
            }
            GO => return Ok(()),
            _ => {}
        }
    }
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let me = sys.thread_self().await?;
    // All threads have one CPU: when the first one runs again, those that it has made wait.
    sys.set_affinity(me, Word(0), Word(1)).await?;
    let before = sys.memory_use().await?;
    sys.memory_reserve(NAMES, PageRights::ReadWrite).await?;
    let endpoint = sys.endpoint_create().await?;
    sys.ground().store(NAMES.start, endpoint.to_word()).await;
    makes_no_sense(sys, endpoint).await?;
    goes(sys, me, endpoint).await?;
    sys.capability_delete(endpoint.into()).await?;
    sys.memory_unmap(range(NAMES.start.0, 1 << 20)).await?;
    let after = sys.memory_use().await?;
    sys.note(if after == before { "every page came back" } else { "pages are missing" }).await;
    Ok(())
}

/// Pages with a word each, to be sent.
async fn prepare<G: Ground>(sys: &Recorder<'_, G>, pages: u64, word: u64) -> Result<(), Error> {
    sys.memory_reserve(range(SENT, pages), PageRights::ReadWrite).await?;
    for page in 0..pages {
        sys.ground().store(UserAddress(SENT + page * PAGE), word + page).await;
    }
    Ok(())
}

async fn expect<G: Ground>(sys: &Recorder<'_, G>, address: u64, value: u64) {
    let found = sys.ground().load(UserAddress(address)).await;
    sys.note(if found == value { "as it should be" } else { "something else is there" }).await;
}

/// What cannot go along is refused before anything happens to it.
async fn makes_no_sense<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    prepare(sys, 2, 7).await?;
    let lent = Carries::NONE.and_pages(Passage::LentToRead, 1);
    let twice = moved(2).and_pages(Passage::Moved, 1);
    let shown = SENT + 8 * PAGE;
    sys.memory_reserve(range(shown, 1), PageRights::ReadWrite).await?;
    let mapping = sys.object_from_range(range(shown, 1)).await?;
    for (words, carries) in [
        ([SENT, 0, 0, 0], lent),
        ([SENT, 0, 0, 0], moved(MOST_PAGES + 1)),
        ([SENT + 8, 0, 0, 0], moved(1)),
        ([1 << 63, 0, 0, 0], moved(1)),
        ([SENT, SENT + PAGE, 0, 0], twice),
        ([SENT, 0, 0, 0], moved(3)),
        ([shown, 0, 0, 0], moved(1)),
        ([SENT, 0, 0, 0], moved(1)),
    ] {
        let message = Message::new(9, words).carrying(carries);
        let _ = sys.send(endpoint, Deadline::NOW, message).await;
    }
    sys.memory_protect(range(SENT, 1), PageRights::Read).await?;
    let writable = Carries::NONE.and_pages(Passage::LentToWrite, 1);
    let _ = sys.call(endpoint, Deadline::NOW, Message::new(9, [SENT, 0, 0, 0]).carrying(writable)).await;
    let _ = sys.accept_pages(UserRange { start: UserAddress(SENT), length: 8 }).await;
    let _ = sys.accept_pages(range(1 << 63, 1)).await;
    expect(sys, SENT, 7).await;
    expect(sys, SENT + PAGE, 8).await;
    let object = sys.mapping_object(mapping).await?;
    sys.object_destroy(object).await?;
    sys.memory_unmap(range(SENT, 2)).await
}

async fn goes<G: Ground>(
    sys: &Recorder<'_, G>,
    me: ThreadHandle,
    endpoint: EndpointHandle,
) -> Result<(), Error> {
    let server = cornered(sys, me, SERVER, 1).await.ok_or(Error::NoMemory)?;
    prepare(sys, 4, 100).await?;
    // Whoever takes no pages gets none of the message, and its sender keeps them.
    let _ = sys.send(endpoint, Deadline::NOW, Message::new(LOOK, [SENT, 0, 0, 0]).carrying(moved(1))).await;
    expect(sys, SENT, 100).await;
    sys.send(endpoint, Deadline::NEVER, Message::default()).await?;

    is_lent(sys, endpoint).await?;
    is_moved(sys, endpoint).await?;
    comes_back_in_time(sys, endpoint).await?;

    // Whoever has borrowed something ends.
    let lent = Carries::NONE.and_pages(Passage::LentToWrite, 2);
    let _ = sys.call(endpoint, Deadline::NEVER, Message::new(GO, [SENT, 0, 0, 0]).carrying(lent)).await;
    sys.thread_join(server, Deadline::NEVER).await?;
    let _ = sys.memory_query(UserAddress(TAKEN)).await;
    sys.ground().store(UserAddress(SENT + PAGE), 55).await;
    expect(sys, SENT + PAGE, 55).await;
    Ok(())
}

/// Pages are there for others until the call is over.
async fn is_lent<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    let lent = Carries::NONE.and_pages(Passage::LentToRead, 4);
    sys.call(endpoint, Deadline::NEVER, Message::new(LOOK, [SENT, 0, 0, 0]).carrying(lent)).await?;
    let _ = sys.memory_query(UserAddress(TAKEN)).await;
    let _ = sys.memory_query(UserAddress(SENT)).await;
    let two = Carries::NONE.and_pages(Passage::LentToWrite, 1).and_pages(Passage::LentToRead, 2);
    let message = Message::new(CHANGE, [SENT, SENT + 2 * PAGE, 0, 0]).carrying(two);
    sys.call(endpoint, Deadline::NEVER, message).await?;
    expect(sys, SENT, 103).await;
    // More than there is room for.
    let five = Carries::NONE.and_pages(Passage::LentToRead, 4).and_pages(Passage::LentToRead, 1);
    sys.memory_reserve(range(SENT + 4 * PAGE, 1), PageRights::ReadWrite).await?;
    let message = Message::new(CHANGE, [SENT, SENT + 4 * PAGE, 0, 0]).carrying(five);
    let _ = sys.call(endpoint, Deadline::NEVER, message).await;
    sys.memory_unmap(range(SENT + 4 * PAGE, 1)).await
}

/// Pages go to the server, and others come back with its reply.
async fn is_moved<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    sys.accept_pages(range(BACK, 2)).await?;
    let message = Message::new(RETURN, [SENT, 0, 0, 0]).carrying(moved(2));
    sys.call(endpoint, Deadline::NEVER, message).await?;
    let _ = sys.memory_query(UserAddress(SENT)).await;
    let _ = sys.memory_query(UserAddress(TAKEN)).await;
    let _ = sys.memory_query(UserAddress(BACK)).await;
    expect(sys, BACK, 103).await;
    expect(sys, BACK + PAGE, 101).await;
    sys.memory_move(range(BACK, 2), UserAddress(SENT)).await?;
    expect(sys, SENT + PAGE, 101).await;
    sys.accept_pages(range(0, 0)).await
}

/// Who waits no longer has everything back, whoever has borrowed it.
async fn comes_back_in_time<G: Ground>(sys: &Recorder<'_, G>, endpoint: EndpointHandle) -> Result<(), Error> {
    let now = sys.ground().clock().await?;
    let soon = Deadline::at(now.after(Nanos::from_millis(120)));
    let lent = Carries::NONE.and_pages(Passage::LentToWrite, 2);
    let message = Message::new(DAWDLE, [SENT, 0, 0, 0]).carrying(lent);
    let _ = sys.ground().call(endpoint, soon, message).await;
    let _ = sys.memory_query(UserAddress(TAKEN)).await;
    let _ = sys.memory_query(UserAddress(SENT)).await;
    expect(sys, SENT, 103).await;
    sys.send(endpoint, Deadline::NEVER, Message::default()).await
}
