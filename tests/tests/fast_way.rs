//! A call to a server that waits, and its reply, take the fast way: they are answered by it, and as by `enter`.

use std::hash::{DefaultHasher, Hasher};

use coldframe_abi::{
    Arrival, Call, CapabilityHandle, CapabilityRights, CapabilityState, Carries, Counter, CpuId, Deadline,
    EndpointHandle, Error, GroupHandle, Instant, MappingHandle, Message, Nanos, Number, ObjectHandle,
    PageRights, Passage, ProcessHandle, Reply, Request, ThreadHandle, UserAddress, UserRange, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{FastCall, Kernel, Resume, WaitsFor};
use hal_host::{HostCpu, HostMachine};

mod play;

use play::Play;

struct Pair {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
    endpoint: EndpointHandle,
}

const PAGE: u64 = 4_096;
/// A page of the client, and where the server takes pages.
const LENT: u64 = 0x10_0000;
const WINDOW: u64 = 0x20_0000;
const WORDS: Message = Message { label: 5, words: [1, 2, 3, 4, 5, 6, 7], ..Message::new(0, [0; 4]) };

impl Pair {
    /// A client that runs, and a server that waits to receive.
    fn new() -> Self {
        let machine = HostMachine::<Sv39>::new(1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
        let process = kernel.create_process().expect("there is memory");
        kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
        let mut pair = Self { kernel, cpu, endpoint: EndpointHandle::from_word(0) };
        pair.slow(Call::EndpointCreate {}.encode());
        pair.endpoint = EndpointHandle::from_word(pair.cpu.peek().reply.value);
        let zero = UserAddress(0);
        pair.slow(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(1) }.encode());
        pair.slow(Call::YieldNow {}.encode());
        assert_eq!(pair.cpu.peek().argument, 1, "the server runs");
        let deadline = Deadline::NEVER;
        let window = UserRange { start: UserAddress(WINDOW), length: PAGE };
        pair.slow(Call::AcceptPages { window }.encode());
        pair.slow(Call::Receive { endpoint: pair.endpoint, deadline }.encode());
        assert_eq!(pair.cpu.peek().argument, 0, "the client runs");
        pair
    }

    fn slow(&mut self, request: Request) {
        self.cpu.registers().request = request;
        assert_eq!(self.kernel.enter(&mut self.cpu, Trap::Syscall), Resume::User);
    }

    fn slow_answer(&mut self, request: Request) -> u64 {
        self.slow(request);
        self.cpu.peek().reply.result().expect("it is done")
    }

    /// The same for a call that takes several entries.
    fn slow_steps(&mut self, request: Request, message: Message) {
        let registers = self.cpu.registers();
        (registers.request, registers.message) = (request, message);
        let mut resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        while resume == Resume::Again {
            resume = self.kernel.enter(&mut self.cpu, Trap::Again);
        }
        assert_eq!(resume, Resume::User);
    }

    fn fast(&mut self, request: Request, message: Message) -> Option<u64> {
        let registers = self.cpu.registers();
        (registers.request, registers.message) = (request, message);
        let [first, second, third, ..] = request.arguments;
        let call = FastCall::from_number(request.number)?;
        let done = self.kernel.fast(&mut self.cpu, call, [first, second, third])?;
        self.cpu.find(done);
        Some(self.cpu.peek().reply.value)
    }

    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.kernel.hash_state(&mut hasher);
        hasher.finish()
    }

    fn call(&self) -> Request {
        Call::Call { endpoint: self.endpoint, deadline: Deadline::NEVER }.encode()
    }

    fn reply_receive(&self) -> Request {
        Call::ReplyReceive { endpoint: self.endpoint, deadline: Deadline::NEVER }.encode()
    }
}

#[test]
fn a_caller_that_has_lent_something_is_replied_to_the_slow_way() {
    let mut pair = Pair::new();
    let range = UserRange { start: UserAddress(LENT), length: PAGE };
    pair.slow_steps(
        Call::MemoryReserve { range, rights: PageRights::ReadWrite }.encode(),
        Message::default(),
    );
    let carries = Carries::NONE.and_pages(Passage::LentToRead, 1);
    let lends = Message::new(1, [LENT, 0, 0, 0]).carrying(carries);
    pair.slow_steps(pair.call(), lends);
    assert_eq!(pair.cpu.peek().argument, 1, "the server goes on");
    let found = pair.cpu.peek().message;
    assert_eq!((found.words[0], found.carries), (WINDOW, carries), "with the page");
    assert_eq!(pair.fast(pair.reply_receive(), WORDS), None, "its reply takes work");
    pair.slow_steps(pair.reply_receive(), WORDS);
    assert_eq!(pair.cpu.peek().argument, 0, "the client goes on");
    assert_eq!(pair.cpu.peek().reply.result(), Ok(0));
    let lent = pair.kernel.inspect().threads.iter().any(|thread| !thread.cargo().is_empty());
    assert!(!lent, "and has its page back");
}

#[test]
fn a_call_and_its_reply_take_the_fast_way() {
    let mut pair = Pair::new();
    for round in 0..10 {
        let sent = Message { label: round, ..WORDS };
        assert_eq!(pair.fast(pair.call(), sent), Some(0), "the call of round {round}");
        assert_eq!(pair.cpu.peek().argument, 1, "the server goes on");
        assert_eq!(pair.cpu.peek().message, Message { arrival: Arrival::Called, ..sent });
        let answer = Message { label: round + 100, ..WORDS };
        assert_eq!(pair.fast(pair.reply_receive(), answer), Some(0), "the reply of round {round}");
        assert_eq!(pair.cpu.peek().argument, 0, "the client goes on");
        assert_eq!(pair.cpu.peek().message, answer);
    }
}

#[test]
fn the_fast_way_declines_what_it_cannot_finish() {
    let mut pair = Pair::new();
    let (call, message) = (pair.call(), WORDS);
    let over = Call::Call { endpoint: pair.endpoint, deadline: Deadline::NOW }.encode();
    let nobody = Call::Call { endpoint: EndpointHandle::from_word(0), deadline: Deadline::NEVER }.encode();
    let send = Request { number: Number::Send as u64, ..call };
    let state = pair.state();
    for request in [over, nobody, send, pair.reply_receive()] {
        assert_eq!(pair.fast(request, message), None, "{request:?}");
        assert_eq!(pair.state(), state, "{request:?} changes nothing");
    }
    assert_eq!(pair.fast(call, message), Some(0), "what it can finish it does");
}

#[test]
fn a_call_with_a_deadline_takes_the_fast_way_and_so_does_its_reply() {
    let mut pair = Pair::new();
    let deadline = Deadline(1_000_000_000);
    let call = Call::Call { endpoint: pair.endpoint, deadline }.encode();
    let deadlines = |pair: &Pair| {
        pair.kernel.inspect().timers.iter().filter_map(|timer| timer.deadline()).collect::<Vec<_>>()
    };
    for round in 0..4 {
        assert_eq!(pair.fast(call, WORDS), Some(0), "the call of round {round}");
        assert_eq!(deadlines(&pair), [Instant(deadline.0)], "the client waits no longer");
        assert!(pair.cpu.armed().is_some_and(|moment| moment <= Instant(deadline.0)), "and is woken then");
        assert_eq!(pair.fast(pair.reply_receive(), WORDS), Some(0), "the reply of round {round}");
        assert_eq!(deadlines(&pair), [], "it has come in time");
    }
}

#[test]
fn what_is_done_to_a_thread_that_rests_is_not_overlooked() {
    let mut pair = Pair::new();
    let client = ThreadHandle::from_word(pair.slow_answer(Call::ThreadSelf {}.encode()));
    let rests = |pair: &Pair| {
        let threads = pair.kernel.inspect().threads;
        let waits = threads.iter().find(|thread| matches!(thread.waits_for(), WaitsFor::Reply(_)));
        waits.expect("the client waits for its reply").rests().0
    };
    for done in [
        Call::SetAffinity { thread: client, bank: Word(0), cpus: Word(1) },
        Call::ThreadSuspend { thread: client },
    ] {
        assert_eq!(pair.fast(pair.call(), WORDS), Some(0), "the server goes on");
        assert!(rests(&pair), "the client could go on at once");
        pair.slow(done.encode());
        assert!(!rests(&pair), "it is looked at anew after {done:?}");
        pair.slow(Call::ThreadResume { thread: client }.encode());
        assert_eq!(pair.fast(pair.reply_receive(), WORDS), Some(0), "the client goes on");
    }
}

#[test]
fn signals_that_were_raised_are_received_the_fast_way() {
    let mut pair = Pair::new();
    let endpoint = EndpointHandle::from_word(pair.slow_answer(Call::EndpointCreate {}.encode()));
    let signal = Call::Signal { endpoint, bits: Word(5) }.encode();
    let receive = Call::Receive { endpoint, deadline: Deadline::NOW }.encode();
    assert_eq!(pair.fast(receive, WORDS), None, "there are none");
    assert_eq!(pair.fast(signal, WORDS), Some(0));
    assert_eq!(pair.fast(receive, WORDS), Some(5));
    assert_eq!(pair.cpu.peek().message, Message::SIGNALLED, "in place of a message");
    assert_eq!(pair.fast(receive, WORDS), None, "they are received once");
}

#[test]
fn calls_that_take_the_fast_way_are_counted_when_somebody_looks() {
    let mut pair = Pair::new();
    let me = ThreadHandle::from_word(pair.slow_answer(Call::ThreadSelf {}.encode()));
    let count = Call::ThreadCount { thread: me, counter: Counter::Calls }.encode();
    let before = pair.slow_answer(count);
    for _ in 0..3 {
        assert_eq!(pair.fast(Call::Null {}.encode(), WORDS), Some(0));
    }
    assert_eq!(pair.fast(pair.call(), WORDS), Some(0), "the server goes on");
    assert_eq!(pair.fast(Call::Null {}.encode(), WORDS), Some(0), "that is none of the client's");
    assert_eq!(pair.fast(pair.reply_receive(), WORDS), Some(0), "the client goes on");
    assert_eq!(pair.fast(Call::Null {}.encode(), WORDS), Some(0));
    assert_eq!(pair.slow_answer(count), before + 6, "three, the call, one, and this one");
}

#[test]
fn the_null_call_takes_the_fast_way() {
    let mut pair = Pair::new();
    assert_eq!(pair.fast(Call::Null {}.encode(), WORDS), Some(0));
    assert_eq!(pair.cpu.peek().message, WORDS, "no register of a message changes");
}

#[test]
fn threads_that_yield_to_each_other_take_the_fast_way() {
    let mut pair = Pair::new();
    let zero = UserAddress(0);
    pair.slow(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(2) }.encode());
    let mut counts = [0; 3];
    for round in 0..20 {
        let who = pair.cpu.peek().argument;
        let count: &mut u64 = &mut counts[who as usize];
        assert_eq!(pair.cpu.peek().saved[0], *count, "what it had in registers, in round {round}");
        *count += 1;
        pair.cpu.registers().saved[0] = *count;
        assert_eq!(pair.fast(Call::YieldNow {}.encode(), WORDS), Some(0), "round {round}");
        assert_ne!(pair.cpu.peek().argument, who, "the other goes on");
    }
}

#[test]
fn whoever_is_in_the_middle_of_a_call_is_yielded_to_the_slow_way() {
    let mut pair = Pair::new();
    let zero = UserAddress(0);
    pair.slow(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(2) }.encode());
    let many = UserRange { start: UserAddress(LENT), length: 500 * PAGE };
    pair.cpu.registers().request =
        Call::MemoryReserve { range: many, rights: PageRights::ReadWrite }.encode();
    assert_eq!(pair.kernel.enter(&mut pair.cpu, Trap::Syscall), Resume::Again, "it takes several steps");
    let late = Instant(Nanos::from_millis(20).0);
    pair.cpu.set_now(late);
    assert_eq!(pair.kernel.enter(&mut pair.cpu, Trap::Again), Resume::User, "its slice is over");
    assert_eq!(pair.cpu.peek().argument, 2, "the other runs");
    assert_eq!(pair.fast(Call::YieldNow {}.encode(), WORDS), None, "there is work to be done");
    pair.slow_steps(Call::YieldNow {}.encode(), WORDS);
    assert_eq!(pair.cpu.peek().argument, 0, "the first goes on");
    assert_eq!(pair.cpu.peek().reply.result(), Ok(0), "when it is done");
}

#[test]
fn whoever_signals_are_to_interrupt_is_yielded_to_the_slow_way() {
    let mut pair = Pair::new();
    let zero = UserAddress(0);
    pair.slow(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(2) }.encode());
    pair.slow(Call::EndpointCreate {}.encode());
    let endpoint = EndpointHandle::from_word(pair.cpu.peek().reply.value);
    pair.slow(Call::YieldNow {}.encode());
    assert_eq!(pair.cpu.peek().argument, 2);
    let (handler, stack) = (UserAddress(7), UserAddress(0x5000));
    pair.slow(Call::Upcall { endpoint, handler, stack }.encode());
    pair.slow(Call::YieldNow {}.encode());
    pair.slow(Call::Signal { endpoint, bits: Word(6) }.encode());
    assert_eq!(pair.fast(Call::YieldNow {}.encode(), WORDS), None, "it has its handler to run first");
    pair.slow(Call::YieldNow {}.encode());
    assert_eq!((pair.cpu.peek().program_counter, pair.cpu.peek().argument), (7, 6), "and runs it");
}

#[test]
fn names_come_and_go_the_fast_way_while_others_are_left() {
    let mut pair = Pair::new();
    pair.slow(Call::ObjectCreate { length: Word(PAGE) }.encode());
    let object = CapabilityHandle::from_word(pair.cpu.peek().reply.value);
    pair.slow(Call::ThreadSelf {}.encode());
    let thread = CapabilityHandle::from_word(pair.cpu.peek().reply.value);
    let rights = CapabilityRights::INSPECT;
    for name in [object, pair.endpoint.into(), thread] {
        let copy = Call::CapabilityCopy { capability: name, rights, badge: Word(0) };
        let handle = pair.fast(copy.encode(), WORDS).map(CapabilityHandle::from_word);
        let capability = handle.expect("there is room, and nothing is unusual");
        let inspect = Call::CapabilityInspect { capability };
        pair.slow(inspect.encode());
        assert_eq!(CapabilityState::from_word(pair.cpu.peek().reply.value).rights, rights);
        let delete = Call::CapabilityDelete { capability }.encode();
        assert_eq!(pair.fast(delete, WORDS), Some(0));
        assert_eq!(pair.fast(delete, WORDS), None, "it has gone");
        pair.slow(inspect.encode());
        assert_eq!(pair.cpu.peek().reply.result(), Err(Error::BadHandle));
    }
    let last = Call::CapabilityDelete { capability: object }.encode();
    assert_eq!(pair.fast(last, WORDS), None, "with the last name the object goes");
}

#[test]
fn an_object_that_is_being_destroyed_gets_no_other_name_the_fast_way() {
    let mut pair = Pair::new();
    let zero = UserAddress(0);
    pair.slow(Call::ThreadCreate { entry: zero, stack: zero, argument: Word(2) }.encode());
    let range = UserRange { start: UserAddress(LENT), length: 500 * PAGE };
    pair.slow_steps(Call::MemoryReserve { range, rights: PageRights::ReadWrite }.encode(), WORDS);
    pair.slow_steps(Call::MemoryFill { range }.encode(), WORDS);
    pair.slow_steps(Call::ObjectFromRange { range }.encode(), WORDS);
    let mapping = MappingHandle::from_word(pair.cpu.peek().reply.value);
    pair.slow(Call::MappingObject { mapping }.encode());
    let object = ObjectHandle::from_word(pair.cpu.peek().reply.value);
    let copy = Call::CapabilityCopy {
        capability: object.into(),
        rights: CapabilityRights::INSPECT.and(CapabilityRights::COPY),
        badge: Word(0),
    };
    let capability = pair.fast(copy.encode(), WORDS).map(CapabilityHandle::from_word);
    let capability = capability.expect("it is there");
    pair.cpu.registers().request = Call::ObjectDestroy { object }.encode();
    assert_eq!(pair.kernel.enter(&mut pair.cpu, Trap::Syscall), Resume::Again, "it takes several steps");
    pair.cpu.set_now(Instant(Nanos::from_millis(20).0));
    assert_eq!(pair.kernel.enter(&mut pair.cpu, Trap::Again), Resume::User, "its slice is over");
    assert_eq!(pair.cpu.peek().argument, 2, "the other runs");
    let again = Call::CapabilityCopy { capability, rights: CapabilityRights::INSPECT, badge: Word(0) };
    assert_eq!(pair.fast(again.encode(), WORDS), None, "it is hardly there any more");
}

#[test]
fn a_yield_to_nobody_takes_the_slow_way() {
    let mut pair = Pair::new();
    let state = pair.state();
    assert_eq!(pair.fast(Call::YieldNow {}.encode(), WORDS), None, "the server waits");
    assert_eq!(pair.state(), state);
}

#[test]
fn nobody_is_heard_the_fast_way_who_is_not_heard() {
    let mut play = Play::new();
    let zero = UserAddress(0);
    let word = |reply: Reply| reply.result().expect("it is done");
    let endpoint = EndpointHandle::from_word(word(play.ask(Call::EndpointCreate {})));
    let group = GroupHandle::from_word(word(play.ask(Call::GroupCreate {})));
    let process = ProcessHandle::from_word(word(play.ask(Call::ProcessCreate { frames: Word(40) })));
    let mut give = |capability: CapabilityHandle, rights| {
        word(play.ask(Call::ProcessGive { process, capability, rights, badge: Word(0) }))
    };
    let its_group = GroupHandle::from_word(give(group.into(), CapabilityRights::FILL));
    let its_endpoint = EndpointHandle::from_word(give(endpoint.into(), CapabilityRights::WRITE));
    let _ = play.ask(Call::Accept { count: Word(1) });
    let start = Call::ProcessThread { process, entry: zero, stack: zero, argument: Word(2) };
    let _ = play.ask(start);
    let _ = play.ask(Call::Receive { endpoint, deadline: Deadline::NEVER });
    assert_eq!(play.who(), 2, "the other process runs");
    let _ = play.ask(Call::ProcessClose { group: its_group });
    let made = word(play.ask(Call::EndpointCreate {}));
    let message = Message::new(0, [made, 0, 0, 0]).carrying(Carries::new(1, 0));
    let _ = play.tell(Call::Send { endpoint: its_endpoint, deadline: Deadline::NEVER }, message);
    while play.who() != 0 {
        let _ = play.ask(Call::YieldNow {});
    }
    let closed = EndpointHandle::from_word(play.cpu.peek().message.words[0]);
    let refused = |play: &mut Play, call: Call| {
        let Request { number, arguments: [first, second, third, ..] } = call.encode();
        let fast = FastCall::from_number(number).expect("it has a fast way");
        assert_eq!(play.kernel.fast(&mut play.cpu, fast, [first, second, third]), None, "{call:?}");
        assert_eq!(play.ask(call).result(), Err(Error::NotAllowed), "{call:?}");
    };
    refused(&mut play, Call::Signal { endpoint: closed, bits: Word(1) });
    let _ = play.ask(Call::YieldNow {});
    assert_eq!(play.who(), 2, "the other process runs again");
    let receive = Call::Receive { endpoint: EndpointHandle::from_word(made), deadline: Deadline::NEVER };
    let _ = play.ask(receive);
    assert_eq!(play.who(), 0, "and waits");
    refused(&mut play, Call::Call { endpoint: closed, deadline: Deadline::NEVER });
}

/// A page beside one that stays, so that its table is there.
fn beside_one_that_stays(pair: &mut Pair) -> UserRange {
    let whole = UserRange { start: UserAddress(LENT), length: 2 * PAGE };
    pair.slow_answer(Call::MemoryReserve { range: whole, rights: PageRights::Read }.encode());
    let range = UserRange { start: UserAddress(LENT), length: PAGE };
    pair.slow_answer(Call::MemoryUnmap { range }.encode());
    range
}

#[test]
fn one_page_is_reserved_filled_protected_and_unmapped_the_fast_way() {
    let mut pair = Pair::new();
    let range = beside_one_that_stays(&mut pair);
    let used = |pair: &mut Pair| pair.slow_answer(Call::MemoryUse {}.encode());
    let before = used(&mut pair);
    for round in 0..3 {
        for call in [
            Call::MemoryReserve { range, rights: PageRights::ReadWrite },
            Call::MemoryFill { range },
            Call::MemoryProtect { range, rights: PageRights::Read },
            Call::MemoryProtect { range, rights: PageRights::None },
            Call::MemoryProtect { range, rights: PageRights::ReadWrite },
        ] {
            assert_eq!(pair.fast(call.encode(), WORDS), Some(0), "{call:?} in round {round}");
        }
        assert_ne!(used(&mut pair), before, "it has a frame");
        assert_eq!(pair.fast(Call::MemoryUnmap { range }.encode(), WORDS), Some(0), "round {round}");
        assert_eq!(used(&mut pair), before, "the frame is back");
    }
}

#[test]
fn pages_of_which_more_is_to_be_done_or_heard_go_the_slow_way() {
    let mut pair = Pair::new();
    let range = UserRange { start: UserAddress(LENT), length: PAGE };
    let rights = PageRights::ReadWrite;
    let reserve = Call::MemoryReserve { range, rights }.encode();
    assert_eq!(pair.fast(reserve, WORDS), None, "there is no table");
    pair.slow_answer(reserve);
    let unmap = Call::MemoryUnmap { range }.encode();
    assert_eq!(pair.fast(unmap, WORDS), None, "it is the last in its table");
    let two = UserRange { length: 2 * PAGE, ..range };
    let behind = UserRange { start: UserAddress(u64::MAX - PAGE + 1), ..range };
    let state = pair.state();
    for call in [
        reserve,
        Call::MemoryReserve { range: two, rights }.encode(),
        Call::MemoryReserve { range: behind, rights }.encode(),
        Call::MemoryFill { range: two }.encode(),
        Call::MemoryUnmap { range: two }.encode(),
        Call::MemoryProtect { range: two, rights }.encode(),
        Request { arguments: [LENT, PAGE, 4, 0, 0, 0], ..Call::MemoryProtect { range, rights }.encode() },
    ] {
        assert_eq!(pair.fast(call, WORDS), None, "{call:?}");
        assert_eq!(pair.state(), state, "{call:?} changes nothing");
    }
}
