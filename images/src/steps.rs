//! One round of a measured operation, instruction by instruction.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::boot::{BootError, Kill, Options, command};
use crate::build::{Image, MEASURE, build_programs};
use crate::debugger::Debugger;
use crate::instruction::Kind;
use crate::symbols::Symbols;
use crate::target::Arch;
use crate::touch::{LINE, touched};

/// The function of the measuring program that is called, with the name, before the rounds of an operation begin.
const BEGIN: &str = "rounds_begin";

/// The round that is looked at: what the first ones make anew is there by then.
const ROUND: usize = 6;

/// More than any operation takes for so many rounds.
const MOST_STEPS: usize = 2_000_000;

/// How long the emulator may take to call.
const START: Duration = Duration::from_secs(10);

/// The longest instruction has so many bytes.
const INSTRUCTION_BYTES: u64 = 15;

const PAGE: u64 = 4096;

/// The instructions of one round.
#[derive(Clone, Debug)]
pub struct Steps {
    arch: Arch,
    steps: Vec<Step>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Step {
    address: u64,
    /// The function that it belongs to.
    place: String,
    kind: Option<Kind>,
    /// The lines of memory that it reads or writes, by number.
    lines: Vec<u64>,
}

/// The kernel has the upper half of the addresses.
const KERNEL: u64 = 1 << 63;

impl Steps {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> usize {
        self.steps.iter().filter(|step| step.kind == Some(kind)).count()
    }

    /// How many lines of memory the kernel reads or writes from each call to the next.
    #[must_use]
    pub fn kernel_lines(&self) -> Vec<usize> {
        let calls = self.steps.iter().enumerate().filter(|(_, step)| step.kind == Some(Kind::Call));
        let mut ends: Vec<_> = calls.map(|(at, _)| at).skip(1).collect();
        ends.push(self.steps.len());
        let mut from = 0;
        let mut counts = Vec::new();
        for to in ends {
            let of_kernel = self.steps[from..to].iter().filter(|step| step.address >= KERNEL);
            let lines: BTreeSet<_> = of_kernel.flat_map(|step| &step.lines).collect();
            counts.push(lines.len());
            from = to;
        }
        counts
    }

    /// What there is how often, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut places = BTreeMap::new();
        for step in &self.steps {
            let function = step.place.split(" + ").next().unwrap_or_default();
            *places.entry(function).or_insert(0_usize) += 1;
        }
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_by_key(|(function, count)| (std::cmp::Reverse(*count), *function));
        let mut text = String::new();
        for (function, count) in places {
            let _ = writeln!(text, "{count:>7}  {function}");
        }
        for kind in Kind::ALL {
            let count = self.of_kind(kind);
            if count > 0 {
                let _ = writeln!(text, "{count:>7}  of these: {}", kind.name(self.arch));
            }
        }
        for count in self.kernel_lines() {
            let _ = writeln!(
                text,
                "{count:>7}  lines of memory that the kernel touches from one call to the next"
            );
        }
        text
    }

    /// All of them in their order, a line each.
    #[must_use]
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for Step { address, place, kind, lines } in &self.steps {
            let kind = kind.map_or("", |kind| kind.name(self.arch));
            let _ = write!(text, "{address:#018x}  {place:<60}  {kind}");
            for line in lines {
                let _ = write!(text, "  [{:#x}]", line * LINE);
            }
            text.push('\n');
        }
        text
    }
}

/// Boots the program that measures, and steps through one round of an operation.
///
/// # Errors
/// If it cannot be built, booted or stepped; `InvalidInput` if it does not measure that.
pub fn steps(arch: Arch, offline: bool, operation: &str) -> io::Result<Steps> {
    let image = build_programs(arch, offline, &[MEASURE]).map_err(io::Error::other)?;
    let program = Symbols::of(&image.programs[0]);
    let begin = program.address(BEGIN).ok_or_else(|| io::Error::other(format!("no function {BEGIN}")))?;
    // The emulator calls: so no port has to be guessed, and any host can do it.
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let _machine = start(&image, door.local_addr()?.port())?;
    let mut debugger = Debugger::of(arch, caller_at(&door)?)?;
    let mut names = Vec::new();
    loop {
        if let Err(error) = debugger.run_to(begin) {
            return Err(if names.is_empty() {
                io::Error::other(format!("{arch}: {error}"))
            } else {
                let problem =
                    format!("{arch}: '{operation}' is not measured; there are: {}", names.join(", "));
                io::Error::new(io::ErrorKind::InvalidInput, problem)
            });
        }
        let [start, length] = debugger.arguments()?;
        let name = debugger.memory(start, usize::try_from(length).unwrap_or(0).min(64))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if name == operation {
            break;
        }
        names.push(name);
        debugger.finish()?;
    }
    let mut round = one_round(arch, &mut debugger)?;
    let kernel = Symbols::of(&image.kernel);
    for step in &mut round {
        let place =
            kernel.name(step.address).or_else(|| Some(format!("(user) {}", program.name(step.address)?)));
        step.place = place.unwrap_or_else(|| "(neither)".to_owned());
    }
    Ok(Steps { arch, steps: round })
}

fn start(image: &Image, port: u16) -> io::Result<Kill> {
    let silence = Duration::MAX;
    let options = Options { cpus: 1, memory: "128M".to_owned(), silence, icount: false, gdb: false };
    let mut command = command(image, &options);
    // An idle machine sleeps: one that jumps to its next moment does not wake any more once it has been stopped.
    command.args(["-icount", "shift=0,align=off"]);
    let socket = format!("socket,id=debugger,host=127.0.0.1,port={port},server=off,nodelay=on");
    command.args(["-S", "-chardev", &socket, "-gdb", "chardev:debugger"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    child.map(Kill).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(BootError::NoEmulator(image.arch)),
        _ => error,
    })
}
/// Who calls, if that is soon.
fn caller_at(door: &TcpListener) -> io::Result<TcpStream> {
    door.set_nonblocking(true)?;
    let begin = Instant::now();
    loop {
        match door.accept() {
            Ok((caller, _)) => {
                caller.set_nonblocking(false)?;
                return Ok(caller);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && begin.elapsed() < START => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(io::Error::other(format!("the emulator does not call: {error}"))),
        }
    }
}

/// The lines that a range of addresses lies in.
fn lines_of(range: Range<u64>) -> impl Iterator<Item = u64> {
    range.start / LINE..=(range.end - 1) / LINE
}

/// A round ends where it began: at an instruction that enters the kernel, when it comes by again.
fn one_round(arch: Arch, debugger: &mut Debugger) -> io::Result<Vec<Step>> {
    let mut known: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut seen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let mut steps = Vec::new();
    while steps.len() < MOST_STEPS {
        let (address, registers) = debugger.place()?;
        if let Entry::Vacant(unknown) = known.entry(address) {
            // The first instruction of a page that is not there yet faults.
            let page_end = PAGE - address % PAGE;
            if let Ok(bytes) = debugger.memory(address, page_end.min(INSTRUCTION_BYTES) as usize) {
                unknown.insert(bytes);
            }
        }
        let bytes = known.get(&address).map_or(&[][..], Vec::as_slice);
        let kind = Kind::of(arch, bytes);
        let mut lines: Vec<_> =
            touched(arch, bytes, address, &registers).into_iter().flat_map(lines_of).collect();
        lines.dedup();
        if kind == Some(Kind::Call) {
            let times = seen.entry(address).or_default();
            times.push(steps.len());
            if let [.., from, to] = times[..]
                && times.len() > ROUND
            {
                return Ok(steps[from..to].to_vec());
            }
        }
        steps.push(Step { address, place: String::new(), kind, lines });
        debugger.step()?;
    }
    Err(io::Error::other(format!("no call came by {ROUND} times in {MOST_STEPS} instructions")))
}
