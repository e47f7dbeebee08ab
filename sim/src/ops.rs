//! Programs as lists of operations: what generators, fuzzers and drawn worlds are made of.

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityRights, Class, CpuId, Deadline, EndpointHandle, ExitCode, GroupHandle,
    Kind, Message, Nanos, Number, ObjectHandle, PageRights, Priority, ProcessHandle, Request, ThreadHandle,
    UserAddress, UserRange, Word,
};
use coldframe_hal::{Access, Clock, Cpu, Trap};
use hal_host::{HardwareFormat, HostCpu, HostMachine};

use crate::typed::Typed;
use crate::window::{MemoryOp, Next, Window};
use crate::world::{UserStep, Userland};

/// One operation of a program. A `slot` names one of the threads or groups that the world has made so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum Op {
    Compute(Nanos),
    Null,
    Yield,
    Sleep(Nanos),
    Spawn {
        program: u8,
    },
    Join {
        slot: u8,
        within: Option<Nanos>,
    },
    Exit,
    SetClass {
        slot: u8,
        class: Class,
    },
    SetPriority {
        slot: u8,
        priority: Priority,
    },
    SetAffinity {
        slot: u8,
        cpus: u64,
    },
    Suspend {
        slot: u8,
    },
    Resume {
        slot: u8,
    },
    GroupCreate,
    SetGroup {
        slot: u8,
        group: u8,
    },
    Offline(CpuId),
    Online(CpuId),
    CpuTime {
        slot: u8,
    },
    CapabilityCopy {
        slot: u8,
        rights: CapabilityRights,
        badge: u64,
    },
    CapabilityDelete {
        slot: u8,
    },
    CapabilityRevoke {
        slot: u8,
    },
    CapabilityInspect {
        slot: u8,
    },
    CapabilitySame {
        one: u8,
        other: u8,
    },
    CapabilityNext {
        slot: u8,
    },
    ThreadSelf,
    ProcessCreate {
        frames: u64,
    },
    ProcessThread {
        process: u8,
        program: u8,
    },
    ProcessGive {
        process: u8,
        slot: u8,
        rights: CapabilityRights,
        badge: u64,
    },
    ProcessRestrict {
        process: u8,
        calls: u64,
    },
    ProcessKill {
        process: u8,
    },
    ProcessWait {
        process: u8,
        within: Option<Nanos>,
    },
    ProcessUse {
        process: u8,
    },
    Write {
        start: u64,
        length: u64,
    },
    Raw(Request),
    Memory(MemoryOp),
    /// Stores a value at one of the words that the threads of a process share.
    WordStore {
        word: u8,
        value: u64,
    },
    WordWait {
        word: u8,
        expected: u64,
        within: Option<Nanos>,
    },
    WordWake {
        word: u8,
        most: u64,
    },
    /// Takes the page away that has those words.
    WordsUnmap,
    /// Brings it back, all zero.
    WordsReserve,
    ObjectCreate,
    ObjectWait {
        slot: u8,
        word: u8,
        expected: u64,
        within: Option<Nanos>,
    },
    ObjectWake {
        slot: u8,
        word: u8,
        most: u64,
    },
    ObjectDestroy {
        slot: u8,
    },
    EndpointCreate,
    Send {
        slot: u8,
        within: Option<Nanos>,
    },
    Receive {
        slot: u8,
        within: Option<Nanos>,
    },
    Call {
        slot: u8,
        within: Option<Nanos>,
    },
    Reply,
    ReplyReceive {
        slot: u8,
        within: Option<Nanos>,
    },
    Cancel {
        slot: u8,
    },
    /// A call of the table with arguments of the kinds that it takes, most of them such as there are.
    Any {
        number: Number,
        seed: u32,
    },
    Fault,
    ProcessExit,
    /// From the start again, so often in all.
    Again {
        times: u16,
    },
}

/// This slot is the one that was made last.
pub const LAST: u8 = 63;
/// From here on a slot is one of the groups, where names of every kind are meant.
pub const GROUPS: u8 = 64;
/// From here on it is one of the processes.
pub const PROCESSES: u8 = 128;
/// From here on it is one of the memory objects.
pub const OBJECTS: u8 = 192;
/// From here on it is one of the endpoints.
pub const ENDPOINTS: u8 = 216;
/// From here on it is one of the authorities.
pub const AUTHORITIES: u8 = 240;

/// The page of words that the threads of a process share.
pub const WORDS: UserRange = UserRange { start: UserAddress(0x1_0000), length: 4_096 };

/// How many threads or groups of a world can be named.
const SLOTS: usize = 32;

/// A word that is remembered from the last call.
const KEEPS_THREAD: u64 = 1;
const KEEPS_GROUP: u64 = 2;
const KEEPS_PROCESS: u64 = 3;
const KEEPS_OBJECT: u64 = 4;
const KEEPS_MAPPING: u64 = 5;
const KEEPS_AUTHORITY: u64 = 6;
const KEEPS_ENDPOINT: u64 = 7;

/// The registers of a thread that runs operations, beside `world::COMPUTES`.
const SUM: usize = 0;
const ROUNDS: usize = 1;
const KEEPS: usize = 2;

/// The programs of a world, and the names that they share.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    programs: Vec<Vec<Op>>,
    threads: Vec<u64>,
    groups: Vec<u64>,
    processes: Vec<u64>,
    objects: Vec<u64>,
    mappings: Vec<u64>,
    authorities: Vec<u64>,
    endpoints: Vec<u64>,
    /// How many messages have been written: no two are alike.
    messages: u64,
    made: usize,
    most: usize,
    /// The memory of the threads, by the number in their stack register.
    windows: Vec<Window>,
    memory_operations: u64,
    drawn_calls: u64,
}

impl Programs {
    /// These programs, which may make `most` threads in all.
    #[must_use]
    pub const fn new(programs: Vec<Vec<Op>>, most: usize) -> Self {
        Self {
            programs,
            threads: Vec::new(),
            groups: Vec::new(),
            processes: Vec::new(),
            objects: Vec::new(),
            mappings: Vec::new(),
            authorities: Vec::new(),
            endpoints: Vec::new(),
            messages: 0,
            made: 0,
            most,
            windows: Vec::new(),
            memory_operations: 0,
            drawn_calls: 0,
        }
    }

    /// A name that a program has from the start.
    pub fn keep_authority(&mut self, authority: CapabilityHandle) {
        self.keep(KEEPS_AUTHORITY, authority.to_word());
    }

    /// A name that a program has from the start.
    pub fn keep_object(&mut self, object: ObjectHandle) {
        self.keep(KEEPS_OBJECT, object.to_word());
    }

    /// How many calls with drawn arguments have been made.
    #[must_use]
    pub const fn drawn_calls(&self) -> u64 {
        self.drawn_calls
    }

    /// How many operations on memory have been begun.
    #[must_use]
    pub const fn memory_operations(&self) -> u64 {
        self.memory_operations
    }

    fn thread(&self, slot: u8) -> ThreadHandle {
        ThreadHandle::from_word(pick(&self.threads, slot))
    }

    fn capability(&self, slot: u8) -> CapabilityHandle {
        let names = match slot {
            AUTHORITIES.. => &self.authorities,
            ENDPOINTS.. => &self.endpoints,
            OBJECTS.. => &self.objects,
            PROCESSES.. => &self.processes,
            GROUPS.. => &self.groups,
            _ => &self.threads,
        };
        CapabilityHandle::from_word(pick(names, slot % GROUPS))
    }

    fn object(&self, slot: u8) -> ObjectHandle {
        ObjectHandle::from_word(pick(&self.objects, slot))
    }

    fn endpoint(&self, slot: u8) -> EndpointHandle {
        EndpointHandle::from_word(pick(&self.endpoints, slot))
    }

    /// A message that nobody has sent before.
    fn message(&mut self) -> Message {
        self.messages += 1;
        let words = std::array::from_fn(|word| self.messages * 16 + word as u64);
        Message { label: self.messages, words, wants_reply: false }
    }

    fn process(&self, slot: u8) -> ProcessHandle {
        ProcessHandle::from_word(pick(&self.processes, slot))
    }

    fn keep(&mut self, keeps: u64, word: u64) {
        let names = match keeps {
            KEEPS_THREAD => &mut self.threads,
            KEEPS_GROUP => &mut self.groups,
            KEEPS_OBJECT => &mut self.objects,
            KEEPS_MAPPING => &mut self.mappings,
            KEEPS_AUTHORITY => &mut self.authorities,
            KEEPS_ENDPOINT => &mut self.endpoints,
            _ => &mut self.processes,
        };
        if names.len() == SLOTS {
            names.remove(0);
        }
        names.push(word);
    }

    fn call(&self, op: Op, now: coldframe_abi::Instant) -> Option<Request> {
        let call = match op {
            Op::Null => Call::Null {},
            Op::Yield => Call::YieldNow {},
            Op::Sleep(span) => Call::Sleep { until: Deadline::at(now.after(span)) },
            Op::Spawn { program } => {
                let program = u64::from(program) % self.programs.len() as u64;
                // The stack register holds the number of the thread's window.
                let stack = first_window(FIRST_MADE + self.made);
                Call::ThreadCreate { entry: UserAddress(0), stack, argument: Word(program) }
            }
            Op::Join { slot, within } => {
                Call::ThreadJoin { thread: self.thread(slot), deadline: until(now, within) }
            }
            Op::Exit => Call::ThreadExit { result: Word(0) },
            Op::SetClass { slot, class } => Call::SetClass { thread: self.thread(slot), class },
            Op::SetPriority { slot, priority } => Call::SetPriority { thread: self.thread(slot), priority },
            Op::SetAffinity { slot, cpus } => {
                Call::SetAffinity { thread: self.thread(slot), bank: Word(0), cpus: Word(cpus) }
            }
            Op::Suspend { slot } => Call::ThreadSuspend { thread: self.thread(slot) },
            Op::Resume { slot } => Call::ThreadResume { thread: self.thread(slot) },
            Op::GroupCreate => Call::GroupCreate {},
            Op::SetGroup { slot, group } => Call::SetGroup {
                thread: self.thread(slot),
                group: GroupHandle::from_word(pick(&self.groups, group)),
            },
            Op::Offline(cpu) => Call::CpuOffline { cpu },
            Op::Online(cpu) => Call::CpuOnline { cpu },
            Op::CpuTime { slot } => Call::CpuTime { thread: self.thread(slot) },
            Op::CapabilityCopy { slot, rights, badge } => {
                Call::CapabilityCopy { capability: self.capability(slot), rights, badge: Word(badge) }
            }
            Op::CapabilityDelete { slot } => Call::CapabilityDelete { capability: self.capability(slot) },
            Op::CapabilityRevoke { slot } => Call::CapabilityRevoke { capability: self.capability(slot) },
            Op::CapabilityInspect { slot } => Call::CapabilityInspect { capability: self.capability(slot) },
            Op::CapabilitySame { one, other } => {
                Call::CapabilitySame { one: self.capability(one), other: self.capability(other) }
            }
            Op::CapabilityNext { slot } => Call::CapabilityNext { after: self.capability(slot) },
            Op::ThreadSelf => Call::ThreadSelf {},
            Op::ProcessCreate { frames } => Call::ProcessCreate { frames: Word(frames) },
            Op::ProcessThread { process, program } => {
                let program = u64::from(program) % self.programs.len() as u64;
                let stack = first_window(FIRST_MADE + self.made);
                let (process, entry) = (self.process(process), UserAddress(0));
                Call::ProcessThread { process, entry, stack, argument: Word(program) }
            }
            Op::ProcessGive { process, slot, rights, badge } => {
                let (process, capability) = (self.process(process), self.capability(slot));
                Call::ProcessGive { process, capability, rights, badge: Word(badge) }
            }
            Op::ProcessRestrict { process, calls } => {
                Call::ProcessRestrict { process: self.process(process), calls: Word(calls) }
            }
            Op::ProcessKill { process } => {
                Call::ProcessKill { process: self.process(process), status: ExitCode(9) }
            }
            Op::ProcessWait { process, within } => {
                Call::ProcessWait { process: self.process(process), deadline: until(now, within) }
            }
            Op::ProcessUse { process } => Call::ProcessUse { process: self.process(process) },
            Op::Write { start, length } => {
                Call::ConsoleWrite { text: UserRange { start: UserAddress(start), length } }
            }
            Op::ProcessExit => Call::ProcessExit { status: ExitCode(3) },
            Op::WordWait { word, expected, within } => Call::WordWait {
                address: word_at(word),
                expected: Word(expected),
                deadline: until(now, within),
            },
            Op::WordWake { word, most } => Call::WordWake { address: word_at(word), most: Word(most) },
            Op::WordsUnmap => Call::MemoryUnmap { range: WORDS },
            Op::WordsReserve => Call::MemoryReserve { range: WORDS, rights: PageRights::ReadWrite },
            Op::ObjectCreate => Call::ObjectCreate { length: Word(WORDS.length) },
            Op::ObjectWait { slot, word, expected, within } => Call::ObjectWait {
                object: self.object(slot),
                offset: Word(u64::from(word) * 8),
                expected: Word(expected),
                deadline: until(now, within),
            },
            Op::ObjectWake { slot, word, most } => {
                let offset = Word(u64::from(word) * 8);
                Call::ObjectWake { object: self.object(slot), offset, most: Word(most) }
            }
            Op::ObjectDestroy { slot } => Call::ObjectDestroy { object: self.object(slot) },
            Op::EndpointCreate => Call::EndpointCreate {},
            Op::Send { slot, within } => {
                Call::Send { endpoint: self.endpoint(slot), deadline: until(now, within) }
            }
            Op::Receive { slot, within } => {
                Call::Receive { endpoint: self.endpoint(slot), deadline: until(now, within) }
            }
            Op::Call { slot, within } => {
                Call::Call { endpoint: self.endpoint(slot), deadline: until(now, within) }
            }
            Op::Reply => Call::Reply {},
            Op::ReplyReceive { slot, within } => {
                Call::ReplyReceive { endpoint: self.endpoint(slot), deadline: until(now, within) }
            }
            Op::Cancel { slot } => Call::Cancel { thread: self.thread(slot) },
            Op::Raw(request) => return Some(request),
            Op::Any { number, seed } => return Some(self.any(number, seed, now)),
            Op::Compute(_) | Op::Memory(_) | Op::WordStore { .. } | Op::Fault | Op::Again { .. } => {
                return None;
            }
        };
        Some(call.encode())
    }
}

fn until(now: coldframe_abi::Instant, within: Option<Nanos>) -> Deadline {
    within.map_or(Deadline::NEVER, |span| Deadline::at(now.after(span)))
}

/// Who has a window has this in the upper half of its stack register: no random word does.
const HAS_WINDOW: u64 = 0x5eed_cafe << 32;
/// The number of the window of the first thread that a program makes; those of the first threads come before.
const FIRST_MADE: usize = 64;

/// What the first thread of a process has in its stack register.
#[must_use]
pub const fn first_window(process: usize) -> UserAddress {
    UserAddress(USABLE & (HAS_WINDOW | process as u64))
}

/// What a stack can be on every format.
const USABLE: u64 = (1 << 38) - 1;

fn window_number(stack: u64) -> Option<usize> {
    const WINDOWS: u64 = 1 << 12;
    (stack & !(WINDOWS - 1) == HAS_WINDOW & USABLE).then_some((stack & (WINDOWS - 1)) as usize)
}

impl Programs {
    fn window(&mut self, number: usize) -> &mut Window {
        while self.windows.len() <= number {
            self.windows.push(Window::new(self.windows.len() as u64));
        }
        &mut self.windows[number]
    }

    /// Takes in what the kernel has answered, and tries an access again that brought a fault.
    fn go_on_with_memory<F: HardwareFormat>(
        &mut self,
        cpu: &mut HostCpu<F>,
        machine: &mut HostMachine<F>,
    ) -> Option<UserStep> {
        let (stack, reply) = (cpu.registers().stack, cpu.registers().reply);
        let number = window_number(stack)?;
        let window = self.windows.get_mut(number)?;
        if let Err(problem) = window.hear(reply) {
            return Some(UserStep::Wrong(problem));
        }
        let next = window.again()?;
        Some(self.touch(cpu, machine, number, next))
    }

    fn touch<F: HardwareFormat>(
        &mut self,
        cpu: &mut HostCpu<F>,
        machine: &mut HostMachine<F>,
        number: usize,
        next: Next,
    ) -> UserStep {
        let (address, access, done) = match next {
            Next::Nothing => return UserStep::Went,
            Next::Call(request) => {
                cpu.registers().request = request;
                return UserStep::Trap(Trap::Syscall);
            }
            Next::Load { address, value } => {
                let found = cpu.load(machine.ram(), address);
                if let Ok(found) = found
                    && found != value
                {
                    return UserStep::Wrong(format!(
                        "there is {found:#x} at {address:#x}, and {value:#x} was put there"
                    ));
                }
                (address, Access::Load, found.is_ok())
            }
            Next::Store { address, value } => {
                (address, Access::Store, cpu.store(machine.ram_mut(), address, value).is_ok())
            }
        };
        if done {
            self.window(number).succeeded();
            return UserStep::Went;
        }
        UserStep::Access(Trap::PageFault { cause: 13, address, access })
    }
}

impl Programs {
    fn any(&self, number: Number, seed: u32, now: coldframe_abi::Instant) -> Request {
        let lists = [
            &self.threads,
            &self.groups,
            &self.processes,
            &self.objects,
            &self.mappings,
            &self.authorities,
            &self.endpoints,
        ];
        let program = self.programs.len() as u64;
        let stack = first_window(FIRST_MADE + self.made).0;
        Typed { lists, now, program, stack }.request(number, seed)
    }
}

/// What a call makes that is worth to be remembered.
const fn kept_of(result: Kind) -> u64 {
    match result {
        Kind::Thread => KEEPS_THREAD,
        Kind::Group => KEEPS_GROUP,
        Kind::Process => KEEPS_PROCESS,
        Kind::Object => KEEPS_OBJECT,
        Kind::Mapping => KEEPS_MAPPING,
        Kind::Endpoint => KEEPS_ENDPOINT,
        // Whatever a capability is for: it is tried as one to memory.
        Kind::Capability => KEEPS_OBJECT,
        _ => 0,
    }
}

/// One of the words that the threads of a process share.
const fn word_at(word: u8) -> UserAddress {
    UserAddress(WORDS.start.0 + word as u64 * 8)
}

fn kept_as(slot: u8) -> u64 {
    match slot {
        AUTHORITIES.. => KEEPS_AUTHORITY,
        ENDPOINTS.. => KEEPS_ENDPOINT,
        OBJECTS.. => KEEPS_OBJECT,
        PROCESSES.. => KEEPS_PROCESS,
        GROUPS.. => KEEPS_GROUP,
        _ => KEEPS_THREAD,
    }
}

fn pick(names: &[u64], slot: u8) -> u64 {
    match names.last() {
        None => 0,
        Some(last) if slot == LAST => *last,
        Some(_) => names[usize::from(slot) % names.len()],
    }
}

impl<F: HardwareFormat> Userland<F> for Programs {
    fn next(&mut self, cpu: &mut HostCpu<F>, machine: &mut HostMachine<F>) -> UserStep {
        let now = cpu.now();
        if let Some(step) = self.go_on_with_memory(cpu, machine) {
            return step;
        }
        let registers = cpu.registers();
        let keeps = std::mem::take(&mut registers.saved[KEEPS]);
        if keeps != 0 && registers.reply.status == 0 {
            self.keep(keeps, registers.reply.value);
        }
        let program = &self.programs[registers.argument as usize % self.programs.len()];
        let mut op = program.get(registers.program_counter as usize).copied().unwrap_or(Op::Exit);
        if let Op::Any { seed, .. } = &mut op {
            // Another one in each round.
            *seed = seed.wrapping_add((registers.saved[ROUNDS] as u32).wrapping_mul(0x9e37_79b9));
        }
        registers.program_counter += 1;
        registers.saved[SUM] = registers.saved[SUM].wrapping_mul(31) + registers.program_counter;
        match op {
            Op::Compute(span) => return UserStep::Compute(span),
            Op::Memory(op) => {
                let child = pick(&self.processes, registers.program_counter as u8);
                let Some(number) = window_number(registers.stack) else { return UserStep::Went };
                self.memory_operations += 1;
                self.window(number).show_to(ProcessHandle::from_word(child));
                let next = self.window(number).begin(op);
                return self.touch(cpu, machine, number, next);
            }
            Op::WordStore { word, value } => {
                // Where the page is gone, or not there yet, nothing is stored.
                let _ = cpu.store(machine.ram_mut(), word_at(word).0, value);
                return UserStep::Went;
            }
            Op::Fault => {
                return UserStep::Trap(Trap::PageFault { cause: 13, address: 8, access: Access::Load });
            }
            Op::Again { times } => {
                registers.saved[ROUNDS] += 1;
                if registers.saved[ROUNDS] < u64::from(times) {
                    registers.program_counter = 0;
                }
                return UserStep::Went;
            }
            Op::Spawn { .. } if self.made >= self.most => op = Op::Null,
            Op::Spawn { .. } => {
                self.made += 1;
                registers.saved[KEEPS] = KEEPS_THREAD;
            }
            Op::Any { number, .. } => {
                self.drawn_calls += 1;
                let kept = kept_of(number.description().result);
                if kept == KEEPS_THREAD && self.made >= self.most {
                    op = Op::Null;
                } else {
                    self.made += usize::from(kept == KEEPS_THREAD);
                    registers.saved[KEEPS] = kept;
                }
            }
            Op::ThreadSelf => registers.saved[KEEPS] = KEEPS_THREAD,
            Op::GroupCreate => registers.saved[KEEPS] = KEEPS_GROUP,
            Op::ObjectCreate => registers.saved[KEEPS] = KEEPS_OBJECT,
            Op::EndpointCreate => registers.saved[KEEPS] = KEEPS_ENDPOINT,
            Op::CapabilityCopy { slot, .. } => {
                registers.saved[KEEPS] = kept_as(slot);
            }
            // Whoever shares the list of names gets to hear of it, and may be the one that it was given to.
            Op::ProcessGive { slot, .. } => registers.saved[KEEPS] = kept_as(slot),
            Op::ProcessCreate { .. } => registers.saved[KEEPS] = KEEPS_PROCESS,
            Op::ProcessThread { .. } if self.made >= self.most => op = Op::Null,
            Op::ProcessThread { .. } => {
                self.made += 1;
                registers.saved[KEEPS] = KEEPS_THREAD;
            }
            _ => {}
        }
        match self.call(op, now) {
            Some(request) => {
                let message = self.message();
                let registers = cpu.registers();
                (registers.request, registers.message) = (request, message);
                UserStep::Trap(Trap::Syscall)
            }
            None => UserStep::Went,
        }
    }
}
