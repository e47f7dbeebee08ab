//! Whoever is to be told is told: of interrupts, where many that have ended are in the way, and of signals, wherever it
//! computes.

mod play;

use coldframe_abi::{
    Call, CapabilityRights, CpuId, Deadline, EndpointHandle, Error, ExitCode, FaultAnswer, LineHandle,
    ProcessHandle, ThreadHandle, UserAddress, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};
use play::Play;

const DRIVER: u64 = 0;
const GHOST: u64 = 1;
/// More than one step gets out of the way.
const MANY: u64 = 40;

#[test]
fn who_listens_where_many_have_ended_is_told() {
    let mut play = Play::new();
    let endpoint = EndpointHandle::from_word(play.ask(Call::EndpointCreate {}).value);
    let bind = Call::LineBind { line: Word(0), endpoint, bits: Word(5) };
    let line = LineHandle::from_word(play.ask(bind).value);
    let process = ProcessHandle::from_word(play.ask(Call::ProcessCreate { frames: Word(200) }).value);
    let (rights, badge) = (CapabilityRights::READ, Word(0));
    let give = Call::ProcessGive { process, capability: endpoint.into(), rights, badge };
    let theirs = EndpointHandle::from_word(play.ask(give).value);
    let (entry, stack) = (UserAddress(0), UserAddress(0));
    for _ in 0..MANY {
        let made = play.ask(Call::ProcessThread { process, entry, stack, argument: Word(GHOST) });
        assert!(made.result().is_ok());
    }
    let mut waiting = 0;
    while waiting < MANY || play.who() != DRIVER {
        match play.who() {
            GHOST => {
                waiting += 1;
                play.ask(Call::Receive { endpoint: theirs, deadline: Deadline::NEVER });
            }
            _ => {
                play.ask(Call::YieldNow {});
            }
        }
    }
    assert_eq!(play.ask(Call::ProcessKill { process, status: ExitCode(9) }).result(), Ok(0));
    assert_eq!(play.who(), DRIVER, "the reaper comes later");

    play.kernel.machine_mut().take_line(0);
    assert_eq!(play.kernel.enter(&mut play.cpu, Trap::Line(0)), Resume::User);
    let received = play.ask(Call::Receive { endpoint, deadline: Deadline::NOW });
    assert_eq!(received.result(), Ok(5), "the driver has been told");
    assert_eq!(play.ask(Call::LineDone { line, mine: Word(1) }).result(), Ok(0));
    assert!(play.kernel.machine().lets_in(0));
}

#[test]
fn what_firmware_says_waits_until_there_is_memory() {
    let mut play = Play::new();
    play.kernel.machine_mut().refuse_every(1);
    assert_eq!(play.ask(Call::ObjectFirmware {}).result(), Err(Error::NoMemory));
    play.kernel.machine_mut().refuse_every(0);
    assert!(play.ask(Call::ObjectFirmware {}).result().is_ok(), "it is still there");
    assert_eq!(play.ask(Call::ObjectFirmware {}).result(), Err(Error::BadState));
}

/// One of the CPUs makes a call, slowly.
fn ask(kernel: &mut Kernel<HostMachine<Sv39>>, cpu: &mut HostCpu<Sv39>, call: Call) -> Result<u64, Error> {
    cpu.registers().request = call.encode();
    assert_eq!(kernel.enter(cpu, Trap::Syscall), Resume::User, "{call:?} waits for nothing");
    cpu.peek().reply.result()
}

#[test]
fn a_thread_that_computes_elsewhere_is_interrupted_at_once() {
    let machine = HostMachine::<Sv39>::new(2, 4_096, 1);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, 2, map).expect("there is memory");
    let process = kernel.create_process().expect("there is memory");
    kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
    let [mut here, mut there] = [0, 1].map(|id| HostCpu::new(CpuId(id)));
    assert_eq!(kernel.enter(&mut here, Trap::Again), Resume::User);
    assert_eq!(kernel.enter(&mut there, Trap::Again), Resume::Idle);
    let endpoint = ask(&mut kernel, &mut here, Call::EndpointCreate {}).map(EndpointHandle::from_word);
    let endpoint = endpoint.expect("there is memory");
    let (entry, stack) = (UserAddress(0), UserAddress(0x9000));
    let made = ask(&mut kernel, &mut here, Call::ThreadCreate { entry, stack, argument: Word(1) });
    assert!(made.is_ok() && kernel.machine_mut().take_kick(CpuId(1)));
    assert_eq!(kernel.enter(&mut there, Trap::Kick), Resume::User);
    let upcall = Call::Upcall { endpoint, handler: UserAddress(7), stack: UserAddress(0x5000) };
    assert_eq!(ask(&mut kernel, &mut there, upcall), Ok(0));
    there.registers().saved = [1, 2, 3, 0];
    let before = *there.peek();

    // It computes, and nobody would ask it for anything for a long time.
    assert!(!kernel.machine().kick_pending(CpuId(1)));
    assert_eq!(ask(&mut kernel, &mut here, Call::Signal { endpoint, bits: Word(6) }), Ok(0));
    assert!(kernel.machine_mut().take_kick(CpuId(1)), "the CPU on which it computes is told");
    assert_eq!(kernel.enter(&mut there, Trap::Kick), Resume::User);
    let found = (there.peek().program_counter, there.peek().stack, there.peek().argument);
    assert_eq!(found, (7, 0x5000, 6), "it runs its handler");
    there.registers().saved = [4; 4];
    there.registers().request = Call::UpcallEnd {}.encode();
    assert_eq!(kernel.enter(&mut there, Trap::Syscall), Resume::User);
    assert_eq!(*there.peek(), before, "and goes on as if it had not");
}

/// It had asked for the signals of an endpoint, asks for those of another, and that joins the first: what comes there
/// comes to whoever asks anew.
#[test]
fn a_thread_is_not_interrupted_for_a_set_that_it_has_not_asked_for() {
    let mut play = Play::new();
    let [set, member] = [(); 2].map(|()| EndpointHandle::from_word(play.ask(Call::EndpointCreate {}).value));
    let upcall = |endpoint| Call::Upcall { endpoint, handler: UserAddress(7), stack: UserAddress(0x5000) };
    for endpoint in [set, member] {
        assert_eq!(play.ask(upcall(endpoint)).result(), Ok(0));
    }
    assert_eq!(play.ask(Call::EndpointJoin { endpoint: member, set }).result(), Ok(0));
    assert_eq!(play.ask(Call::Signal { endpoint: member, bits: Word(6) }).result(), Ok(0));
    assert_eq!(play.ask(Call::Null {}).result(), Ok(0));
    let counter = play.cpu.peek().program_counter;
    assert_ne!(counter, 7, "the set interrupts nobody");

    // Whoever asks for what comes to the set is not told that another does already.
    let (entry, stack) = (UserAddress(0), UserAddress(0x9000));
    assert!(play.ask(Call::ThreadCreate { entry, stack, argument: Word(GHOST) }).result().is_ok());
    while play.who() != GHOST {
        play.ask(Call::YieldNow {});
    }
    assert_eq!(play.ask(upcall(set)).result(), Ok(0), "the set interrupts whoever asks");
}

/// A wait for what is said of a fault is not interrupted. When that has been said, the CPU is passed on to whoever had the
/// fault, and runs its handler first.
#[test]
fn whoever_had_a_fault_is_interrupted_before_it_goes_on() {
    let mut play = Play::new();
    let [faults, notices] =
        [(); 2].map(|()| EndpointHandle::from_word(play.ask(Call::EndpointCreate {}).value));
    let (entry, stack) = (UserAddress(0), UserAddress(0x9000));
    let made = play.ask(Call::ThreadCreate { entry, stack, argument: Word(GHOST) });
    let thread = ThreadHandle::from_word(made.value);
    assert_eq!(play.ask(Call::ThreadHandler { thread, endpoint: faults }).result(), Ok(0));
    while play.who() != GHOST {
        play.ask(Call::YieldNow {});
    }
    let (handler, stack) = (UserAddress(7), UserAddress(0x5000));
    assert_eq!(play.ask(Call::Upcall { endpoint: notices, handler, stack }).result(), Ok(0));
    while play.who() != DRIVER {
        play.ask(Call::YieldNow {});
    }
    play.ask(Call::Receive { endpoint: faults, deadline: Deadline::NEVER });
    assert_eq!(play.who(), GHOST);
    assert_eq!(play.kernel.enter(&mut play.cpu, Trap::Fault { cause: 2, address: 0 }), Resume::User);
    assert_eq!(play.who(), DRIVER, "the fault is told");

    assert_eq!(play.ask(Call::Signal { endpoint: notices, bits: Word(6) }).result(), Ok(0));
    // It looks once more and finds nothing to do: from now on its calls go the short way.
    assert_eq!(play.ask(Call::Null {}).result(), Ok(0));
    let again = FaultAnswer::Resume.to_message();
    play.tell(Call::ReplyReceive { endpoint: faults, deadline: Deadline::NEVER }, again);
    let goes_on = (play.cpu.peek().program_counter, play.who());
    assert_eq!(goes_on, (7, 6), "it runs its handler, with the signals");
}
