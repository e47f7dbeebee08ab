//! What an operation asks the kernel for.

use coldframe_abi::{
    Call, Deadline, ExitCode, Instant, Nanos, Number, PageRights, Request, UserAddress, UserRange, Word,
};

use super::names::VICTIM;
use super::{FIRST_MADE, Op, PAGES, Programs, WORDS, first_window};
use crate::typed::Typed;

impl Programs {
    /// The request that an operation makes, if it makes one.
    pub(super) fn call(&self, op: Op, now: Instant) -> Option<Request> {
        let call = match op {
            Op::Null => Call::Null {},
            Op::Yield => Call::YieldNow {},
            Op::Sleep(span) => Call::Sleep { until: Deadline::at(now.after(span)) },
            Op::Spawn { program } => {
                let program = u64::from(program) % self.programs.len() as u64;
                // The stack register holds the number of the thread's window.
                let stack = first_window(FIRST_MADE + self.made);
                Call::ThreadCreate { entry: UserAddress(0), stack, argument: Word(program) }
            }
            Op::Join { slot, within } => {
                Call::ThreadJoin { thread: self.names.thread(slot), deadline: until(now, within) }
            }
            Op::Exit => Call::ThreadExit { result: Word(0) },
            Op::SetClass { slot, class } => Call::SetClass { thread: self.names.thread(slot), class },
            Op::SetPriority { slot, priority } => {
                Call::SetPriority { thread: self.names.thread(slot), priority }
            }
            Op::SetAffinity { slot, cpus } => {
                Call::SetAffinity { thread: self.names.thread(slot), bank: Word(0), cpus: Word(cpus) }
            }
            Op::Suspend { slot } => Call::ThreadSuspend { thread: self.names.thread(slot) },
            Op::Resume { slot } => Call::ThreadResume { thread: self.names.thread(slot) },
            Op::GroupCreate => Call::GroupCreate {},
            Op::SetGroup { slot, group } => {
                Call::SetGroup { thread: self.names.thread(slot), group: self.names.group(group) }
            }
            Op::Offline(cpu) => Call::CpuOffline { cpu },
            Op::Online(cpu) => Call::CpuOnline { cpu },
            Op::CpuTime { slot } => Call::CpuTime { thread: self.names.thread(slot) },
            Op::CapabilityCopy { slot, rights, badge } => {
                Call::CapabilityCopy { capability: self.names.capability(slot), rights, badge: Word(badge) }
            }
            Op::CapabilityDelete { slot } => {
                Call::CapabilityDelete { capability: self.names.capability(slot) }
            }
            Op::CapabilityRevoke { slot } => {
                Call::CapabilityRevoke { capability: self.names.capability(slot) }
            }
            Op::CapabilityInspect { slot } => {
                Call::CapabilityInspect { capability: self.names.capability(slot) }
            }
            Op::CapabilitySame { one, other } => {
                Call::CapabilitySame { one: self.names.capability(one), other: self.names.capability(other) }
            }
            Op::CapabilityNext { slot } => Call::CapabilityNext { after: self.names.capability(slot) },
            Op::ThreadSelf => Call::ThreadSelf {},
            Op::ProcessCreate { frames } => Call::ProcessCreate { frames: Word(frames) },
            Op::ProcessThread { process, program } => {
                let program = u64::from(program) % self.programs.len() as u64;
                let stack = first_window(FIRST_MADE + self.made);
                let (process, entry) = (self.names.process(process), UserAddress(0));
                Call::ProcessThread { process, entry, stack, argument: Word(program) }
            }
            Op::ProcessGive { process, slot, rights, badge } => {
                let (process, capability) = (self.names.process(process), self.names.capability(slot));
                Call::ProcessGive { process, capability, rights, badge: Word(badge) }
            }
            Op::ProcessRestrict { process, bank, calls } => {
                let process = self.names.process(process);
                Call::ProcessRestrict { process, bank: Word(bank.into()), calls: Word(calls) }
            }
            Op::ProcessKill { process } => {
                Call::ProcessKill { process: self.names.process(process), status: ExitCode(9) }
            }
            Op::ProcessWait { process, within } => {
                Call::ProcessWait { process: self.names.process(process), deadline: until(now, within) }
            }
            Op::ProcessUse { process } => Call::ProcessUse { process: self.names.process(process) },
            Op::Write { start, length } => {
                Call::ConsoleWrite { text: UserRange { start: UserAddress(start), length } }
            }
            Op::ProcessExit => Call::ProcessExit { status: ExitCode(3), reason: Word(7) },
            Op::WordWait { word, expected, within } => Call::WordWait {
                address: word_at(word),
                expected: Word(expected),
                deadline: until(now, within),
            },
            Op::WordWake { word, most } => Call::WordWake { address: word_at(word), most: Word(most) },
            Op::WordsUnmap => Call::MemoryUnmap { range: WORDS },
            Op::WordsReserve => Call::MemoryReserve { range: WORDS, rights: PageRights::ReadWrite },
            Op::ObjectCreate => Call::ObjectCreate { length: Word(WORDS.length) },
            Op::ObjectWait { slot, word, expected, within } => Call::ObjectWait {
                object: self.names.object(slot),
                offset: Word(u64::from(word) * 8),
                expected: Word(expected),
                deadline: until(now, within),
            },
            Op::ObjectWake { slot, word, most } => {
                let offset = Word(u64::from(word) * 8);
                Call::ObjectWake { object: self.names.object(slot), offset, most: Word(most) }
            }
            Op::ObjectDestroy { slot } => Call::ObjectDestroy { object: self.names.object(slot) },
            Op::EndpointCreate => Call::EndpointCreate {},
            Op::Send { slot, within } => {
                Call::Send { endpoint: self.names.endpoint(slot), deadline: until(now, within) }
            }
            Op::Receive { slot, within } => {
                Call::Receive { endpoint: self.names.endpoint(slot), deadline: until(now, within) }
            }
            Op::Call { slot, within } => {
                Call::Call { endpoint: self.names.endpoint(slot), deadline: until(now, within) }
            }
            Op::Reply => Call::Reply {},
            Op::ReplyKeep => Call::ReplyKeep {},
            Op::Alarm { slot, bits, within } => {
                Call::Alarm { endpoint: self.names.endpoint(slot), bits: Word(bits), at: until(now, within) }
            }
            Op::ThreadRegister { thread, register } => {
                Call::ThreadRegister { thread: self.names.thread(thread), register: Word(register) }
            }
            Op::ThreadSetRegister { thread, register, value } => Call::ThreadSetRegister {
                thread: self.names.thread(thread),
                register: Word(register),
                value: Word(value),
            },
            Op::VictimCreate { frames } => Call::ProcessCreate { frames: Word(frames) },
            Op::VictimForget => Call::CapabilityDelete { capability: self.names.process(VICTIM).into() },
            Op::Upcall { slot, handler } => Call::Upcall {
                endpoint: self.names.endpoint(slot),
                handler: UserAddress(handler),
                stack: UserAddress(0x5000),
            },
            Op::UpcallEnd => Call::UpcallEnd {},
            Op::LineBind { line, slot, bits } => Call::LineBind {
                line: Word(line.into()),
                endpoint: self.names.endpoint(slot),
                bits: Word(bits),
            },
            Op::LineDone { slot, mine } => {
                Call::LineDone { line: self.names.line(slot), mine: Word(mine.into()) }
            }
            Op::LineMessage { slot } => Call::LineMessage { line: self.names.line(slot) },
            Op::ReplyTo { slot } => Call::ReplyTo { reply: self.names.reply(slot) },
            Op::ReplyReceive { slot, within } => {
                Call::ReplyReceive { endpoint: self.names.endpoint(slot), deadline: until(now, within) }
            }
            Op::Cancel { slot } => Call::Cancel { thread: self.names.thread(slot) },
            Op::AcceptPages { page, count } => Call::AcceptPages { window: pages_at(page, count) },
            Op::PagesReserve { page, count } => {
                Call::MemoryReserve { range: pages_at(page, count), rights: PageRights::ReadWrite }
            }
            Op::PagesUnmap { page, count } => Call::MemoryUnmap { range: pages_at(page, count) },
            Op::PagesProtect { page, count, rights } => {
                Call::MemoryProtect { range: pages_at(page, count), rights }
            }
            Op::PagesCopy { page, count, to } => {
                Call::MemoryCopy { range: pages_at(page, count), to: page_at(to) }
            }
            Op::PageWait { page, within } => {
                Call::WordWait { address: page_at(page), expected: Word(0), deadline: until(now, within) }
            }
            Op::Accept { count } => Call::Accept { count: Word(count.into()) },
            Op::EndpointJoin { slot, set } => {
                Call::EndpointJoin { endpoint: self.names.endpoint(slot), set: self.names.endpoint(set) }
            }
            Op::Signal { slot, bits } => {
                Call::Signal { endpoint: self.names.endpoint(slot), bits: Word(bits) }
            }
            Op::ProcessNotify { process, slot, bits } => Call::ProcessNotify {
                process: self.names.process(process),
                endpoint: self.names.endpoint(slot),
                bits: Word(bits),
            },
            Op::ThreadHandler { thread, slot } => {
                Call::ThreadHandler { thread: self.names.thread(thread), endpoint: self.names.endpoint(slot) }
            }
            Op::ProcessHandler { process, slot } => {
                let (process, endpoint) = (self.names.process(process), self.names.endpoint(slot));
                Call::ProcessHandler { process, endpoint }
            }
            Op::ProcessClose { group } => Call::ProcessClose { group: self.names.group(group) },
            Op::ProcessHost { process, slot } => {
                let (process, endpoint) = (self.names.process(process), self.names.endpoint(slot));
                Call::ProcessHost { process, endpoint }
            }
            Op::Raw(request) => return Some(request),
            Op::Any { number, seed } => return Some(self.any(number, seed, now)),
            Op::Compute(_)
            | Op::Memory(_)
            | Op::WordStore { .. }
            | Op::PageStore { .. }
            | Op::ForgetNames
            | Op::Silence { .. }
            | Op::Fault
            | Op::Again { .. } => return None,
        };
        Some(call.encode())
    }

    fn any(&self, number: Number, seed: u32, now: Instant) -> Request {
        let lists = self.names.lists();
        let program = self.programs.len() as u64;
        let stack = first_window(FIRST_MADE + self.made).0;
        Typed { lists, now, program, stack }.request(number, seed)
    }
}

fn until(now: Instant, within: Option<Nanos>) -> Deadline {
    within.map_or(Deadline::NEVER, |span| Deadline::at(now.after(span)))
}

/// One of the pages that the threads of a process share.
pub(super) const fn page_at(page: u8) -> UserAddress {
    UserAddress(PAGES.start.0 + page as u64 * 4_096)
}

const fn pages_at(page: u8, count: u8) -> UserRange {
    UserRange { start: page_at(page), length: count as u64 * 4_096 }
}

/// One of the words that the threads of a process share.
pub(super) const fn word_at(word: u8) -> UserAddress {
    UserAddress(WORDS.start.0 + word as u64 * 8)
}
