//! Worlds drawn by the same source that later decides their order: a run is not only a new order but a new world.

use coldframe_abi::{CapabilityHandle, CapabilityKind, Nanos, UserAddress};

use coldframe_hal::paging::{Cache, Rights, Sv39};
use coldframe_hal::{Frame, FrameRun};
use coldframe_kernel::{Kernel, ProcessId, Segment};
use hal_host::HostMachine;

use crate::ops::{Op, Programs, WORDS, first_window};
use crate::source::Source;
use crate::world::World;

mod copies;
mod drivers;
mod endless;
mod meetings;
mod notices;
mod operations;
mod plans;
mod quick;
mod turns;
mod walls;

pub use operations::memory_op;

/// A world of programs that are lists of operations.
pub type DrawnWorld = World<Sv39, Programs>;

/// A kind of world.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// How many steps one run has at most.
    pub steps: u64,
    /// One entry of so many is made in each way that it has; seldom, if this is not given.
    pub compared: Option<u64>,
    /// Whether all programs are ended when the steps are over: then nothing may be left of them.
    pub ends: bool,
    /// Whether a call that can go the fast way has gone it, and is not only tried.
    fast: bool,
    draw: fn(&mut dyn Source, Option<u16>) -> Plan,
}

/// Every kind of drawn world.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "scheduler",
        about: "2 CPUs, 8 threads that compute, yield and sleep for ever",
        steps: 40_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::scheduler,
    },
    Kind {
        name: "mixed",
        about: "1 to 16 CPUs, all calls, one or two processes, groups, CPUs that come and go",
        steps: 20_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::mixed,
    },
    Kind {
        name: "groups",
        about: "1 to 3 CPUs, threads that only compute, in groups of different size",
        steps: 20_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::groups,
    },
    Kind {
        name: "waits",
        about: "1 to 4 CPUs, threads that wait, end, suspend and join each other within microseconds",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::waits,
    },
    Kind {
        name: "memory",
        about: "1 to 4 CPUs, up to 8 processes whose threads reserve, fill, move, copy and touch pages",
        steps: 20_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::memory,
    },
    Kind {
        name: "capabilities",
        about: "1 to 4 CPUs, threads that copy, delete and revoke what they call each other and their groups",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::capabilities,
    },
    Kind {
        name: "processes",
        about: "1 to 4 CPUs, processes that make others, fill them, restrict them, kill them and wait for them",
        steps: 15_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::processes,
    },
    Kind {
        name: "hostile",
        about: "1 to 4 CPUs, requests of random words beside ordinary programs",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::hostile,
    },
    Kind {
        name: "words",
        about: "1 to 4 CPUs, threads that wait at words, wake each other there, and take the words away",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::words,
    },
    Kind {
        name: "messages",
        about: "1 to 4 CPUs, threads that send, receive, call and reply, while names go and peers are killed",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: meetings::messages,
    },
    Kind {
        name: "parcels",
        about: "1 to 4 CPUs, threads whose messages carry capabilities, copied or moved, while names go and peers are killed",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: meetings::parcels,
    },
    Kind {
        name: "signals",
        about: "1 to 4 CPUs, threads that raise signals and have faults that others handle, while these are killed",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: meetings::signals,
    },
    Kind {
        name: "servers",
        about: "1 or 2 CPUs, servers that reply and receive for ever, clients that call, and seldom anything else",
        steps: 1_500,
        compared: Some(8),
        ends: false,
        fast: false,
        draw: meetings::servers,
    },
    Kind {
        name: "calls",
        about: "1 to 4 CPUs, every call of the table with arguments of the kinds that it takes, some of them wrong",
        steps: 10_000,
        compared: None,
        ends: false,
        fast: false,
        draw: plans::calls,
    },
    Kind {
        name: "sets",
        about: "1 to 4 CPUs, as signals, and what comes to some endpoints is received at others",
        steps: 10_000,
        compared: Some(8),
        ends: false,
        fast: false,
        draw: meetings::sets,
    },
    Kind {
        name: "replies",
        about: "1 to 4 CPUs, as parcels, by servers that keep replies, hand them on, and give them in any order",
        steps: 10_000,
        compared: Some(64),
        ends: false,
        fast: false,
        draw: meetings::replies,
    },
    Kind {
        name: "cargo",
        about: "1 to 4 CPUs, threads whose messages carry pages, moved or lent, while these change and peers are killed",
        steps: 10_000,
        compared: Some(64),
        ends: false,
        fast: false,
        draw: meetings::cargo,
    },
    Kind {
        name: "drivers",
        about: "1 to 4 CPUs, threads that listen to interrupt lines, answer, or do not, while devices ask and peers are killed",
        steps: 10_000,
        compared: Some(64),
        ends: false,
        fast: false,
        draw: drivers::drivers,
    },
    Kind {
        name: "notices",
        about: "1 to 4 CPUs, threads that map objects and take them down, let endpoints join sets and leave, and want to hear of it",
        steps: 10_000,
        compared: Some(64),
        ends: false,
        fast: false,
        draw: notices::notices,
    },
    Kind {
        name: "walls",
        about: "1 to 4 CPUs, threads of processes that have a host, or hear nobody but a group, and of such that do not",
        steps: 10_000,
        compared: Some(16),
        ends: false,
        fast: false,
        draw: walls::walls,
    },
    Kind {
        name: "endless",
        about: "1 to 4 CPUs, the threads of one of the worlds of messages, killed at any moment and made anew, all waits short",
        steps: 100_000,
        compared: None,
        ends: true,
        fast: false,
        draw: endless::endless,
    },
    Kind {
        name: "turns",
        about: "1 or 2 CPUs, threads of two processes that yield to each other, and seldom anything else",
        steps: 1_500,
        compared: Some(8),
        ends: false,
        fast: false,
        draw: turns::turns,
    },
    Kind {
        name: "copies",
        about: "1 or 2 CPUs, threads that copy and delete what they call objects, endpoints and each other, and seldom anything else",
        steps: 1_500,
        compared: Some(8),
        ends: false,
        fast: false,
        draw: copies::copies,
    },
    Kind {
        name: "quick",
        about: "1 to 4 CPUs, the threads of another world, and every call goes the fast way that can",
        steps: 3_000,
        compared: Some(8),
        ends: false,
        fast: true,
        draw: quick::quick,
    },
];

/// Where each process of a drawn world has something to print: so many pages, and holes around them.
const TEXT: u64 = 0x7000;
const TEXT_PAGES: u64 = 3;
const PAGE: u64 = 4_096;
/// How much RAM a drawn world has.
const FRAMES: usize = 4_096;

struct Plan {
    cpus: u16,
    programs: Vec<Vec<Op>>,
    /// The program of the first thread of each process.
    processes: Vec<u64>,
    threads: usize,
    /// No process may spend more than this, in frames.
    budget: u64,
    /// Of how many requests for memory one is refused; none, if this is zero.
    refuse_every: u64,
    /// Whether the first process that is more than a keeper has an object of physical memory.
    device: bool,
    /// What asks on interrupt lines.
    devices: Vec<Device>,
}

/// What asks on an interrupt line, and when.
struct Device {
    line: u32,
    /// For a moment only, and not until it is silenced.
    is_edge: bool,
    every: Nanos,
    times: u32,
}

/// A kind is its name.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

impl Kind {
    /// Draws a world of this kind.
    ///
    /// # Panics
    /// If the kernel cannot be made, which no drawn world should bring about.
    pub fn world(&self, source: &mut dyn Source, cpus: Option<u16>) -> DrawnWorld {
        let plan = (self.draw)(source, cpus);
        let entropy = u64::from(source.choose(u32::MAX));
        let mut machine = HostMachine::new(plan.cpus, FRAMES, entropy);
        machine.set_tags([1, 64, plan.cpus + 2, plan.cpus + 3][source.choose(4) as usize]);
        for Device { line, is_edge, every, times } in plan.devices {
            machine.attach(line, is_edge, every, times);
        }
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, plan.cpus, map).unwrap_or_else(|error| panic!("{error:?}"));
        let mut programs = Programs::new(plan.programs, plan.threads);
        for (number, program) in plan.processes.into_iter().enumerate() {
            let budget = plan.budget.min(kernel.unspent_frames() / 4);
            let process = kernel.create_process_with(budget).unwrap_or_else(|error| panic!("{error:?}"));
            if plan.device && number == 1 {
                let run = FrameRun { start: Frame(FRAMES as u64), count: 4 };
                let object = kernel.create_range_object(process, run, Cache::Device);
                programs.keep_object(object.unwrap_or_else(|error| panic!("{error:?}")));
            }
            for capability in authorities_of(&kernel, process) {
                programs.keep_authority(capability);
            }
            load_text(&mut kernel, process);
            let words =
                Segment { start: WORDS.start, bytes: &[], length: WORDS.length, rights: Rights::ReadWrite };
            kernel.load(process, words).unwrap_or_else(|error| panic!("{error:?}"));
            kernel
                .start_process(process, UserAddress(0), first_window(number), program)
                .unwrap_or_else(|error| panic!("{error:?}"));
        }
        kernel.machine_mut().refuse_every(plan.refuse_every);
        let mut world = World::new(kernel, plan.cpus, programs);
        world.go_fast(self.fast);
        world.add_readable(TEXT, TEXT + TEXT_PAGES * PAGE);
        world.add_readable(WORDS.start.0, WORDS.start.0 + WORDS.length);
        world
    }
}

/// What a process may do to the machine, by name.
fn authorities_of(kernel: &Kernel<HostMachine<Sv39>>, process: ProcessId) -> Vec<CapabilityHandle> {
    let rows = kernel.inspect().capabilities;
    let of_process = (0..).zip(rows).filter(|(_, row)| row.holder() == Some(process.0));
    let authorities = of_process.filter(|(_, row)| row.target().kind == CapabilityKind::Authority);
    authorities.map(|(slot, row)| CapabilityHandle { slot, generation: row.generation() }).collect()
}

/// Every word of every text is another one, and neighbouring pages are not neighbours in memory: who reads one byte
/// beside the right place reads another.
fn load_text(kernel: &mut Kernel<HostMachine<Sv39>>, process: ProcessId) {
    for page in (0..TEXT_PAGES).rev() {
        let start = UserAddress(TEXT + page * PAGE);
        let words = (0..PAGE / 8).map(|word| (word + start.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        let text = Segment { start, bytes: &bytes, length: PAGE, rights: Rights::Read };
        kernel.load(process, text).unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// The kind with this name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// A world of processes with a program and a budget each.
///
/// # Panics
/// If the simulated machine is too small for the budgets.
pub fn memory_world(cpus: u16, programs: Vec<Vec<Op>>, budgets: &[u64], entropy: u32) -> DrawnWorld {
    let mut machine = HostMachine::new(cpus, 4_096, u64::from(entropy));
    machine.set_tags(cpus + 2);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, cpus, map).unwrap_or_else(|error| panic!("{error:?}"));
    for (number, budget) in budgets.iter().enumerate() {
        let process = kernel.create_process_with(*budget).unwrap_or_else(|error| panic!("{error:?}"));
        kernel
            .start_process(process, UserAddress(0), first_window(number), number as u64)
            .unwrap_or_else(|error| panic!("{error:?}"));
    }
    World::new(kernel, cpus, Programs::new(programs, 0))
}
