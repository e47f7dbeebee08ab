//! What one operation of a program is.

use coldframe_abi::{CapabilityRights, Class, CpuId, Nanos, Number, PageRights, Priority, Request};

use crate::window::MemoryOp;

/// One operation of a program. A `slot` names one of the threads or groups that the world has made so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum Op {
    Compute(Nanos),
    Null,
    Yield,
    Sleep(Nanos),
    Spawn {
        program: u8,
    },
    Join {
        slot: u8,
        within: Option<Nanos>,
    },
    Exit,
    SetClass {
        slot: u8,
        class: Class,
    },
    SetPriority {
        slot: u8,
        priority: Priority,
    },
    SetAffinity {
        slot: u8,
        cpus: u64,
    },
    Suspend {
        slot: u8,
    },
    Resume {
        slot: u8,
    },
    GroupCreate,
    SetGroup {
        slot: u8,
        group: u8,
    },
    Offline(CpuId),
    Online(CpuId),
    CpuTime {
        slot: u8,
    },
    CapabilityCopy {
        slot: u8,
        rights: CapabilityRights,
        badge: u64,
    },
    CapabilityDelete {
        slot: u8,
    },
    CapabilityRevoke {
        slot: u8,
    },
    CapabilityInspect {
        slot: u8,
    },
    CapabilitySame {
        one: u8,
        other: u8,
    },
    CapabilityNext {
        slot: u8,
    },
    ThreadSelf,
    ProcessCreate {
        frames: u64,
    },
    ProcessThread {
        process: u8,
        program: u8,
    },
    ProcessGive {
        process: u8,
        slot: u8,
        rights: CapabilityRights,
        badge: u64,
    },
    ProcessRestrict {
        process: u8,
        bank: u8,
        calls: u64,
    },
    ProcessKill {
        process: u8,
    },
    ProcessWait {
        process: u8,
        within: Option<Nanos>,
    },
    ProcessUse {
        process: u8,
    },
    Write {
        start: u64,
        length: u64,
    },
    Raw(Request),
    Memory(MemoryOp),
    /// Stores a value at one of the words that the threads of a process share.
    WordStore {
        word: u8,
        value: u64,
    },
    WordWait {
        word: u8,
        expected: u64,
        within: Option<Nanos>,
    },
    WordWake {
        word: u8,
        most: u64,
    },
    /// Takes the page away that has those words.
    WordsUnmap,
    /// Brings it back, all zero.
    WordsReserve,
    ObjectCreate,
    ObjectWait {
        slot: u8,
        word: u8,
        expected: u64,
        within: Option<Nanos>,
    },
    ObjectWake {
        slot: u8,
        word: u8,
        most: u64,
    },
    ObjectDestroy {
        slot: u8,
    },
    EndpointCreate,
    Send {
        slot: u8,
        within: Option<Nanos>,
    },
    Receive {
        slot: u8,
        within: Option<Nanos>,
    },
    Call {
        slot: u8,
        within: Option<Nanos>,
    },
    Reply,
    Alarm {
        slot: u8,
        bits: u64,
        within: Option<Nanos>,
    },
    ThreadRegister {
        thread: u8,
        register: u64,
    },
    ThreadSetRegister {
        thread: u8,
        register: u64,
        value: u64,
    },
    Upcall {
        slot: u8,
        handler: u64,
    },
    UpcallEnd,
    LineBind {
        line: u8,
        slot: u8,
        bits: u64,
    },
    LineDone {
        slot: u8,
        mine: bool,
    },
    LineMessage {
        slot: u8,
    },
    /// Makes a process that is killed later, whatever it has become.
    VictimCreate {
        frames: u64,
    },
    VictimForget,
    /// What the programs of the last victim called things means nothing in the next one.
    ForgetNames,
    /// A driver silences its device.
    Silence {
        line: u8,
    },
    ReplyKeep,
    ReplyTo {
        slot: u8,
    },
    ReplyReceive {
        slot: u8,
        within: Option<Nanos>,
    },
    Cancel {
        slot: u8,
    },
    /// The pages of messages go there from now on, of those that the threads of a process share; nowhere, if there are none.
    AcceptPages {
        page: u8,
        count: u8,
    },
    PagesReserve {
        page: u8,
        count: u8,
    },
    PagesUnmap {
        page: u8,
        count: u8,
    },
    PagesProtect {
        page: u8,
        count: u8,
        rights: PageRights,
    },
    PagesCopy {
        page: u8,
        count: u8,
        to: u8,
    },
    /// Stores something at one of them, if that is possible.
    PageStore {
        page: u8,
    },
    /// Waits at the first word of one of them, as long as it is zero.
    PageWait {
        page: u8,
        within: Option<Nanos>,
    },
    /// From now on the thread takes messages with so many capabilities.
    Accept {
        count: u8,
    },
    Signal {
        slot: u8,
        bits: u64,
    },
    EndpointJoin {
        slot: u8,
        set: u8,
    },
    ProcessNotify {
        process: u8,
        slot: u8,
        bits: u64,
    },
    ThreadHandler {
        thread: u8,
        slot: u8,
    },
    ProcessHandler {
        process: u8,
        slot: u8,
    },
    ProcessClose {
        group: u8,
    },
    ProcessHost {
        process: u8,
        slot: u8,
    },
    /// A call of the table with arguments of the kinds that it takes, most of them such as there are.
    Any {
        number: Number,
        seed: u32,
    },
    Fault,
    ProcessExit,
    /// From the start again, so often in all.
    Again {
        times: u16,
    },
}
