//! What the model knows of a thread.

use coldframe_abi::{Class, Error, Instant, Message, Nanos, Number, Priority, Reply};

use super::cargo::Loading;
use super::counts::Counts;
use super::names::Key;
use super::upcalls::Upcall;

/// What a thread is up to, as its program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It computes, or would if it had a CPU; it came from a call that must have been answered like this.
    Goes {
        answer: Option<Reply>,
    },
    /// The kernel works for it on a range of its memory.
    Works {
        call: Number,
    },
    Sleeps {
        until: Instant,
    },
    Joins {
        target: u32,
        until: Instant,
    },
    /// It waits for the end of a process.
    Watches {
        process: usize,
        generation: u32,
        until: Instant,
    },
    /// At a word, or at an endpoint.
    InLine,
    AwaitsReply {
        server: u32,
    },
    /// A reply that was kept, the so-manieth of its row.
    AwaitsKept {
        number: u32,
    },
    /// It has guessed too often, and finds its answer later.
    Pays {
        answer: Reply,
    },
    /// What it waits for has gone; when it hears of that, and whether it does in time, is up to others.
    Hears {
        either: &'static [Result<u64, Error>],
    },
    Ended {
        result: u64,
    },
}

/// What a program can set about a thread, and what a new thread gets from its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) class: Class,
    pub(super) priority: Priority,
    pub(super) group: u32,
    pub(super) affinity: [u64; 4],
}

impl Settings {
    pub(super) fn urgency(&self) -> u64 {
        self.class as u64 * 256 + u64::from(self.priority.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) process: usize,
    pub(super) state: State,
    pub(super) suspended: bool,
    pub(super) settings: Settings,
    pub(super) run_time: Nanos,
    pub(super) counts: Counts,
    pub(super) joiner: Option<u32>,
    /// Whose call it has received and not replied to.
    pub(super) owes: Option<u32>,
    /// By whose name its faults are sent, and whether it waits to hear what becomes of one.
    pub(super) handler: Option<Key>,
    pub(super) is_faulted: bool,
    /// About which address that was.
    pub(super) faulted_about: u64,
    /// With how many capabilities it takes messages.
    pub(super) accepts: usize,
    /// Where it takes the pages that come with them, and how many bytes.
    pub(super) window: (u64, u64),
    /// How far the kernel has come with the pages of its message.
    pub(super) loading: Loading,
    /// It has replied in a call that is made once more.
    pub(super) has_replied: bool,
    /// What interrupts it.
    pub(super) upcall: Option<Upcall>,
    /// Where it has to go on after one, and with which stack.
    pub(super) goes_on_at: Option<(u64, u64)>,
    /// The message that it finds when it goes on.
    pub(super) inbox: Option<Message>,
    /// It has made a call and not found the answer yet.
    pub(super) asks: bool,
    /// That call has been counted as one that named what it does not have.
    pub(super) is_refused: bool,
    /// Which wait of the run was its last: tells entries among the deadlines apart, also of threads of one slot.
    pub(super) wait: u64,
}

impl Thread {
    /// One that computes, and that nobody knows anything else of.
    pub(super) fn new(process: usize, settings: Settings) -> Self {
        Self {
            process,
            state: State::Goes { answer: None },
            suspended: false,
            settings,
            run_time: Nanos::ZERO,
            counts: Counts::default(),
            joiner: None,
            owes: None,
            handler: None,
            is_faulted: false,
            faulted_about: 0,
            accepts: 0,
            window: (0, 0),
            loading: Loading::Nothing,
            has_replied: false,
            goes_on_at: None,
            upcall: None,
            inbox: None,
            asks: false,
            is_refused: false,
            wait: 0,
        }
    }
}
