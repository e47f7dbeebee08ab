//! A process is started with arguments and an environment on its stack, and finds them.

use coldframe_abi::{
    Calls, Deadline, Error, MappingHandle, ObjectHandle, PageRights, UserAddress, UserRange, Word,
};
use coldframe_services::{StartBlock, Started};

use crate::{Ground, Recorder};

const PAGE: u64 = 4_096;
/// Where no ground has put anything: the program's code, its stack, and where the maker sees the stack.
const CODE: UserRange = UserRange { start: UserAddress(0x2d_8000_0000), length: PAGE };
const STACK: UserRange = UserRange { start: UserAddress(0x2d_9000_0000), length: PAGE };
const SEEN: UserRange = UserRange { start: UserAddress(0x2d_a000_0000), length: PAGE };
const FRAMES: Word = Word(24);

const ARGUMENTS: [&str; 3] = ["program", "*", "--last=ü"];
const ENVIRONMENT: [&str; 2] = ["HOME=/", "LANG=C.UTF-8"];

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    u64::from(first(sys).await.is_err())
}

async fn first<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let block = StartBlock::new(&ARGUMENTS, &ENVIRONMENT).ok_or(Error::BadArgument)?;
    let below = block.length();
    let stack = sys.object_create(Word(PAGE)).await?;
    let start = UserAddress(STACK.start.0 + PAGE - below);
    let mapping = put(sys, stack, PAGE - below, block.words(start)).await?;
    are_found(sys, start).await;
    sys.mapping_unmap(mapping).await?;
    let code = sys.object_create(Word(PAGE)).await?;
    let mapping = put(sys, code, 0, sys.ground().started_program().into_iter()).await?;
    sys.mapping_unmap(mapping).await?;
    let process = sys.process_create(FRAMES).await?;
    sys.process_map(process, code, Word(0), CODE, PageRights::ReadExecute).await?;
    sys.process_map(process, stack, Word(0), STACK, PageRights::ReadWrite).await?;
    sys.process_thread(process, CODE.start, start, Word(0)).await?;
    // It ends with the first letter of its second argument, which it finds by its stack.
    sys.process_wait(process, Deadline::NEVER).await?;
    for name in [process.into(), code.into(), stack.into()] {
        sys.capability_delete(name).await?;
    }
    Ok(())
}

/// Writes words to an object, which is seen afterwards.
async fn put<G: Ground>(
    sys: &Recorder<'_, G>,
    object: ObjectHandle,
    offset: u64,
    words: impl Iterator<Item = u64>,
) -> Result<MappingHandle, Error> {
    let mapping = sys.object_map(object, Word(0), SEEN, PageRights::ReadWrite).await?;
    for (at, word) in (0..).zip(words) {
        sys.ground().store(UserAddress(SEEN.start.0 + offset + at * 8), word).await;
    }
    Ok(mapping)
}

/// What the process will read its maker can read where it sees the stack.
async fn are_found<G: Ground>(sys: &Recorder<'_, G>, start: UserAddress) {
    let load = async |address: UserAddress| {
        sys.ground().load(UserAddress(address.0.wrapping_sub(STACK.start.0).wrapping_add(SEEN.start.0))).await
    };
    let started = Started::new(load, start);
    let mut buffer = [0; 16];
    let mut found = started.count().await == ARGUMENTS.len() as u64;
    for (number, argument) in (0..).zip(ARGUMENTS) {
        found &= started.argument(number, &mut buffer).await == Some(argument);
    }
    found &= started.variable("LANG", &mut buffer).await == Some("C.UTF-8");
    found &= started.variable("LAN", &mut buffer).await.is_none();
    sys.note(if found { "all of it is on the stack" } else { "something is not on the stack" }).await;
}
