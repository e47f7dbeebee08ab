//! Operations on spaces drawn from a source of decisions.

use coldframe_hal::Access;
use coldframe_hal::paging::{FiveLevel, FourLevel, Rights, Sv39, Sv48, Sv57};
use hal_host::HardwareFormat;

use super::{Beside, CPUS, Op, PAGE, SPACES};
use crate::source::Source;

/// A page near an edge: of the user half, of a table, of a table of tables. Uniform ones would never meet.
fn page<F: HardwareFormat>(source: &mut dyn Source) -> u64 {
    let end = F::USER_END / PAGE;
    let edge = [4, 4, 512, 512, 1_024, 1 << 18, end - 8, end - 520][source.choose(8) as usize];
    (edge + u64::from(source.choose(16))).saturating_sub(8)
}

fn count(source: &mut dyn Source) -> u64 {
    match source.choose(12) {
        0 => 512,
        1 => 1_024 + u64::from(source.choose(2)) * 7,
        2 => 64 + u64::from(source.choose(9)),
        3..7 => 1,
        _ => 1 + u64::from(source.choose(9)),
    }
}

fn rights(source: &mut dyn Source) -> Rights {
    const USUAL: [Rights; 6] = [
        Rights::ReadWrite,
        Rights::ReadWrite,
        Rights::Read,
        Rights::ReadWrite,
        Rights::ReadExecute,
        Rights::None,
    ];
    USUAL[source.choose(6) as usize]
}

fn op<F: HardwareFormat>(source: &mut dyn Source) -> Op {
    let space = source.choose(SPACES as u32) as usize;
    let (page, count) = (page::<F>(source), count(source));
    match source.choose(16) {
        0..3 => {
            // Aligned ones become large entries.
            let page = if count >= 512 && source.choose(2) == 0 { page / 512 * 512 } else { page };
            Op::Reserve { space, page, count, rights: rights(source) }
        }
        3 => Op::Fill { space, page, count },
        4 | 5 => Op::Unmap { space, page, count },
        6 => Op::Protect { space, page, count, rights: rights(source) },
        7 | 8 => Op::Move { space, page, count, to: self::page::<F>(source) },
        9 | 10 => {
            let target = source.choose(SPACES as u32) as usize;
            Op::Copy { space, page, count, target, to: self::page::<F>(source) }
        }
        11 => Op::Switch { cpu: source.choose(CPUS as u32) as usize, space },
        _ => {
            let access =
                [Access::Load, Access::Store, Access::Store, Access::Fetch][source.choose(4) as usize];
            Op::Touch { cpu: source.choose(CPUS as u32) as usize, page, access }
        }
    }
}

/// Draws operations, and does them.
///
/// # Errors
/// The first that goes wrong, and how.
pub fn drawn<F: HardwareFormat>(source: &mut dyn Source, most: u32) -> Result<(), String> {
    let limit = [2_600, 2_600, 700, 60][source.choose(4) as usize];
    let mut beside = Beside::<F>::new(limit);
    for number in 0..source.choose(most) {
        let op = op::<F>(source);
        let wrong = |problem| format!("{number}: {op:x?} on {}: {problem}", F::NAME);
        beside.apply(op).map_err(wrong)?;
        if number % 16 == 0 {
            beside.audit().map_err(wrong)?;
        }
    }
    beside.finish()
}

/// Draws a page-table format, and operations on it.
///
/// # Errors
/// The first that goes wrong, and how.
pub fn drawn_format(source: &mut dyn Source, most: u32) -> Result<(), String> {
    match source.choose(5) {
        0 => drawn::<Sv39>(source, most),
        1 => drawn::<Sv48>(source, most),
        2 => drawn::<Sv57>(source, most),
        3 => drawn::<FourLevel>(source, most),
        _ => drawn::<FiveLevel>(source, most),
    }
}
