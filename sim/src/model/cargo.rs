//! Pages that go along with messages: which may, where they arrive, and that they are the same ones.

use std::mem;

use coldframe_abi::{Error, Instant, MOST_PAGES, MOST_RANGES, Message, Number, Passage, UserAddress};
use coldframe_hal::FRAME_BYTES;
use coldframe_hal::paging::Entry;
use coldframe_kernel::{Inspection, Kernel, Task, WaitsFor, Work};
use hal_host::{HardwareFormat, HostMachine, HostRegisters};

use super::calls::{Answer, Expected};
use super::messages::carries;
use super::words::{Line, Waiting};
use super::{Model, fail};
use crate::oracle::Violation;

/// What a thread can hear whose pages cannot be made ready: the page tables know which.
const NOT_READY: &[Answer] =
    &[Err(Error::BadAddress), Err(Error::Foreign), Err(Error::NoMemory), Err(Error::OverBudget)];

/// More than the tables take that a message can need.
const TABLES: u64 = 12;

/// How far the kernel has come with the pages of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Loading {
    /// There are none, or their call has not been made.
    #[default]
    Nothing,
    /// They are being made ready.
    Begun,
    /// They are: the call is made once more.
    Ready,
}

/// A range of pages of a thread: how it goes along, where it is, and which frames it has.
#[derive(Clone, Debug)]
struct Range {
    passage: Passage,
    start: u64,
    frames: Vec<Option<u64>>,
}

/// The pages of a message before an entry.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    thread: u32,
    ranges: Vec<Range>,
}

/// What this entry has done with a range, to be judged when it is over.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    threads: (u32, u32),
    sender: usize,
    receiver: usize,
    to: u64,
    /// None, if it was refused there.
    range: Option<Range>,
    pages: u64,
    short: bool,
}

/// The frame behind an address, whether a program may reach it there or not.
fn frame_at<F: HardwareFormat>(
    kernel: &Kernel<HostMachine<F>>,
    view: &Inspection<'_, HostMachine<F>>,
    process: usize,
    address: u64,
) -> Option<u64> {
    let space = view.processes[process].space()?;
    match space.query(kernel.machine(), UserAddress(address))? {
        (Entry::Page(leaf) | Entry::Leaving(leaf), 0) => Some(leaf.frame.0),
        _ => None,
    }
}

/// The ranges that a message names: how they go along, where they are, and how many pages they have.
fn named(message: &Message) -> impl Iterator<Item = (Passage, u64, u64)> + '_ {
    (0..MOST_RANGES).filter_map(|index| {
        let (passage, pages) = message.carries.range(index)?;
        Some((passage, message.words.get(message.carries.count() + index).copied()?, pages))
    })
}

impl Model {
    /// Notes which frames the pages of a message have.
    pub(super) fn note_pages<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        message: &Message,
    ) {
        let Some(process) = self.process_of(thread).filter(|_| message.carries.has_pages()) else { return };
        let frames = |start: u64, pages: u64| {
            (0..pages)
                .map(|page| frame_at(kernel, view, process, start.checked_add(page * FRAME_BYTES)?))
                .collect()
        };
        let ranges = named(message)
            .map(|(passage, start, pages)| Range { passage, start, frames: frames(start, pages) })
            .collect();
        self.loaded_pages.push(Loaded { thread, ranges });
    }

    /// Notes whether a thread is about to take back what it has lent, or has lost what it was lent with its lender.
    pub(super) fn note_unloading<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        let unloads =
            |work: Option<&Work>| work.is_some_and(|work| matches!(work.task(), Task::Unload { .. }));
        let at_words = |waiting: &Waiting| matches!(waiting.line, Line::Process(_));
        self.unloads = self.takes_pages
            && self.lines.iter().any(at_words)
            && view.threads.iter().any(|thread| unloads(thread.work()));
    }

    /// Whether what a message says of pages makes sense.
    pub(super) fn ranges_fit(&self, message: &Message, lends: bool) -> Result<(), Error> {
        if !message.carries.has_pages() {
            return Ok(());
        }
        if message.carries.range(0).is_none() {
            return Err(Error::BadArgument);
        }
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for (passage, start, pages) in named(message) {
            if pages > MOST_PAGES || (passage.is_lent() && !lends) {
                return Err(Error::BadArgument);
            }
            let end = start.checked_add(pages * FRAME_BYTES).filter(|end| *end <= self.user_end);
            let Some(end) = end.filter(|_| start.is_multiple_of(FRAME_BYTES)) else {
                return Err(Error::BadAddress);
            };
            spans.push((start, end));
        }
        match spans[..] {
            [(start, end), (other, other_end)] if start < other_end && other < end => Err(Error::BadArgument),
            _ => Ok(()),
        }
    }

    pub(super) fn accept_pages(&mut self, caller: u32, words: &[u64; 6]) -> Answer {
        let (start, length) = (words[0], words[1]);
        let end = start.checked_add(length).filter(|end| *end <= self.user_end);
        let whole = start.is_multiple_of(FRAME_BYTES) && length.is_multiple_of(FRAME_BYTES);
        if length > 0 && (end.is_none() || !whole) {
            return Err(Error::BadAddress);
        }
        if let Some(thread) = self.thread_mut(caller) {
            thread.window = if length == 0 { (0, 0) } else { (start, length) };
        }
        self.takes_pages = true;
        Ok(0)
    }

    /// A call whose message has pages is made twice: before they are ready, and then. `None` if this is the second.
    pub(super) fn loads<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        number: Number,
        caller: u32,
        before: &HostRegisters,
    ) -> Option<Expected> {
        let (words, message) = (&before.request.arguments, &before.message);
        let thread = self.thread(caller)?;
        let sends = carries(number) && number != Number::Receive && message.carries.has_pages();
        if !sends || thread.has_replied || thread.loading == Loading::Ready {
            return None;
        }
        if thread.loading == Loading::Nothing
            && let Err(error) = self.may_send(view, number, caller, words, message)
        {
            return Some(Expected::Answer(Err(error)));
        }
        // Whoever waits at a word of a page that goes along hears of it.
        self.unloads = true;
        let loading = match view.threads[caller as usize].work().map(|work| work.task()) {
            Some(Task::Load { .. }) => Loading::Begun,
            Some(Task::Call) => Loading::Ready,
            _ => Loading::Nothing,
        };
        self.thread_mut(caller)?.loading = loading;
        match loading {
            Loading::Nothing => self.set_state(caller, super::State::Hears { either: NOT_READY }),
            _ => self.set_again(caller, number, before),
        }
        Some(Expected::Nothing)
    }

    /// With which error the call of a thread has been answered, if it has been.
    pub(super) fn heard_now<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
    ) -> Option<Error> {
        let row = &view.threads[thread as usize];
        let answered = match row.work().map(|work| work.task()) {
            None => row.waits_for() == WaitsFor::Nothing,
            Some(task) => matches!(task, Task::Unload { again: false, .. } | Task::Unloaded),
        };
        if answered { self.found(view, thread).reply.result().err() } else { None }
    }

    /// The pages of a message go to where its receiver wants them, or are refused there; says where they are then.
    pub(super) fn pages_go<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        (from, to): (u32, u32),
        message: &mut Message,
        heard: Option<Error>,
    ) -> Result<(), Error> {
        let (Some(sender), Some(receiver)) = (self.process_of(from), self.process_of(to)) else {
            return Err(Error::BadHandle);
        };
        let Some(loaded) = self.loaded_pages.iter().position(|loaded| loaded.thread == from) else {
            self.complaint = Some(format!("the pages of thread {from} arrive, and were never ready"));
            return Ok(());
        };
        let (mut to_address, room) = self.thread(to).map_or((0, 0), |thread| thread.window);
        let pages: u64 = named(message).map(|(_, _, pages)| pages).sum();
        if pages * FRAME_BYTES > room {
            return Err(Error::Refused);
        }
        if heard == Some(Error::Refused) {
            let short = self.is_short(view, to, Error::NoMemory)
                || view.processes[receiver].budget().left() < pages + TABLES;
            self.passed.push(Passed {
                threads: (from, to),
                sender,
                receiver,
                to: to_address,
                range: None,
                pages,
                short,
            });
            return Err(Error::Refused);
        }
        let loaded = self.loaded_pages.remove(loaded);
        for (index, range) in loaded.ranges.into_iter().enumerate() {
            let length = range.frames.len() as u64 * FRAME_BYTES;
            message.words[message.carries.count() + index] = to_address;
            let pages = range.frames.len() as u64;
            let range = Some(range);
            self.passed.push(Passed {
                threads: (from, to),
                sender,
                receiver,
                to: to_address,
                range,
                pages,
                short: false,
            });
            to_address += length;
        }
        Ok(())
    }

    /// Judges where pages are that this entry has handed on.
    pub(super) fn have_arrived<F: HardwareFormat>(
        &mut self,
        kernel: &Kernel<HostMachine<F>>,
        view: &Inspection<'_, HostMachine<F>>,
        now: Instant,
    ) -> Result<(), Violation> {
        for Passed { threads, sender, receiver, to, range, pages, short } in mem::take(&mut self.passed) {
            let Some(root) = view.processes[receiver].space().map(|space| space.root()) else { continue };
            let Some(range) = range else {
                let is_there = |page: u64| {
                    let address = UserAddress(to + page * FRAME_BYTES);
                    let space = view.processes[receiver].space();
                    let entry = space.and_then(|space| space.query(kernel.machine(), address));
                    entry.is_some_and(|(entry, _)| entry != Entry::Empty)
                };
                if !short && !(0..pages).any(is_there) {
                    return fail(
                        now,
                        format!("pages are refused at {to:#x} of process {receiver}, where there is room"),
                    );
                }
                continue;
            };
            let writes = range.passage != Passage::LentToRead;
            for (page, frame) in (0..).zip(&range.frames) {
                let (here, there) = (range.start + page * FRAME_BYTES, to + page * FRAME_BYTES);
                let found = kernel.machine().place_of(root, there);
                let left = frame_at(kernel, view, sender, here);
                let stays = range.passage.is_lent();
                let fits = frame.is_some()
                    && found == frame.map(|frame| (frame, writes))
                    && (if stays { left == *frame } else { left.is_none() });
                if !fits {
                    return fail(
                        now,
                        format!(
                            "of threads {threads:?}: frame {frame:?} is {:?} from {here:#x} of process {sender}, where {left:?} is left, to {there:#x} of process {receiver}, where {found:?} is",
                            range.passage
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}
