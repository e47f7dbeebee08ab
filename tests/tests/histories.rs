//! Calls at an endpoint by threads on host threads around the real lock: what they see has a sequential explanation, by
//! the reference model in the order of the lock, and by a search that knows nothing of lock or kernel.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use coldframe_abi::{Arrival, Call, CpuId, Deadline, EndpointHandle, Error, Message, UserAddress, Word};
use coldframe_hal::Trap;
use coldframe_hal::paging::Sv39;
use hal_host::threads::{UserMode, run, run_watched};
use hal_host::{HostMachine, HostRegisters};
use proptest::prelude::*;
use sim::histories::{Done, Operation, Unexplained, explain};
use sim::judge::Judge;

/// What a thread does at the endpoint, one after the other.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Signal(u64),
    /// For so long, in thousands of ticks of the machine's clock.
    Receive(u64),
    Send(u64),
    Call(u64),
    Yield,
}

/// Threads that all talk at one endpoint, and what they have seen.
struct Talk {
    plans: Vec<Vec<Wish>>,
    endpoint: AtomicU64,
    /// Counts what is begun and what has ended, outside of the kernel.
    stamps: AtomicU64,
    seen: Mutex<Vec<Operation>>,
}

/// The registers of a thread: where it is in its plan, when it began its operation, and which call it owes a reply.
const PLACE: usize = 0;
const BEGUN: usize = 1;
const OWES: usize = 2;

/// What is replied to a message.
const fn reply_to(message: u64) -> u64 {
    message + (1 << 32)
}

impl Talk {
    fn new(plans: Vec<Vec<Wish>>) -> Self {
        let (endpoint, stamps, seen) = Default::default();
        Self { plans, endpoint, stamps, seen }
    }

    fn stamp(&self) -> u64 {
        self.stamps.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Takes down what has come of the last operation.
    fn note(&self, registers: &mut HostRegisters) {
        let begun = std::mem::take(&mut registers.saved[BEGUN]);
        let Ok(Some(call)) = Call::decode(&registers.request).map(|call| (begun != 0).then_some(call)) else {
            return;
        };
        let (sent, message) = (registers.saved[3], registers.message);
        let answer = registers.reply.result();
        let done = match (call, answer) {
            (Call::Signal { bits, .. }, Ok(_)) => Done::Raised(bits.0),
            (Call::Receive { .. }, Ok(bits)) if message.arrival == Arrival::Signalled => Done::Signals(bits),
            (Call::Receive { .. }, Ok(_)) => {
                if message.arrival == Arrival::Called {
                    registers.saved[OWES] = message.label;
                }
                Done::Received(message.label)
            }
            (Call::Receive { .. }, Err(Error::TimedOut)) => Done::Nothing,
            (Call::Send { .. }, Ok(_)) => Done::Sent(sent),
            (Call::Send { .. }, Err(Error::TimedOut)) => return,
            (Call::Call { .. }, Ok(_)) => Done::Called(sent, message.label),
            (Call::Call { .. }, Err(Error::TimedOut)) => Done::NotAnswered(sent),
            (Call::Reply {}, Ok(_)) => Done::Replied(sent, reply_to(sent)),
            // Whoever had called has gone on when its time was up.
            (Call::Reply {}, Err(Error::PeerGone)) => return,
            other => panic!("{other:?}"),
        };
        let ended = self.stamp();
        self.seen.lock().expect("nobody panics").push(Operation { begun, ended, done });
    }

    /// The next call of a thread that talks.
    fn next(&self, registers: &mut HostRegisters) -> Call {
        let thread = registers.argument as usize - 1;
        let place = registers.saved[PLACE];
        let endpoint = EndpointHandle::from_word(self.endpoint.load(Ordering::SeqCst));
        let message = (thread as u64) << 16 | (place + 1);
        let until = |span: u64| Deadline((place + 1) * 200_000 + span * 1_000);
        if registers.saved[OWES] != 0 {
            let message = std::mem::take(&mut registers.saved[OWES]);
            registers.message = Message::new(reply_to(message), [0; 4]);
            (registers.saved[3], registers.saved[BEGUN]) = (message, self.stamp());
            return Call::Reply {};
        }
        let Some(wish) = self.plans[thread].get(place as usize) else {
            return Call::ThreadExit { result: Word(0) };
        };
        registers.saved[PLACE] += 1;
        registers.saved[3] = message;
        registers.message = Message::new(message, [0; 4]);
        if !matches!(wish, Wish::Yield) {
            registers.saved[BEGUN] = self.stamp();
        }
        match *wish {
            Wish::Signal(bits) => Call::Signal { endpoint, bits: Word(bits) },
            Wish::Receive(span) => Call::Receive { endpoint, deadline: until(span) },
            Wish::Send(span) => Call::Send { endpoint, deadline: until(span) },
            Wish::Call(span) => Call::Call { endpoint, deadline: until(span) },
            Wish::Yield => Call::YieldNow {},
        }
    }
}

impl UserMode<Sv39> for Talk {
    fn run(&self, _: CpuId, registers: &mut HostRegisters) -> Option<Trap> {
        let call = if registers.argument == 0 {
            // The first thread makes the endpoint and the others, and ends.
            let place = registers.saved[PLACE];
            registers.saved[PLACE] += 1;
            if place == 1 {
                self.endpoint.store(registers.reply.value, Ordering::SeqCst);
            }
            match place {
                0 => Call::EndpointCreate {},
                thread if thread <= self.plans.len() as u64 => Call::ThreadCreate {
                    entry: UserAddress(0),
                    stack: UserAddress(0),
                    argument: Word(thread),
                },
                _ => Call::ThreadExit { result: Word(0) },
            }
        } else {
            self.note(registers);
            self.next(registers)
        };
        registers.request = call.encode();
        Some(Trap::Syscall)
    }
}

fn boot(kernel: &mut coldframe_kernel::Kernel<HostMachine<Sv39>>) {
    let process = kernel.create_process().expect("there is memory");
    kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = prop_oneof![
        3 => (0_u32..4).prop_map(|bit| Wish::Signal(1 << bit)),
        4 => (0_u64..60).prop_map(Wish::Receive),
        2 => (0_u64..60).prop_map(Wish::Send),
        2 => (20_u64..90).prop_map(Wish::Call),
        1 => Just(Wish::Yield),
    ];
    prop::collection::vec(wish, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_threads_see_has_a_sequential_explanation(cpus in 1_u16..5, plans in prop::collection::vec(wishes(), 1..6)) {
        let talk = Talk::new(plans);
        run::<Sv39, _>(cpus, 2_048, 1, &talk, boot);
        let seen = talk.seen.into_inner().expect("nobody panicked");
        prop_assert_eq!(explain(&seen), Ok(()), "{:#?}", seen);
    }

    #[test]
    fn the_order_of_the_lock_is_one(cpus in 1_u16..5, plans in prop::collection::vec(wishes(), 1..6)) {
        let talk = Talk::new(plans);
        let (_, judge) = run_watched::<Sv39, _, _>(cpus, 2_048, 1, &talk, boot, |kernel| Judge::new(kernel, cpus));
        let verdict = judge.verdict();
        prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
        let seen = talk.seen.into_inner().expect("nobody panicked");
        prop_assert_eq!(explain(&seen), Ok(()), "{:#?}", seen);
    }
}

const fn operation(begun: u64, ended: u64, done: Done) -> Operation {
    Operation { begun, ended, done }
}

#[test]
fn what_nothing_explains_is_found() {
    use Done::{Called, NotAnswered, Nothing, Raised, Received, Replied, Sent, Signals};
    let of = |operations: &[Operation]| explain(operations);
    let no_order = |explained, of| Err(Unexplained::NoOrder { explained, of });
    // Signals that were there before somebody looked are found, once.
    assert_eq!(of(&[operation(1, 2, Raised(1)), operation(3, 4, Signals(1))]), Ok(()));
    assert_eq!(of(&[operation(1, 2, Raised(1)), operation(3, 4, Nothing)]), no_order(1, 2));
    let twice = [operation(1, 2, Raised(1)), operation(3, 4, Signals(1)), operation(5, 6, Signals(1))];
    assert_eq!(of(&twice), no_order(2, 3));
    // All at once, and none that nobody has raised.
    let parts = [operation(1, 2, Raised(1)), operation(1, 2, Raised(2)), operation(3, 4, Signals(1))];
    assert_eq!(of(&parts), no_order(2, 3));
    assert_eq!(of(&[operation(1, 9, Raised(1)), operation(2, 4, Signals(3))]), no_order(1, 2));
    // Who looks while they are raised may find them or not.
    assert_eq!(
        of(&[operation(1, 4, Raised(1)), operation(2, 3, Nothing), operation(5, 6, Signals(1))]),
        Ok(())
    );
    // A message has two sides, and they meet.
    assert_eq!(of(&[operation(1, 4, Sent(7)), operation(2, 3, Received(7))]), Ok(()));
    let lost = operation(1, 4, Sent(7));
    assert_eq!(of(&[lost]), Err(Unexplained::Alone(lost)));
    let again = operation(3, 6, Received(7));
    let doubled = [operation(1, 4, Sent(7)), operation(2, 3, Received(7)), again];
    assert_eq!(of(&doubled), Err(Unexplained::Alone(again)));
    let late = [operation(1, 2, Sent(7)), operation(3, 4, Received(7))];
    assert_eq!(of(&late), Err(Unexplained::Alone(late[0])));
    // Signals come first.
    let passed_over = [
        operation(1, 2, Raised(1)),
        operation(3, 6, Sent(7)),
        operation(4, 5, Received(7)),
        operation(7, 8, Signals(1)),
    ];
    assert_eq!(of(&passed_over), no_order(1, 3));
    // A reply is that of the call, and comes after it has been received.
    let called =
        [operation(1, 9, Called(7, 8)), operation(2, 3, Received(7)), operation(4, 5, Replied(7, 8))];
    assert_eq!(of(&called), Ok(()));
    let other = [operation(1, 9, Called(7, 8)), operation(2, 3, Received(7)), operation(4, 5, Replied(7, 9))];
    assert_eq!(of(&other), Err(Unexplained::Alone(other[0])));
    let before =
        [operation(1, 9, Called(7, 8)), operation(4, 5, Received(7)), operation(2, 3, Replied(7, 8))];
    assert_eq!(of(&before), no_order(0, 2));
    // Whoever is not answered in time may have been heard.
    assert_eq!(of(&[operation(1, 4, NotAnswered(7)), operation(2, 3, Received(7))]), Ok(()));
    assert_eq!(of(&[operation(1, 4, NotAnswered(7))]), Ok(()));
}
