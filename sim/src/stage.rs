//! The stage: plays scenarios, written as `async fn`, on a simulated machine, one poll a step.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use coldframe_abi::{
    Call, Calls, Carries, ClockPage, Deadline, DeviceMessage, EndpointHandle, Error, ExitCode, GroupHandle,
    Instant, Message, Reply, Request, Sys, UserAddress, UserRange, Word,
};
use coldframe_hal::paging::Rights;
use coldframe_hal::{Clock, Cpu, Trap};
use coldframe_kernel::{Kernel, Segment};
use coldframe_scenarios::{Alarm, CALLED, Ground, Part, Recorder, SCENARIOS, play};
use coldframe_services::read_pc_clock;
use hal_host::{
    ALARM_LINE, ASKS, ASKS_AT, AccessFault, CLOCK_PORT, FIRMWARE_WORD, FIRST_MESSAGE_LINE, HardwareFormat,
    HostCpu, HostMachine, HostRegisters, SENDS, SENDS_TO,
};

use crate::world::{UserStep, Userland, World};

/// Where every thread starts: no instruction lives there, the stage looks at the part that the thread plays.
const ENTRY: UserAddress = UserAddress(0x1000);
/// Where a thread goes that signals interrupt.
const HANDLER: UserAddress = UserAddress(0x1800);
/// The text that scenarios may print from.
const SAMPLE: UserAddress = UserAddress(0x2000);
/// What stands under glass for the machine code that a scenario puts into another process.
const SMALL_PROGRAM: [u64; 2] = [0x6c6c_616d_7320_6120, 0x6d61_7267_6f72_7020];
/// And for the one that calls somebody.
const CALLING_PROGRAM: [u64; 4] =
    [0x6d61_7267_6f72_7020, 0x6163_2074_6168_7420, 0x626f_6465_6d6f_7320, 0x2020_2020_2020_2079];
/// And for the one that looks at its stack.
const STARTED_PROGRAM: [u64; 3] = [0x736b_6f6f_6c20_6120, 0x2073_6b63_6174_7320, 0x6d61_7267_6f72_7020];
/// And for the one that hears nobody but a group.
const CLOSING_PROGRAM: [u64; 12] = [0x6465_736f_6c63_2061; 12];
/// One page a seat, for lines.
const BUFFERS: u64 = 0x10_0000;
const PAGE: u64 = 0x1000;
/// How much RAM there is.
const FRAMES: usize = 4_096;
/// What a scenario may spend, in frames: enough for a large page and its copy.
const BUDGET: u64 = 3_000;

/// What a program wants from its machine.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Call(Request),
    Exchange(Request, Message),
    Load {
        address: u64,
    },
    Store {
        address: u64,
        value: u64,
    },
    Compute(coldframe_abi::Nanos),
    Fetch {
        address: u64,
    },
    /// Where a register says.
    LoadArgument,
    LoadThreadWord,
    Counter,
    Stack,
    PutFloat(u64),
    Float,
}

/// Where a program and the stage meet: the program leaves a wish, the stage leaves the answer.
#[derive(Debug, Default)]
struct Exchange {
    wish: Option<Wish>,
    answer: Option<Reply>,
    /// What is in the registers of a message.
    message: Message,
}

/// The ground under a scenario, under glass.
struct GlassGround {
    exchange: Rc<RefCell<Exchange>>,
    seat: u8,
}

impl GlassGround {
    async fn wish(&self, wish: Wish) -> Reply {
        self.exchange.borrow_mut().wish = Some(wish);
        poll_fn(|_| match self.exchange.borrow_mut().answer.take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }
}

impl Sys for GlassGround {
    async fn request(&self, request: Request) -> Reply {
        self.wish(Wish::Call(request)).await
    }

    async fn exchange(&self, request: Request, message: Message) -> (Reply, Message) {
        let reply = self.wish(Wish::Exchange(request, message)).await;
        (reply, self.exchange.borrow().message)
    }
}

impl Ground for GlassGround {
    fn entry(&self) -> UserAddress {
        ENTRY
    }

    fn stack(&self, seat: u8) -> UserAddress {
        UserAddress(BUFFERS + PAGE * (u64::from(seat) + 1))
    }

    fn sample(&self) -> UserAddress {
        SAMPLE
    }

    async fn print(&self, line: &str) {
        let buffer = BUFFERS + PAGE * u64::from(self.seat);
        for (index, chunk) in line.as_bytes().chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let address = buffer + index as u64 * 8;
            self.wish(Wish::Store { address, value: u64::from_le_bytes(word) }).await;
        }
        let text = UserRange { start: UserAddress(buffer), length: line.len() as u64 };
        self.wish(Wish::Call(Call::ConsoleWrite { text }.encode())).await;
    }

    async fn load(&self, address: UserAddress) -> u64 {
        self.wish(Wish::Load { address: address.0 }).await.value
    }

    async fn store(&self, address: UserAddress, value: u64) {
        self.wish(Wish::Store { address: address.0, value }).await;
    }

    // Under glass what is stored is there at once.
    fn fence(&self) {}

    fn argument_register(&self) -> u64 {
        2 + ARGUMENT as u64
    }

    fn small_program(&self) -> [u64; 2] {
        SMALL_PROGRAM
    }

    fn started_program(&self) -> [u64; 3] {
        STARTED_PROGRAM
    }

    fn calling_program(&self) -> [u64; 4] {
        CALLING_PROGRAM
    }

    fn closing_program(&self) -> [u64; 12] {
        CLOSING_PROGRAM
    }

    async fn counter(&self) -> u64 {
        self.wish(Wish::Counter).await.value
    }

    async fn clock_page(&self, page: UserAddress) -> ClockPage {
        loop {
            let before = self.load(page).await;
            let mut words = [0; 3];
            for (at, word) in (1..).zip(&mut words) {
                *word = self.load(UserAddress(page.0 + at * 8)).await;
            }
            if before % 2 == 0 && self.load(page).await == before {
                return ClockPage::from_words(words);
            }
        }
    }

    async fn thread_word(&self) -> u64 {
        self.wish(Wish::LoadThreadWord).await.value
    }

    fn upcall_handler(&self) -> UserAddress {
        HANDLER
    }

    fn alarm(&self) -> Alarm {
        Alarm { page: FRAMES as u64 * PAGE, line: ALARM_LINE }
    }

    fn some_ram(&self) -> u64 {
        PAGE
    }

    async fn start_alarm(&self, page: UserAddress) {
        let at = self.counter().await + coldframe_abi::Nanos::from_millis(1).0;
        self.store(UserAddress(page.0 + ASKS_AT), at).await;
    }

    async fn stop_alarm(&self, page: UserAddress) -> bool {
        // It forgets the moment when that has come.
        let has_asked = self.load(UserAddress(page.0 + ASKS_AT)).await == 0;
        self.store(UserAddress(page.0 + ASKS_AT), 0).await;
        self.store(UserAddress(page.0 + ASKS), 0).await;
        has_asked
    }

    async fn message_line(&self, _: UserAddress) -> Option<u32> {
        Some(FIRST_MESSAGE_LINE)
    }

    async fn ask_by(&self, page: UserAddress, message: DeviceMessage) {
        self.store(UserAddress(page.0 + SENDS_TO), message.address).await;
        self.store(UserAddress(page.0 + SENDS), message.data.into()).await;
    }

    fn is_firmware(&self, first: u64) -> bool {
        first == FIRMWARE_WORD
    }

    async fn wall_time(&self, _: UserAddress) -> Result<Instant, Error> {
        read_pc_clock(self, CLOCK_PORT.into()).await?.ok_or(Error::BadState)
    }

    // Under glass there is no runtime, and no instruction that changes memory in one go: its locks are explored by loom.
    async fn contend(&self, rounds: u32) -> bool {
        for _ in 0..rounds / 64 {
            self.wish(Wish::Compute(coldframe_abi::Nanos::from_micros(200))).await;
        }
        true
    }

    async fn contended(&self, _rounds: u32) -> bool {
        true
    }

    async fn put_float(&self, word: u64) {
        self.wish(Wish::PutFloat(word)).await;
    }

    async fn float_word(&self) -> u64 {
        self.wish(Wish::Float).await.value
    }

    async fn has_fresh_registers(&self) -> bool {
        // Under glass there are none.
        true
    }

    async fn hold_registers(&self, _pattern: u64, rounds: u32) -> bool {
        // Under glass the registers are watched at every step by the oracle `context-kept`.
        for _ in 0..rounds {
            self.wish(Wish::Compute(coldframe_abi::Nanos::from_micros(200))).await;
        }
        true
    }

    async fn hold_plain_registers(&self, pattern: u64, rounds: u32) -> bool {
        let half = rounds / 2;
        self.hold_registers(pattern, half).await
            && self.yield_now().await.is_ok()
            && self.hold_registers(pattern, rounds - half).await
    }
}

struct Actor {
    exchange: Rc<RefCell<Exchange>>,
    /// An access that brought a fault: it is tried again.
    tries: Option<Wish>,
    script: Pin<Box<dyn Future<Output = ()>>>,
}

/// The actors of a scenario: one a thread, found through a register of that thread.
#[derive(Default)]
pub struct Stage {
    actors: BTreeMap<u64, Actor>,
    made: u64,
}

/// The register in which a thread keeps the number of its actor.
const ACTOR: usize = 0;
/// The register in which it has been started with its argument.
const ARGUMENT: usize = 1;

impl Stage {
    fn new_actor(&mut self, entry: u64, argument: u64) -> u64 {
        self.made += 1;
        let exchange = Rc::default();
        let part = Part::from_word(argument);
        let ground = GlassGround { exchange: Rc::clone(&exchange), seat: part.seat };
        let script: Pin<Box<dyn Future<Output = ()>>> = if entry == ENTRY.0 {
            Box::pin(perform(ground, part))
        } else if entry == HANDLER.0 {
            Box::pin(handle(ground, argument))
        } else {
            Box::pin(run_program(ground, entry, argument))
        };
        self.actors.insert(self.made, Actor { exchange, tries: None, script });
        self.made
    }
}

/// What a thread does from start to end: its part, and then the call that ends it.
async fn perform(ground: GlassGround, part: Part) {
    let recorder = Recorder::new(&ground, part);
    let result = play(&recorder, part).await;
    let end = if part.role == 0 {
        Call::PowerOff { status: ExitCode(0) }
    } else {
        Call::ThreadExit { result: Word(result) }
    };
    ground.request(end.encode()).await;
}

/// What a thread does that signals interrupt.
async fn handle(ground: GlassGround, bits: u64) {
    let times = UserAddress(CALLED.0 + 8);
    let before = [ground.load(CALLED).await, ground.load(times).await];
    ground.store(CALLED, before[0] | bits).await;
    ground.store(times, before[1] + 1).await;
    ground.request(Call::UpcallEnd {}.encode()).await;
}

/// What the words of one of the programs mean, wherever they are.
async fn run_program(ground: GlassGround, entry: u64, argument: u64) {
    let programs: [&[u64]; 4] = [&SMALL_PROGRAM, &STARTED_PROGRAM, &CALLING_PROGRAM, &CLOSING_PROGRAM];
    let first = ground.wish(Wish::Fetch { address: entry }).await.value;
    let Some(program) = programs.into_iter().find(|program| program[0] == first) else { return };
    for (at, word) in (1..).zip(&program[1..]) {
        if ground.wish(Wish::Fetch { address: entry + at * 8 }).await.value != *word {
            return;
        }
    }
    let status = match first {
        word if word == STARTED_PROGRAM[0] => first_letter(&ground).await,
        word if word == CALLING_PROGRAM[0] => call_once(&ground, argument).await,
        word if word == CLOSING_PROGRAM[0] => close_and_hear(&ground, UserAddress(argument)).await,
        _ => ground.wish(Wish::LoadArgument).await.value,
    };
    ground.request(Call::ProcessExit { status: ExitCode(status as u8), reason: Word(0) }.encode()).await;
}

async fn first_letter(ground: &GlassGround) -> u64 {
    let stack = ground.wish(Wish::Stack).await.value;
    let text = ground.load(UserAddress(stack + 16)).await;
    ground.load(UserAddress(text / 8 * 8)).await >> (8 * (text % 8)) & 0xff
}

async fn call_once(ground: &GlassGround, endpoint: u64) -> u64 {
    let (endpoint, deadline) = (EndpointHandle::from_word(endpoint), Deadline::NEVER);
    ground.exchange(Call::Call { endpoint, deadline }.encode(), Message::default()).await.0.status
}

async fn close_and_hear(ground: &GlassGround, names: UserAddress) -> u64 {
    let group = GroupHandle::from_word(ground.load(names).await);
    ground.request(Call::ProcessClose { group }.encode()).await;
    let made = ground.request(Call::EndpointCreate {}.encode()).await.value;
    let to = EndpointHandle::from_word(ground.load(UserAddress(names.0 + 8)).await);
    let message = Message::new(0, [made, 0, 0, 0]).carrying(Carries::new(1, 0));
    let deadline = Deadline::NEVER;
    ground.exchange(Call::Send { endpoint: to, deadline }.encode(), message).await;
    let endpoint = EndpointHandle::from_word(made);
    ground.exchange(Call::Receive { endpoint, deadline }.encode(), Message::default()).await.0.value
}

impl<F: HardwareFormat> Userland<F> for Stage {
    // A scenario ends by itself.
    fn end(&mut self) {}

    fn next(&mut self, cpu: &mut HostCpu<F>, machine: &mut HostMachine<F>) -> UserStep {
        let argument = cpu.registers().argument;
        if cpu.registers().saved[ACTOR] == 0 {
            let entry = cpu.registers().program_counter;
            cpu.registers().saved[ACTOR] = self.new_actor(entry, argument);
            cpu.registers().saved[ARGUMENT] = argument;
        } else {
            let HostRegisters { reply, message, .. } = *cpu.registers();
            if let Some(actor) = self.actors.get(&cpu.registers().saved[ACTOR])
                && actor.tries.is_none()
            {
                // What a load has found is there already.
                let exchange = &mut *actor.exchange.borrow_mut();
                exchange.answer.get_or_insert(reply);
                exchange.message = message;
            }
        }
        let number = cpu.registers().saved[ACTOR];
        let Some(actor) = self.actors.get_mut(&number) else { return UserStep::Went };
        let wish = actor.tries.take().or_else(|| {
            let _ = actor.script.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            actor.exchange.borrow_mut().wish.take()
        });
        match wish {
            Some(Wish::Call(request)) => {
                cpu.registers().request = request;
                UserStep::Trap(Trap::Syscall)
            }
            Some(Wish::Exchange(request, message)) => {
                (cpu.registers().request, cpu.registers().message) = (request, message);
                UserStep::Trap(Trap::Syscall)
            }
            Some(Wish::Counter) => {
                let ticks = cpu.now().0;
                actor.exchange.borrow_mut().answer = Some(Reply::ok(ticks));
                UserStep::Went
            }
            Some(Wish::Stack) => {
                let stack = cpu.peek().stack;
                actor.exchange.borrow_mut().answer = Some(Reply::ok(stack));
                UserStep::Went
            }
            Some(Wish::PutFloat(word)) => {
                cpu.registers().float[0] = word;
                actor.exchange.borrow_mut().answer = Some(Reply::ok(0));
                UserStep::Went
            }
            Some(Wish::Float) => {
                let word = cpu.peek().float[0];
                actor.exchange.borrow_mut().answer = Some(Reply::ok(word));
                UserStep::Went
            }
            Some(Wish::Compute(span)) => UserStep::Compute(span),
            Some(Wish::LoadArgument | Wish::LoadThreadWord | Wish::Load { .. } | Wish::Fetch { .. }) => {
                match read(cpu, machine, wish) {
                    Ok(value) => {
                        actor.exchange.borrow_mut().answer = Some(Reply::ok(value));
                        UserStep::Went
                    }
                    Err(fault) => {
                        actor.tries = wish;
                        let (address, access) = (fault.address, fault.access);
                        UserStep::Trap(Trap::PageFault { cause: 13, address, access })
                    }
                }
            }
            Some(Wish::Store { address, value }) => match cpu.store(machine.ram_mut(), address, value) {
                Ok(()) => UserStep::Went,
                Err(fault) => {
                    actor.tries = wish;
                    let (address, access) = (fault.address, fault.access);
                    UserStep::Trap(Trap::PageFault { cause: 15, address, access })
                }
            },
            None => UserStep::Trap(Trap::Fault { cause: 2, address: 0 }),
        }
    }
}

fn read<F: HardwareFormat>(
    cpu: &mut HostCpu<F>,
    machine: &HostMachine<F>,
    wish: Option<Wish>,
) -> Result<u64, AccessFault> {
    match wish {
        Some(Wish::Fetch { address }) => cpu.fetch(machine.ram(), address),
        Some(Wish::Load { address }) => cpu.load(machine.ram(), address),
        Some(Wish::LoadThreadWord) => {
            let address = cpu.peek().thread_pointer;
            cpu.load(machine.ram(), address)
        }
        _ => {
            let address = cpu.peek().saved[ARGUMENT];
            cpu.load(machine.ram(), address)
        }
    }
}

/// A world in which a scenario is about to be played; `None` if there is none with this name.
///
/// # Panics
/// If the simulated machine is too small for the scenario, which is a mistake in this file.
#[must_use]
pub fn world<F: HardwareFormat>(name: &str, cpus: u16, entropy: u64) -> Option<World<F, Stage>> {
    let scenario = SCENARIOS.iter().position(|scenario| scenario.name == name)? as u8;
    let machine = HostMachine::<F>::new(cpus, FRAMES, entropy);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, cpus, map).unwrap_or_else(|error| panic!("{error:?}"));
    let process = kernel.create_process_with(BUDGET).unwrap_or_else(|error| panic!("{error:?}"));
    let sample = Segment { start: SAMPLE, bytes: b"a text to print\n", length: PAGE, rights: Rights::Read };
    kernel.load(process, sample).unwrap_or_else(|error| panic!("{error:?}"));
    let buffers =
        Segment { start: UserAddress(BUFFERS), bytes: &[], length: PAGE * 16, rights: Rights::ReadWrite };
    kernel.load(process, buffers).unwrap_or_else(|error| panic!("{error:?}"));
    let part = Part { scenario, role: 0, seat: 0 };
    kernel
        .start_process(process, ENTRY, UserAddress(0), part.to_word())
        .unwrap_or_else(|error| panic!("{error:?}"));
    let mut world = World::new(kernel, cpus, Stage::default());
    world.add_readable(SAMPLE.0, SAMPLE.0 + PAGE);
    world.add_readable(BUFFERS, BUFFERS + PAGE * 16);
    Some(world)
}

/// The transcript in what a machine has printed: the lines of each thread, by scenario and seat.
#[must_use]
pub fn transcript(console: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in console.lines() {
        let Some(at) = line.find('@') else { continue };
        let Some((who, what)) = line[at + 1..].trim_end().split_once(' ') else { continue };
        // Firmware writes to the same line.
        let scenario = who.split_once('.').map_or("", |(scenario, _)| scenario);
        if !SCENARIOS.iter().any(|known| known.name == scenario) {
            continue;
        }
        lines.entry(who.to_owned()).or_default().push(what.to_owned());
    }
    lines
}
