//! Drawn operations: near edges, in dense windows, so that they meet.

use coldframe_abi::{
    Authority, CapabilityRights, Class, CpuId, Nanos, Number, PageRights, Priority, Request, TABLE,
};

use super::{PAGE, TEXT, TEXT_PAGES};
use crate::ops::{AUTHORITIES, ENDPOINTS, GROUPS, LAST, OBJECTS, Op, PROCESSES, REPLIES};
use crate::source::Source;
use crate::window::MemoryOp;

/// A range about an edge of a page, of the text or of the user half.
pub(super) fn text(source: &mut dyn Source) -> Op {
    let edge = TEXT + u64::from(source.choose(TEXT_PAGES as u32 + 1)) * PAGE;
    let edge = if source.choose(8) == 0 { 1 << 38 } else { edge };
    let length = [0, 1, 7, 8, 16, 300, PAGE, u64::MAX][source.choose(8) as usize];
    Op::Write { start: edge - u64::from(source.choose(20)), length }
}

pub(super) fn between(source: &mut dyn Source, low: u32, high: u32) -> u32 {
    low + source.choose(high - low + 1)
}

pub(super) fn micros(source: &mut dyn Source, most: u32) -> Nanos {
    // Short and long ones are equally likely: most races live among the short.
    let scale = between(source, 1, 4).pow(5);
    Nanos::from_micros(u64::from(between(source, 1, (most * scale / 1024).max(1))))
}

pub(super) fn priority(source: &mut dyn Source) -> Priority {
    // A dense window: priorities that are all different never meet.
    Priority([0, 100, 128, 129, 130, 255][source.choose(6) as usize])
}

fn class(source: &mut dyn Source) -> Class {
    Class::ALL[source.choose(4) as usize]
}

pub(super) fn slot(source: &mut dyn Source) -> u8 {
    source.choose(6) as u8
}

pub(super) fn any_op(source: &mut dyn Source, cpus: u16) -> Op {
    match source.choose(40) {
        34..40 => capability_op(source),
        0..6 => Op::Compute(micros(source, 5_000)),
        6..9 => Op::Yield,
        9..13 => Op::Sleep(micros(source, 5_000)),
        13 | 14 => Op::Spawn { program: source.choose(6) as u8 },
        15 | 16 => Op::Join { slot: slot(source), within: None },
        17 => Op::Join { slot: slot(source), within: Some(micros(source, 1_000)) },
        18 | 19 => Op::Suspend { slot: slot(source) },
        20..23 => Op::Resume { slot: slot(source) },
        23 => Op::SetClass { slot: slot(source), class: class(source) },
        24 => Op::SetPriority { slot: slot(source), priority: priority(source) },
        25 => Op::SetAffinity { slot: slot(source), cpus: u64::from(between(source, 1, 15)) },
        26 => Op::SetGroup { slot: slot(source), group: source.choose(3) as u8 },
        27 => Op::GroupCreate,
        28 => Op::Offline(CpuId(source.choose(u32::from(cpus)) as u16)),
        29 => Op::Online(CpuId(source.choose(u32::from(cpus)) as u16)),
        30 => Op::CpuTime { slot: slot(source) },
        31 | 32 => text(source),
        _ => [Op::Exit, Op::Null, Op::Null, Op::Fault, Op::ProcessExit][source.choose(5) as usize],
    }
}

/// An operation on the names that threads and groups have.
pub(super) fn capability_op(source: &mut dyn Source) -> Op {
    let mut any = || slot(source) + [0, 0, 0, 0, GROUPS, PROCESSES][source.choose(6) as usize];
    let (name, other) = (any(), any());
    match source.choose(12) {
        0..4 => {
            // Most copies can be used and copied again.
            let missing = [0, 0, 0, 1, 2, 1 << 5, 1 << 6, 1 << 7][source.choose(8) as usize];
            let all = match name {
                PROCESSES.. => 1 | 2 | 1 << 5 | 1 << 6,
                GROUPS.. => 1 | 1 << 5 | 1 << 6,
                _ => 1 | 2 | 1 << 6,
            };
            let rights = CapabilityRights(if missing == 1 << 7 { 0xff } else { all & !missing });
            Op::CapabilityCopy { slot: name, rights, badge: u64::from(source.choose(3)) }
        }
        4 | 5 => Op::CapabilityDelete { slot: name },
        6 | 7 => Op::CapabilityRevoke { slot: name },
        8 => Op::CapabilityInspect { slot: name },
        9 => Op::CapabilitySame { one: name, other },
        10 => Op::CapabilityNext { slot: name },
        _ => Op::ThreadSelf,
    }
}

/// An operation on processes that programs make.
pub(super) fn process_op(source: &mut dyn Source) -> Op {
    let process = source.choose(3) as u8;
    match source.choose(16) {
        0..3 => Op::ProcessCreate { frames: [0, 2, 3, 8, 20, 40, 60, 100][source.choose(8) as usize] },
        3..7 => Op::ProcessThread { process, program: source.choose(6) as u8 },
        7 => {
            // Some of what the maker may do, or a part of that.
            let rights = CapabilityRights([0x43, 0x03, 0x42, 0x01][source.choose(4) as usize]);
            let badge = [0, 1 << 32, 2 << 32, 400 << 32, 1 << 32 | 1][source.choose(5) as usize];
            Op::ProcessGive {
                process,
                slot: AUTHORITIES + source.choose(Authority::ALL.len() as u32) as u8,
                rights,
                badge,
            }
        }
        8 | 9 => match capability_op(source) {
            Op::CapabilityCopy { slot, rights, badge } => Op::ProcessGive { process, slot, rights, badge },
            other => other,
        },
        10 => {
            // One call less, or one in four of a bank.
            let mut half = || u64::from(source.choose(u32::MAX)) << 32 | u64::from(source.choose(u32::MAX));
            let many = half() | half();
            let one = source.choose(TABLE.len() as u32);
            let (bank, calls) =
                if source.choose(2) == 0 { (0, many) } else { (one / 64, !(1 << (one % 64))) };
            Op::ProcessRestrict { process, bank: bank as u8, calls }
        }
        11 => Op::ProcessKill { process },
        12 => Op::ProcessWait { process, within: None },
        13 | 14 => Op::ProcessWait { process, within: Some(micros(source, 100)) },
        _ => Op::ProcessUse { process },
    }
}

/// An operation on words, of the process and of objects, few enough that threads meet.
pub(super) fn word_op(source: &mut dyn Source) -> Op {
    let word = source.choose(3) as u8;
    let slot = source.choose(4) as u8;
    let within = [None, Some(micros(source, 60))][source.choose(2) as usize];
    let expected = u64::from(source.choose(8) == 0);
    let most = [0, 1, 1, 1, 2, 3, u64::MAX, 33][source.choose(8) as usize];
    match source.choose(24) {
        0..6 => Op::WordWait { word, expected, within },
        6..9 => Op::WordWake { word, most },
        9 => Op::WordStore { word, value: u64::from(source.choose(2)) },
        10 => [Op::WordsUnmap, Op::WordsReserve][source.choose(2) as usize],
        11 => Op::WordsReserve,
        12..17 => Op::ObjectWait { slot, word, expected, within },
        17..19 => Op::ObjectWake { slot, word, most },
        19 => [Op::ObjectCreate, Op::ObjectDestroy { slot }][source.choose(2) as usize],
        20 => Op::CapabilityDelete { slot: OBJECTS + slot },
        21 => Op::CapabilityRevoke { slot: OBJECTS + slot },
        22 => {
            let rights = CapabilityRights([0xc, 0x4c, 0x4e, 0x48][source.choose(4) as usize]);
            Op::CapabilityCopy { slot: OBJECTS + slot, rights, badge: 0 }
        }
        _ => {
            let rights = CapabilityRights([0xc, 0x4][source.choose(2) as usize]);
            Op::ProcessGive { process: 0, slot: OBJECTS + slot, rights, badge: 0 }
        }
    }
}

/// What changes who is there and who runs: one of five, of which two let somebody go on.
pub(super) fn stir(source: &mut dyn Source, which: u32) -> Op {
    match which {
        0 => Op::Sleep(Nanos(u64::from(source.choose(3_000)))),
        1 => Op::Spawn { program: source.choose(5) as u8 },
        2 => Op::Suspend { slot: slot(source) },
        _ => Op::Resume { slot: slot(source) },
    }
}

/// An operation on endpoints, few enough that threads meet.
pub(super) fn message_op(source: &mut dyn Source) -> Op {
    let slot = source.choose(3) as u8;
    let within = [None, Some(micros(source, 60)), Some(Nanos(0))][source.choose(3).min(2) as usize];
    match source.choose(32) {
        0..4 => Op::Send { slot, within },
        4..8 => Op::Receive { slot, within },
        8..14 => Op::Call { slot, within },
        14..16 => Op::Reply,
        16..22 => Op::ReplyReceive { slot, within },
        22 => Op::Cancel { slot: self::slot(source) },
        23 => Op::EndpointCreate,
        24 => Op::CapabilityDelete { slot: ENDPOINTS + slot },
        25 => Op::CapabilityRevoke { slot: ENDPOINTS + slot },
        26 | 27 => {
            let rights = CapabilityRights([0x4, 0x8, 0x4c, 0x48, 0xd][source.choose(5) as usize]);
            Op::CapabilityCopy { slot: ENDPOINTS + slot, rights, badge: u64::from(source.choose(3)) }
        }
        28 => Op::CapabilityCopy { slot: ENDPOINTS + slot, rights: CapabilityRights(0x4c), badge: 0 },
        29 => {
            let rights = CapabilityRights([0xc, 0x4, 0x8][source.choose(3) as usize]);
            let badge = u64::from(source.choose(4));
            Op::ProcessGive { process: 0, slot: ENDPOINTS + slot, rights, badge }
        }
        30 => [Op::Cancel { slot: self::slot(source) }, Op::ReplyKeep][source.choose(2) as usize],
        _ => [Op::ReplyKeep, Op::ReplyTo { slot: LAST }, Op::ReplyTo { slot }][source.choose(3) as usize],
    }
}

/// An operation on messages that may carry something.
pub(super) fn parcel_op(source: &mut dyn Source) -> Op {
    match source.choose(12) {
        0 | 1 => Op::Accept { count: source.choose(6) as u8 },
        2 => capability_op(source),
        3 => match message_op(source) {
            // The endpoints stay, most of the time, or nothing would be sent.
            Op::CapabilityDelete { .. } => Op::CapabilityDelete { slot: ENDPOINTS + 3 },
            other => other,
        },
        4..8 => Op::Send { slot: source.choose(2) as u8, within: Some(micros(source, 60)) },
        _ => Op::ReplyReceive { slot: source.choose(2) as u8, within: Some(micros(source, 60)) },
    }
}

/// An operation on messages that may carry pages, or on those pages.
pub(super) fn cargo_op(source: &mut dyn Source) -> Op {
    let (page, count) = (source.choose(14) as u8, 1 + source.choose(4) as u8);
    let within = [None, Some(micros(source, 60)), Some(micros(source, 60))][source.choose(3) as usize];
    match source.choose(20) {
        0 | 1 => accept_pages(source),
        2 | 3 => Op::PagesReserve { page, count },
        4 => Op::PagesUnmap { page: page + source.choose(8) as u8, count },
        5 => {
            let page = page + source.choose(8) as u8;
            [Op::PageStore { page }, Op::PageWait { page, within }][source.choose(2) as usize]
        }
        6 => Op::PagesCopy { page, count: 1, to: source.choose(14) as u8 },
        7 => {
            let rights =
                [PageRights::Read, PageRights::ReadWrite, PageRights::None][source.choose(3) as usize];
            Op::PagesProtect { page, count, rights }
        }
        8..11 => Op::Send { slot: source.choose(2) as u8, within },
        11..14 => Op::Call { slot: source.choose(2) as u8, within },
        14..17 => Op::ReplyReceive { slot: source.choose(2) as u8, within },
        17 => [Op::ReplyKeep, Op::ReplyTo { slot: LAST }][source.choose(2) as usize],
        18 => Op::Accept { count: 4 },
        _ => match reply_op(source) {
            // The endpoints stay, most of the time, or nothing would be sent.
            Op::CapabilityDelete { .. } => Op::CapabilityDelete { slot: ENDPOINTS + 3 },
            other => other,
        },
    }
}

/// Where a thread takes pages: mostly behind those that it sends, and nowhere now and then.
pub(super) fn accept_pages(source: &mut dyn Source) -> Op {
    let page = [16, 12, 13, 18, 20, 4][source.choose(6) as usize];
    Op::AcceptPages { page, count: [8, 8, 4, 2, 0][source.choose(5) as usize] }
}

/// An operation on replies that are kept.
pub(super) fn reply_op(source: &mut dyn Source) -> Op {
    let slot = source.choose(4) as u8;
    match source.choose(12) {
        0 | 1 => Op::ReplyKeep,
        2..5 => Op::ReplyTo { slot: [LAST, slot][source.choose(2) as usize] },
        5 => Op::CapabilityDelete { slot: REPLIES + slot },
        6 => Op::Cancel { slot: self::slot(source) },
        7 => Op::Fault,
        8 => Op::ThreadHandler { thread: self::slot(source), slot },
        _ => parcel_op(source),
    }
}

/// An operation on signals or faults, few enough endpoints that threads meet.
pub(super) fn signal_op(source: &mut dyn Source) -> Op {
    let slot = source.choose(3) as u8;
    let within = [None, Some(micros(source, 60)), Some(Nanos(0))][source.choose(3) as usize];
    let bits = [1, 2, 4, 3, 0][source.choose(5) as usize];
    match source.choose(32) {
        0..5 => Op::Signal { slot, bits },
        5..9 => Op::Receive { slot, within },
        9..12 => Op::ReplyReceive { slot, within },
        12..15 => Op::Fault,
        15 => [Op::Reply, Op::Alarm { slot, bits, within }, Op::Alarm { slot, bits, within }]
            [source.choose(3) as usize],
        16 => {
            let (thread, register) = (self::slot(source), u64::from(source.choose(7)));
            match source.choose(3) {
                0 => Op::ThreadRegister { thread, register },
                1 => Op::ThreadSetRegister { thread, register, value: u64::from(source.choose(9)) },
                _ => Op::ThreadHandler { thread, slot },
            }
        }
        17 => {
            let handler = u64::from(source.choose(8));
            [Op::Upcall { slot, handler }, Op::UpcallEnd, Op::UpcallEnd][source.choose(3) as usize]
        }
        18 | 19 => Op::ProcessNotify { process: source.choose(3) as u8, slot, bits },
        20 => Op::ProcessHandler { process: source.choose(3) as u8, slot },
        21 | 22 => {
            let rights = CapabilityRights([0x80, 0xc0, 0x88, 0x4, 0xcc, 0x8][source.choose(6) as usize]);
            Op::CapabilityCopy { slot: ENDPOINTS + slot, rights, badge: u64::from(source.choose(4)) }
        }
        23 => Op::CapabilityDelete { slot: ENDPOINTS + slot },
        24 => Op::CapabilityRevoke { slot: ENDPOINTS + slot },
        25 => Op::EndpointCreate,
        26 => {
            let rights = CapabilityRights([0x8c, 0x4, 0x80][source.choose(3) as usize]);
            Op::ProcessGive { process: 0, slot: ENDPOINTS + slot, rights, badge: 0 }
        }
        27 => Op::Cancel { slot: self::slot(source) },
        _ => message_op(source),
    }
}

/// A page near an edge of a page table, in a dense window: uniform ones would never meet.
fn window_page(source: &mut dyn Source) -> u64 {
    let edge = [0, 0, 504, 508, 512, 1_024, 1_020][source.choose(7) as usize];
    edge + u64::from(source.choose(12))
}

fn derived_rights(source: &mut dyn Source) -> CapabilityRights {
    // To look, to manage, to read and to copy; sometimes to write or execute as well.
    let more = [0, 1 << 3, 1 << 4, 1 << 3 | 1 << 4][source.choose(4) as usize];
    CapabilityRights(if source.choose(6) == 0 { 1 << 2 | more } else { 1 | 1 << 1 | 1 << 2 | 1 << 6 | more })
}

/// An operation on memory, near an edge of a page table.
pub fn memory_op(source: &mut dyn Source) -> MemoryOp {
    let page = window_page(source);
    let count = match source.choose(16) {
        0 => 512,
        1 => 520,
        2 => 64 + u64::from(source.choose(9)),
        _ => 1 + u64::from(source.choose(8)),
    };
    let rights = match source.choose(8) {
        0 => PageRights::Read,
        1 => PageRights::None,
        2 => PageRights::ReadExecute,
        _ => PageRights::ReadWrite,
    };
    let object = source.choose(3) as usize;
    match source.choose(36) {
        34 | 35 => {
            let copy = (source.choose(2) == 1).then(|| source.choose(3) as usize);
            MemoryOp::Show { object, copy, page: u64::from(source.choose(6)), rights }
        }
        28 | 29 => MemoryOp::Derive { object, rights: derived_rights(source) },
        30 => MemoryOp::DeleteCopy { object, copy: source.choose(3) as usize },
        31 => MemoryOp::Revoke { object, copy: None },
        32 => MemoryOp::Revoke { object, copy: Some(source.choose(3) as usize) },
        33 => MemoryOp::Forget { object },
        26 | 27 => MemoryOp::Bounce { cpus: u64::from(between(source, 1, 15)) },
        20 => MemoryOp::Share { page, count },
        21 => MemoryOp::Create { count },
        22 | 23 => {
            let offset = u64::from(source.choose(4));
            let copy = (source.choose(2) == 1).then(|| source.choose(3) as usize);
            MemoryOp::Map { object, copy, offset, page: window_page(source), count: count.min(6), rights }
        }
        24 => MemoryOp::UnmapMapping { object, mapping: source.choose(2) as usize },
        25 => MemoryOp::Destroy { object },
        0..4 => {
            let page = if count >= 512 { page / 512 * 512 } else { page };
            MemoryOp::Reserve { page, count, rights }
        }
        4 => MemoryOp::Fill { page, count },
        5 | 6 => MemoryOp::Unmap { page, count },
        7 => MemoryOp::Protect { page, count, rights },
        8 => MemoryOp::Move { page, count, to: window_page(source) },
        9..12 => MemoryOp::Copy { page, count, to: window_page(source) },
        12 => MemoryOp::Query { page },
        13..15 => MemoryOp::Load { page },
        _ => MemoryOp::Store { page },
    }
}

fn word(source: &mut dyn Source) -> u64 {
    let near = u64::from(source.choose(4));
    match source.choose(6) {
        0 => near,
        1 => u64::MAX - near,
        2 => 1 << source.choose(64),
        3 => (1 << 38) - near,
        4 => u64::from(source.choose(12)) | u64::from(source.choose(4)) << 32,
        _ => u64::from(source.choose(u32::MAX)) << 32 | u64::from(source.choose(u32::MAX)),
    }
}

/// Any call of the table, such as a program could mean it.
pub(super) fn any_call(source: &mut dyn Source) -> Op {
    let number = TABLE[source.choose(TABLE.len() as u32) as usize];
    let seed = source.choose(1 << 16);
    match number {
        // The ends of process and machine come often enough by themselves.
        Number::PowerOff if !seed.is_multiple_of(32) => Op::Null,
        Number::ProcessExit | Number::ThreadExit if !seed.is_multiple_of(16) => Op::Yield,
        number => Op::Any { number, seed },
    }
}

pub(super) fn raw(source: &mut dyn Source) -> Op {
    let number = match source.choose(8) {
        0 => word(source),
        _ => u64::from(source.choose(TABLE.len() as u32)),
    };
    // The ends of process and machine come often enough by themselves.
    let number = if (19..=20).contains(&number) && source.choose(8) != 0 { 0 } else { number };
    Op::Raw(Request { number, arguments: std::array::from_fn(|_| word(source)) })
}
