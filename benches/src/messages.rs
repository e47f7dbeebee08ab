//! A client and a server on one simulated CPU, as they are measured: the ways a call and its reply can take.

use coldframe_abi::{
    Call, Carries, Deadline, EndpointHandle, LineHandle, Message, PageRights, Passage, Request, UserAddress,
    UserRange, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{FastCall, Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

use crate::started::started;

const PAGE: u64 = 4_096;
/// A page of the client, and where the server takes pages.
const LENT: u64 = 0x10_0000;
const WINDOW: u64 = 0x20_0000;

/// A client that runs, and a server that waits to receive.
pub struct Pair {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
    call: Request,
    reply_receive: Request,
    /// Raises signals where nobody waits, and takes them.
    signal: Request,
    receive: Request,
    /// Listens to a line at the same endpoint, and answers.
    done: Request,
}

impl Pair {
    /// The two, beside so many threads whose messages wait elsewhere to be received.
    ///
    /// # Panics
    /// If the simulated machine is too small for them.
    #[must_use]
    pub fn beside(senders: u32) -> Self {
        let (kernel, cpu) = started(1, 1 << 18);
        let nothing = Call::Null {}.encode();
        let [call, reply_receive, signal, receive, done] = [nothing; 5];
        let mut pair = Self { kernel, cpu, call, reply_receive, signal, receive, done };
        let endpoint = EndpointHandle::from_word(pair.slow(Call::EndpointCreate {}.encode()));
        let deadline = Deadline::NEVER;
        pair.call = Call::Call { endpoint, deadline }.encode();
        pair.reply_receive = Call::ReplyReceive { endpoint, deadline }.encode();
        let endpoint = EndpointHandle::from_word(pair.slow(Call::EndpointCreate {}.encode()));
        pair.signal = Call::Signal { endpoint, bits: Word(1) }.encode();
        pair.receive = Call::Receive { endpoint, deadline: Deadline::NOW }.encode();
        let line = pair.slow(Call::LineBind { line: Word(0), endpoint, bits: Word(2) }.encode());
        pair.done = Call::LineDone { line: LineHandle::from_word(line), mine: Word(1) }.encode();
        let thread =
            Call::ThreadCreate { entry: UserAddress(0), stack: UserAddress(0), argument: Word(1) }.encode();
        let endpoint = EndpointHandle::from_word(pair.slow(Call::EndpointCreate {}.encode()));
        let elsewhere = Call::Send { endpoint, deadline: Deadline::NEVER }.encode();
        for _ in 0..senders {
            pair.slow(thread);
            pair.slow(Call::YieldNow {}.encode());
            pair.slow(elsewhere);
        }
        let page = |start: u64| UserRange { start: UserAddress(start), length: PAGE };
        pair.slow(Call::MemoryReserve { range: page(LENT), rights: PageRights::ReadWrite }.encode());
        pair.slow(thread);
        pair.slow(Call::YieldNow {}.encode());
        pair.slow(Call::AcceptPages { window: page(WINDOW) }.encode());
        pair.slow(pair.reply_receive);
        pair
    }

    fn slow(&mut self, request: Request) -> u64 {
        self.cpu.registers().request = request;
        let mut resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        while resume == Resume::Again {
            resume = self.kernel.enter(&mut self.cpu, Trap::Again);
        }
        assert_eq!(resume, Resume::User, "somebody goes on");
        self.cpu.peek().reply.value
    }

    #[inline(always)]
    fn fast(&mut self, call: FastCall, request: Request) {
        self.cpu.registers().request = request;
        let [first, second, third, ..] = request.arguments;
        let answered = self.kernel.fast(&mut self.cpu, call, [first, second, third]);
        assert!(answered.is_some(), "nothing is in the way");
    }

    /// A call and its reply, the fast way.
    pub fn round_trip(&mut self) {
        self.fast(FastCall::Call, self.call);
        self.fast(FastCall::ReplyReceive, self.reply_receive);
    }

    /// The same the slow way.
    pub fn slow_round_trip(&mut self) {
        self.slow(self.call);
        self.slow(self.reply_receive);
    }

    /// The same with a page that is lent for the call.
    pub fn page_lent(&mut self) {
        let carries = Carries::NONE.and_pages(Passage::LentToRead, 1);
        self.cpu.registers().message = Message::new(1, [LENT, 0, 0, 0]).carrying(carries);
        self.slow(self.call);
        assert_eq!(self.cpu.peek().message.words[0], WINDOW, "the server has the page");
        self.cpu.registers().message = Message::default();
        self.slow(self.reply_receive);
    }

    /// Signals raised and received, the fast way.
    pub fn signal_and_receive(&mut self) {
        self.fast(FastCall::Signal, self.signal);
        self.fast(FastCall::Receive, self.receive);
    }

    /// The interrupt of a device, of which a driver hears and to which it answers.
    pub fn interrupt_and_answer(&mut self) {
        self.kernel.machine_mut().take_line(0);
        let resume = self.kernel.enter(&mut self.cpu, Trap::Line(0));
        assert_eq!(resume, Resume::User, "who runs goes on");
        self.slow(self.receive);
        self.slow(self.done);
    }
}
