//! Interrupts where many that have ended are in the way: whoever listens is told all the same.

mod play;

use coldframe_abi::{
    Call, CapabilityRights, Deadline, EndpointHandle, ExitCode, LineHandle, ProcessHandle, UserAddress, Word,
};
use coldframe_hal::Trap;
use coldframe_kernel::Resume;
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
