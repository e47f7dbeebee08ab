//! Calls that are made once more, because those that they met were in the way: what was done is not done again, and what
//! was not done is not forgotten.

mod play;

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityRights, Carries, Deadline, EndpointHandle, Error, Message, Priority,
    ThreadHandle, UserAddress, Word,
};
use play::Play;

const SERVER: u64 = 0;
const CALLER: u64 = 1;
const SENDERS: [u64; 2] = [2, 3];

/// A name of an endpoint by which messages are received.
fn reader(play: &mut Play, endpoint: EndpointHandle) -> EndpointHandle {
    let rights = CapabilityRights::READ;
    let copy = Call::CapabilityCopy { capability: endpoint.into(), rights, badge: Word(0) };
    EndpointHandle::from_word(play.ask(copy).value)
}

/// A server whose name goes while its `reply_receive` is made once more gives its next reply all the same.
#[test]
fn a_reply_that_was_given_is_forgotten_with_its_call() {
    let mut play = Play::new();
    let endpoint = EndpointHandle::from_word(play.ask(Call::EndpointCreate {}).value);
    let [first, second] = [0, 1].map(|_| reader(&mut play, endpoint));
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
