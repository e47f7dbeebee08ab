//! Calls that are made once more, because those that they met were in the way: what was done is not done again, and what
//! was not done is not forgotten.

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityRights, Carries, CpuId, Deadline, EndpointHandle, Error, Message,
    Priority, Reply, ThreadHandle, UserAddress, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

const SERVER: u64 = 0;
const CALLER: u64 = 1;
const SENDERS: [u64; 2] = [2, 3];

/// One CPU and the threads of one process, told apart by their argument: each does what it is told when it runs.
struct Play {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
}

impl Play {
    fn new() -> Self {
        let machine = HostMachine::<Sv39>::new(1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
        let process = kernel.create_process().expect("there is memory");
        kernel.start_process(process, UserAddress(0), UserAddress(0), SERVER).expect("there is memory");
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
        Self { kernel, cpu }
    }

    /// Who runs.
    fn who(&self) -> u64 {
        self.cpu.peek().argument
    }

    /// A call of whoever runs; what comes of it, if it still runs then.
    fn ask(&mut self, call: Call) -> Reply {
        self.tell(call, Message::default())
    }

    fn tell(&mut self, call: Call, message: Message) -> Reply {
        let registers = self.cpu.registers();
        (registers.request, registers.message) = (call.encode(), message);
        let mut resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        while resume == Resume::Again {
            resume = self.kernel.enter(&mut self.cpu, Trap::Again);
        }
        assert_eq!(resume, Resume::User, "somebody always runs");
        self.cpu.peek().reply
    }

    /// A name of an endpoint with fewer rights, as a word.
    fn copy(&mut self, endpoint: EndpointHandle, rights: CapabilityRights) -> EndpointHandle {
        let copy = Call::CapabilityCopy { capability: endpoint.into(), rights, badge: Word(0) };
        EndpointHandle::from_word(self.ask(copy).value)
    }
}

/// A server whose name goes while its `reply_receive` is made once more gives its next reply all the same.
#[test]
fn a_reply_that_was_given_is_forgotten_with_its_call() {
    let mut play = Play::new();
    let endpoint = EndpointHandle::from_word(play.ask(Call::EndpointCreate {}).value);
    let [first, second] = [0, 1].map(|_| play.copy(endpoint, CapabilityRights::READ));
    let me = ThreadHandle::from_word(play.ask(Call::ThreadSelf {}).value);
    for argument in [CALLER, SENDERS[0], SENDERS[1]] {
        let (entry, stack) = (UserAddress(0), UserAddress(0));
        let made = play.ask(Call::ThreadCreate { entry, stack, argument: Word(argument) });
        assert!(made.result().is_ok());
    }
    let call = Call::Call { endpoint, deadline: Deadline::NEVER };
    let for_ever = Call::Sleep { until: Deadline::NEVER };

    // A call for the server, and two messages that it does not take; once it has replied, all of them are more urgent.
    play.ask(Call::Receive { endpoint: first, deadline: Deadline::NEVER });
    let (mut called, mut sent) = (0, 0);
    while sent < 2 || play.who() != SERVER {
        match play.who() {
            // It has got the call, and lets the others go on first.
            SERVER => {
                play.ask(Call::YieldNow {});
            }
            CALLER => {
                play.ask(call);
                called += 1;
            }
            _ => {
                let carries = Message::new(1, [endpoint.to_word(), 0, 0, 0]).carrying(Carries::new(1, 0));
                play.tell(Call::Send { endpoint, deadline: Deadline::NEVER }, carries);
                sent += 1;
            }
        }
    }
    assert_eq!((called, sent), (1, 2));
    play.ask(Call::SetPriority { thread: me, priority: Priority(100) });

    // It replies, and the two that it refuses are told before it can receive: one of them takes its name away.
    play.tell(Call::ReplyReceive { endpoint: first, deadline: Deadline::NEVER }, Message::new(7, [0; 4]));
    let mut heard = Vec::new();
    while play.who() != SERVER {
        heard.push((play.who(), play.cpu.peek().reply.result(), play.cpu.peek().message.label));
        if play.who() == CALLER {
            play.ask(call);
            continue;
        }
        if play.who() == SENDERS[0] {
            play.ask(Call::CapabilityDelete { capability: CapabilityHandle::from(first) });
        }
        play.ask(for_ever);
    }
    heard.sort_unstable_by_key(|(who, ..)| *who);
    let refused = |sender| (sender, Err(Error::Refused), 1);
    assert_eq!(heard, [(CALLER, Ok(0), 7), refused(SENDERS[0]), refused(SENDERS[1])]);
    assert_eq!(play.cpu.peek().reply.result(), Err(Error::BadHandle), "its name has gone");

    // The caller has called again: it gets this reply as well.
    let next = play.ask(Call::Receive { endpoint: second, deadline: Deadline::NOW });
    assert_eq!(next.result(), Ok(0));
    play.tell(Call::ReplyReceive { endpoint: second, deadline: Deadline::NEVER }, Message::new(9, [0; 4]));
    assert_eq!(play.who(), CALLER, "whoever is more urgent goes on");
    assert_eq!((play.cpu.peek().reply.result(), play.cpu.peek().message.label), (Ok(0), 9));
}
