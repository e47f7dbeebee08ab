//! Programs as lists of operations: what generators, fuzzers and drawn worlds are made of.

use coldframe_abi::{CapabilityHandle, Number, ObjectHandle, UserAddress, UserRange};
use coldframe_hal::{Access, Clock, Cpu, Trap};
use hal_host::{HardwareFormat, HostCpu, HostMachine};

use crate::window::{Next, Window};
use crate::world::{UserStep, Userland};

mod messages;
mod names;
mod op;
mod requests;

pub use names::{AUTHORITIES, ENDPOINTS, GROUPS, LAST, LINES, OBJECTS, PROCESSES, REPLIES, VICTIM};
use names::{Named, Names};
pub use op::Op;
use requests::{page_at, word_at};

/// The page of words that the threads of a process share.
pub const WORDS: UserRange = UserRange { start: UserAddress(0x1_0000), length: 4_096 };

/// The pages that the threads of a process send each other and others: around an edge of tables of each level.
pub const PAGES: UserRange = UserRange { start: UserAddress(0x1_4000_0000 - 8 * 4_096), length: 24 * 4_096 };

/// The registers of a thread that runs operations, beside `world::COMPUTES`.
const SUM: usize = 0;
const ROUNDS: usize = 1;
const KEEPS: usize = 2;

/// The programs of a world, and the names that they share.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    programs: Vec<Vec<Op>>,
    names: Names,
    /// How many messages have been written: no two are alike.
    messages: u64,
    /// Whether messages carry capabilities now and then: somebody takes them.
    carries: bool,
    /// Whether messages carry pages as well.
    carries_pages: bool,
    made: usize,
    most: usize,
    /// The memory of the threads, by the number in their stack register.
    windows: Vec<Window>,
    memory_operations: u64,
    drawn_calls: u64,
    /// Whoever does anything ends its process.
    ends: bool,
}

impl Programs {
    /// These programs, which may make `most` threads in all.
    #[must_use]
    pub fn new(programs: Vec<Vec<Op>>, most: usize) -> Self {
        let carries = programs.iter().flatten().any(|op| matches!(op, Op::Accept { .. }));
        let carries_pages = programs.iter().flatten().any(|op| matches!(op, Op::AcceptPages { .. }));
        Self {
            programs,
            carries,
            carries_pages,
            // Where names travel, new ones come faster than they are used.
            names: Names::new(if carries { 4 } else { 0 }),
            messages: 0,
            made: 0,
            most,
            windows: Vec::new(),
            memory_operations: 0,
            drawn_calls: 0,
            ends: false,
        }
    }

    /// A name that a program has from the start.
    pub fn keep_authority(&mut self, authority: CapabilityHandle) {
        self.names.keep(Named::Authority, authority.to_word());
    }

    /// A name that a program has from the start.
    pub fn keep_object(&mut self, object: ObjectHandle) {
        self.names.keep(Named::Object, object.to_word());
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

impl<F: HardwareFormat> Userland<F> for Programs {
    fn end(&mut self) {
        self.ends = true;
    }

    fn next(&mut self, cpu: &mut HostCpu<F>, machine: &mut HostMachine<F>) -> UserStep {
        let now = cpu.now();
        if let Some(step) = self.go_on_with_memory(cpu, machine) {
            return step;
        }
        let registers = cpu.registers();
        self.keep_carried(registers);
        let keeps = std::mem::take(&mut registers.saved[KEEPS]);
        if let Some(named) = Named::from_word(keeps)
            && registers.reply.status == 0
        {
            self.names.keep(named, registers.reply.value);
        }
        let program = &self.programs[registers.argument as usize % self.programs.len()];
        let mut op = program.get(registers.program_counter as usize).copied().unwrap_or(Op::Exit);
        if self.ends {
            op = Op::ProcessExit;
        }
        if let Op::Any { seed, .. } = &mut op {
            // Another one in each round.
            *seed = seed.wrapping_add((registers.saved[ROUNDS] as u32).wrapping_mul(0x9e37_79b9));
        }
        registers.program_counter += 1;
        registers.saved[SUM] = registers.saved[SUM].wrapping_mul(31) + registers.program_counter;
        match op {
            Op::Compute(span) => return UserStep::Compute(span),
            Op::Memory(op) => {
                let child = self.names.process(registers.program_counter as u8);
                let Some(number) = window_number(registers.stack) else { return UserStep::Went };
                self.memory_operations += 1;
                self.window(number).show_to(child);
                let next = self.window(number).begin(op);
                return self.touch(cpu, machine, number, next);
            }
            Op::WordStore { word, value } => {
                // Where the page is gone, or not there yet, nothing is stored.
                let _ = cpu.store(machine.ram_mut(), word_at(word).0, value);
                return UserStep::Went;
            }
            Op::PageStore { page } => {
                let _ = cpu.store(machine.ram_mut(), page_at(page).0, now.0);
                return UserStep::Went;
            }
            Op::ForgetNames => {
                self.names.forget();
                return UserStep::Went;
            }
            Op::Silence { line } => {
                machine.silence(line.into());
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
                registers.saved[KEEPS] = Named::Thread.to_word();
            }
            Op::Any { number, .. } => {
                self.drawn_calls += 1;
                let made = Named::made(number.description().result);
                if made == Some(Named::Thread) && self.made >= self.most {
                    op = Op::Null;
                } else {
                    self.made += usize::from(made == Some(Named::Thread));
                    registers.saved[KEEPS] = made.map_or(0, Named::to_word);
                }
            }
            Op::ThreadSelf => registers.saved[KEEPS] = Named::Thread.to_word(),
            Op::GroupCreate => registers.saved[KEEPS] = Named::Group.to_word(),
            Op::ObjectCreate => registers.saved[KEEPS] = Named::Object.to_word(),
            Op::EndpointCreate => registers.saved[KEEPS] = Named::Endpoint.to_word(),
            Op::ReplyKeep => registers.saved[KEEPS] = Named::Reply.to_word(),
            Op::VictimCreate { .. } => registers.saved[KEEPS] = Named::Victim.to_word(),
            Op::LineBind { .. } => registers.saved[KEEPS] = Named::Line.to_word(),
            Op::CapabilityCopy { slot, .. } => {
                registers.saved[KEEPS] = Named::of_slot(slot).to_word();
            }
            // Whoever shares the list of names gets to hear of it, and may be the one that it was given to.
            Op::ProcessGive { slot, .. } => registers.saved[KEEPS] = Named::of_slot(slot).to_word(),
            Op::ProcessCreate { .. } => registers.saved[KEEPS] = Named::Process.to_word(),
            Op::ProcessThread { .. } if self.made >= self.most => op = Op::Null,
            Op::ProcessThread { .. } => {
                self.made += 1;
                registers.saved[KEEPS] = Named::Thread.to_word();
            }
            _ => {}
        }
        match self.call(op, now) {
            Some(request) => {
                let message = self.message(request.number == Number::Call as u64);
                let registers = cpu.registers();
                (registers.request, registers.message) = (request, message);
                UserStep::Trap(Trap::Syscall)
            }
            None => UserStep::Went,
        }
    }
}
