//! Scenarios: small programs that run unchanged under glass and on metal, and whose transcripts must be equal.
//!
//! Here live the scenarios, one or more a group of syscalls, and the recorder that writes the transcripts. A result
//! that depends on time, CPU, address or order never reaches a transcript.
//! May import: `abi`, `sync`, `services`.
#![no_std]
#![forbid(unsafe_code)]

mod alarms;
mod ancestors;
mod apart;
mod children;
mod console;
mod cpus;
mod dated;
mod described;
mod driven;
mod faulty;
mod gathered;
mod ground;
mod handed;
mod interrupted;
mod kept;
mod lent;
mod messaged;
mod names;
mod noticed;
mod pages;
mod peers;
mod placed;
mod recorder;
mod registers;
mod scheduling;
mod served;
mod shipped;
mod shown;
mod started;
mod suspend;
mod swapped;
mod tended;
mod threads;
mod time;
mod walled;
mod woken;

use ancestors::{anos, euralios, fenix, norost, patchwork};

pub use ground::{Alarm, CALLED, Ground, Part};
pub use recorder::Recorder;

/// A scenario: a name, a line about it, and how many parts it has besides the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
}

macro_rules! scenarios {
    ($($index:literal $module:ident: $about:literal;)+) => {
        /// Every scenario.
        pub const SCENARIOS: &[Scenario] = &[$(Scenario { name: stringify!($module), about: $about }),+];

        /// Plays one part of a scenario; the result is what the thread ends with.
        pub async fn play<G: Ground>(sys: &Recorder<'_, G>, part: Part) -> u64 {
            match part.scenario {
                $($index => $module::play(sys, part.role).await,)+
                _ => u64::MAX,
            }
        }
    };
}

scenarios! {
    0 threads: "threads are made, end with a result, and are joined once";
    1 time: "the clock rises, sleepers wake, waits end by their deadline";
    2 console: "text is written from memory that the program may read, and from no other";
    3 scheduling: "class, priority, affinity, group and CPU state change, for the right objects only";
    4 suspend: "a thread stops wherever it is and goes on where it was";
    5 faulty: "requests that make no sense are refused";
    6 registers: "no register is lost while threads take turns";
    7 cpus: "CPUs go off-line and come back while threads run";
    8 pages: "pages are reserved, filled, protected, moved, copied and taken away, and run out";
    9 names: "names lose rights, are given up and revoked, and take mappings, objects and authority with them";
    10 children: "processes are made, shown memory, run, restricted, killed and waited for";
    11 woken: "threads wait at words, are woken in order, and hear when a word or a name goes";
    12 peers: "threads send, receive, call and reply, in order, and hear when nobody is left who could answer";
    13 tended: "signals are raised and stay until received; faults are handled by others, or end a process";
    14 handed: "messages carry capabilities, copied or moved, all of them or none";
    15 served: "one service answers calls at an endpoint and packets in shared memory, and misses whoever goes";
    16 anos: "Anos' channels: a tag and a page go along, a word comes back, and a registry knows names";
    17 euralios: "EuraliOS' rendezvous: words, handles and chunks pass, and what cannot be sent comes back";
    18 fenix: "FENIX' tasks: they block until they are unblocked, and wait for each other's end";
    19 norost: "Norost's packets: to the address of a task, with data where that has said it may go";
    20 patchwork: "PatchworkOS' pipes, notes and local sockets";
    21 gathered: "what comes to several endpoints is received at one that stands for them, while it is there";
    22 lent: "whoever serves a call is as urgent as the caller, and only for as long";
    23 kept: "a server keeps the replies that it owes, gives them in any order, and hands one on";
    24 alarms: "signals are raised at a moment, not before, and by a name that still stands then";
    25 shipped: "messages carry pages, moved or lent, all of them or none, and what is lent comes back";
    26 driven: "a device is driven: its interrupts are told to all who listen, and wait for their answers";
    27 interrupted: "signals interrupt a thread that does not receive them, and it goes on as if they had not";
    28 noticed: "who hears of what is gone, how long a name is good, and what is said of whoever has ended";
    29 apart: "threads have storage of their own; wall time, random words and CPUs are for those who may";
    30 walled: "a process speaks to nobody but its host, and another hears nobody but a group";
    31 dated: "devices behind ports are for those who may, and a machine knows what time it is";
    32 described: "what firmware says of the machine is handed over once, and read by whoever is given it";
    33 placed: "a program finds out by itself where there is room, around what it has not known of";
    34 started: "a process is started with arguments and an environment on its stack, and finds them";
    35 swapped: "threads yield to each other and to others that compute, and all registers of each are kept";
    36 messaged: "a device asks by messages where it can, each is told once, and one without a listener is nobody's";
}
