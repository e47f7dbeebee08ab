//! Devices behind ports are for those who may reach them; one is the clock that goes on while the machine is off.

use coldframe_abi::{Authority, Calls, Error, Instant, Reach, UserAddress, Word};

use crate::names::narrowed;
use crate::{Ground, Recorder};

/// Where no ground has put anything.
const REGISTERS: UserAddress = UserAddress(0x2d_5000_0000);
/// The beginnings of 2020 and of 2200.
const EARLIEST: Instant = Instant(1_577_836_800_000_000_000);
const LATEST: Instant = Instant(7_258_118_400_000_000_000);
/// A port that some machines have, with the kernel's console behind it where they do.
const CONSOLE: Word = Word(0x3f8);
/// A port over which the authority is given up.
const ANY: Word = Word(0x71);

pub(crate) async fn play<G: Ground>(sys: &Recorder<'_, G>, _: u8) -> u64 {
    let all = async {
        no_ports(sys).await;
        wall_clock(sys).await?;
        less(sys).await
    };
    u64::from(all.await.is_err())
}

/// What nobody may reach, since it is the kernel's or there is nothing, whatever the machine.
async fn no_ports<G: Ground>(sys: &Recorder<'_, G>) {
    let _ = sys.port_read(CONSOLE, Word(1)).await;
    let _ = sys.port_write(Word(CONSOLE.0 - 1), Word(2), Word(0)).await;
    let _ = sys.port_read(ANY, Word(3)).await;
    let _ = sys.port_read(Word(0xffff), Word(2)).await;
    let _ = sys.port_read(Word(1 << 16), Word(1)).await;
    let _ = sys.port_write(ANY, Word(1), Word(0x100)).await;
}

async fn wall_clock<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    let ground = sys.ground();
    let wall = ground.wall_time(REGISTERS).await?;
    let is_known = EARLIEST < wall && wall < LATEST;
    sys.note(if is_known { "the machine knows what year it is" } else { "the machine knows no time" }).await;
    let later = ground.wall_time(REGISTERS).await?;
    sys.note(if wall <= later { "its clock does not go back" } else { "its clock goes back" }).await;
    Ok(())
}

/// Ports are handed down like all that is numbered.
async fn less<G: Ground>(sys: &Recorder<'_, G>) -> Result<(), Error> {
    narrowed(sys, Authority::Ports, Reach { start: 0x3f8, end: 0x400 }).await?;
    let _ = sys.port_read(CONSOLE, Word(4)).await;
    let _ = sys.port_read(ANY, Word(1)).await;
    let _ = sys.port_write(Word(0x3ff), Word(2), Word(0)).await;
    Ok(())
}
