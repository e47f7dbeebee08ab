//! Capabilities that go along with a message: all of them or none, and what can be done with them where they arrive.

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityKind, CapabilityRights, CapabilityState, Carries, CpuId, Deadline,
    EndpointHandle, Error, Message, ObjectHandle, PageRights, ProcessHandle, Reply, Request, UserAddress,
    UserRange, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

/// What the process of both threads may have: page tables, and a few frames for names.
const BUDGET: u64 = 8;
const RIGHTS: CapabilityRights = CapabilityRights::READ;

struct Pair {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
    endpoint: EndpointHandle,
    /// The names of which some are given up again, so that there is room for so many.
    copies: Vec<u64>,
}

impl Pair {
    /// A thread that sends, in a process whose names are all taken, and one of the same process that receives.
    fn new() -> Self {
        let mut pair = Self::alone(BUDGET);
        let zero = UserAddress(0);
        pair.ask(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(1) });
        pair.ask(Call::YieldNow {});
        assert_eq!(pair.cpu.peek().argument, 1, "the one that receives runs");
        pair.ask(Call::Accept { count: Word(4) });
        pair.ask(Call::Receive { endpoint: pair.endpoint, deadline: Deadline::NEVER });
        assert_eq!(pair.cpu.peek().argument, 0, "the one that sends runs");
        let capability = pair.endpoint.into();
        let copy = Call::CapabilityCopy { capability, rights: RIGHTS, badge: Word(0) };
        while let Ok(word) = pair.ask(copy).result() {
            pair.copies.push(word);
        }
        assert_eq!(pair.cpu.peek().reply.result(), Err(Error::OverBudget));
        pair
    }

    fn ask(&mut self, call: Call) -> Reply {
        self.make(call.encode(), Message::default())
    }

    /// A thread that runs, alone.
    fn alone(budget: u64) -> Self {
        let machine = HostMachine::<Sv39>::new(1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
        let process = kernel.create_process_with(budget).expect("there is memory");
        kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
        let mut pair = Self { kernel, cpu, endpoint: EndpointHandle::from_word(0), copies: Vec::new() };
        pair.endpoint = EndpointHandle::from_word(pair.ask(Call::EndpointCreate {}).value);
        pair
    }

    fn make(&mut self, request: Request, message: Message) -> Reply {
        let registers = self.cpu.registers();
        (registers.request, registers.message) = (request, message);
        assert_eq!(self.kernel.enter(&mut self.cpu, Trap::Syscall), Resume::User);
        self.cpu.peek().reply
    }

    fn held(&self) -> usize {
        self.kernel.inspect().capabilities.iter().filter(|row| row.holder().is_some()).count()
    }
}

#[test]
fn all_go_or_none() {
    for room in 0..=5 {
        for count in 0..=4 {
            let mut pair = Pair::new();
            for _ in 0..room {
                let capability = CapabilityHandle::from_word(pair.copies.pop().expect("there are many"));
                assert_eq!(pair.ask(Call::CapabilityDelete { capability }).result(), Ok(0));
            }
            let before = pair.held();
            let mut message = Message::new(1, [pair.endpoint.to_word(); 4]);
            message.carries = Carries::new(count as u8, 0);
            let send = Call::Send { endpoint: pair.endpoint, deadline: Deadline::NEVER };
            let answer = pair.make(send.encode(), message).result();
            let fits = count <= room;
            assert_eq!(
                answer,
                if fits { Ok(0) } else { Err(Error::Refused) },
                "{count} with room for {room}"
            );
            let held = if fits { before + count } else { before };
            assert_eq!(pair.held(), held, "names after {count} with room for {room}");
        }
    }
}

#[test]
fn an_object_is_shown_below_whoever_pays_for_it() {
    let mut pair = Pair::alone(200);
    let zero = UserAddress(0);
    let process = ProcessHandle::from_word(pair.ask(Call::ProcessCreate { frames: Word(40) }).value);
    let (capability, rights) = (pair.endpoint.into(), CapabilityRights::WRITE);
    let give = Call::ProcessGive { process, capability, rights, badge: Word(0) };
    let endpoint = EndpointHandle::from_word(pair.ask(give).value);
    let thread = Call::ProcessThread { process, entry: zero, stack: zero, argument: Word(2) };
    assert!(pair.ask(thread).result().is_ok());
    assert_eq!(pair.ask(Call::Accept { count: Word(1) }).result(), Ok(0));
    pair.ask(Call::Receive { endpoint: pair.endpoint, deadline: Deadline::NEVER });
    assert_eq!(pair.cpu.peek().argument, 2, "the thread of the other process runs");
    let object = pair.ask(Call::ObjectCreate { length: Word(4_096) }).value;
    let message = Message::new(1, [object, 0, 0, 0]).carrying(Carries::new(1, 0));
    let send = Call::Send { endpoint, deadline: Deadline::NEVER }.encode();
    assert_eq!(pair.make(send, message).result(), Ok(0));
    let range = UserRange { start: UserAddress(1 << 30), length: 4_096 };
    let map = |object| Call::ObjectMap { object, offset: Word(0), range, rights: PageRights::Read };
    assert!(pair.ask(map(ObjectHandle::from_word(object))).result().is_ok(), "its own");
    pair.ask(Call::Sleep { until: Deadline::NEVER });
    assert_eq!(pair.cpu.peek().argument, 0, "the thread of its maker runs");
    let object = ObjectHandle::from_word(pair.cpu.peek().message.words[0]);
    let inspected = pair.ask(Call::CapabilityInspect { capability: object.into() }).result();
    assert_eq!(inspected.map(|word| CapabilityState::from_word(word).kind), Ok(CapabilityKind::Object));
    assert_eq!(pair.ask(map(object)).result(), Err(Error::NoRight));
}

#[test]
fn whoever_gives_its_name_away_with_a_reply_waits_by_it_no_more() {
    let mut pair = Pair::alone(200);
    let (zero, deadline) = (UserAddress(0), Deadline::NEVER);
    let capability = pair.endpoint.into();
    let copy = Call::CapabilityCopy { capability, rights: RIGHTS, badge: Word(0) };
    let own = EndpointHandle::from_word(pair.ask(copy).value);
    assert_eq!(pair.ask(Call::Accept { count: Word(1) }).result(), Ok(0));
    pair.ask(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(1) });
    pair.ask(Call::Call { endpoint: pair.endpoint, deadline });
    assert_eq!(pair.cpu.peek().argument, 1, "the server runs");
    assert_eq!(pair.ask(Call::Receive { endpoint: own, deadline }).result(), Ok(0));
    let message = Message::new(1, [own.to_word(), 0, 0, 0]).carrying(Carries::new(1, 1));
    let answer = pair.make(Call::ReplyReceive { endpoint: own, deadline }.encode(), message).result();
    assert_eq!((pair.cpu.peek().argument, answer), (1, Err(Error::BadHandle)), "the name has gone along");
    pair.ask(Call::Sleep { until: deadline });
    assert_eq!((pair.cpu.peek().argument, pair.cpu.peek().reply.result()), (0, Ok(0)));
}
