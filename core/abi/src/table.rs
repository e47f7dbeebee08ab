//! The one table of syscalls: decoder, stubs, generators, traces and the reference all come from it.

use core::future::Future;

use crate::{
    Argument, CapabilityHandle, CapabilityRights, CapabilityState, Class, Counter, CpuId, Deadline,
    DeviceMessage, EndpointHandle, Error, ExitCode, GroupHandle, Instant, Kind, LineHandle, MappingHandle,
    MemoryUse, Message, Nanos, ObjectHandle, PageRights, PageState, Priority, ProcessHandle, Reply,
    ReplyHandle, Request, ThreadHandle, UserAddress, UserRange, Word,
};

/// One argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What the reference calls it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What a capability has to allow that is named here.
    pub rights: CapabilityRights,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Which call.
    pub number: Number,
    /// Its name.
    pub name: &'static str,
    /// Its arguments, in the order of the registers.
    pub parameters: &'static [Parameter],
    /// Whether a message goes with it.
    pub sends: bool,
    /// What a success returns.
    pub result: Kind,
    /// Whether a message comes with that.
    pub receives: bool,
    /// The errors that it can answer with, besides `BadArgument` for words no argument can be.
    pub errors: &'static [Error],
    /// One line of documentation.
    pub line: &'static str,
}

/// Whatever can carry a program's requests to a kernel: registers on metal, a simulated CPU under glass.
pub trait Sys {
    /// Hands the request over and waits for the answer.
    fn request(&self, request: Request) -> impl Future<Output = Reply>;

    /// The same with a message: what comes back is the one that was received, if one was.
    fn exchange(&self, request: Request, message: Message) -> impl Future<Output = (Reply, Message)>;
}

/// The argument words that have not been decoded yet.
struct Words<'a>(&'a [u64]);

impl Words<'_> {
    #[inline]
    fn take<T: Argument>(&mut self) -> Result<T, Error> {
        let value = T::decode(self.0)?;
        self.0 = &self.0[T::KIND.words()..];
        Ok(value)
    }
}

/// The argument words that have not been written yet.
struct Slots<'a>(&'a mut [u64]);

impl Slots<'_> {
    #[inline]
    fn put<T: Argument>(&mut self, value: T) {
        value.encode(self.0);
        let words = core::mem::take(&mut self.0);
        self.0 = &mut words[T::KIND.words()..];
    }
}

/// What the stub of one call hands over: the same as `Call::encode`, without asking which call it is.
macro_rules! request {
    ($variant:ident ($($argument:ident),*)) => {{
        #[allow(unused_mut, reason = "a call without arguments has none")]
        let mut arguments = [0; 6];
        #[allow(unused_variables, reason = "a call without arguments has none")]
        let slots = &mut Slots(&mut arguments);
        $(slots.put($argument);)*
        Request { number: Number::$variant as u64, arguments }
    }};
}

/// The stub of one call.
macro_rules! stub {
    ($line:literal $name:ident $variant:ident ($($argument:ident: $type:ty),*), $result:ty) => {
        #[doc = $line]
        #[inline]
        fn $name(&self, $($argument: $type),*) -> impl Future<Output = Result<$result, Error>> {
            async move {
                let reply = self.request(request!($variant ($($argument),*))).await;
                <$result as Argument>::decode(&[reply.result()?])
            }
        }
    };
    ($line:literal $name:ident $variant:ident ($($argument:ident: $type:ty),*) sends, $result:ty) => {
        #[doc = $line]
        #[inline]
        fn $name(&self, $($argument: $type,)* message: Message) -> impl Future<Output = Result<$result, Error>> {
            async move {
                let (reply, _) = self.exchange(request!($variant ($($argument),*)), message).await;
                <$result as Argument>::decode(&[reply.result()?])
            }
        }
    };
    ($line:literal $name:ident $variant:ident ($($argument:ident: $type:ty),*), $result:ty, receives) => {
        #[doc = $line]
        #[inline]
        fn $name(&self, $($argument: $type),*) -> impl Future<Output = Result<($result, Message), Error>> {
            async move {
                let request = request!($variant ($($argument),*));
                let (reply, message) = self.exchange(request, Message::default()).await;
                Ok((<$result as Argument>::decode(&[reply.result()?])?, message))
            }
        }
    };
    ($line:literal $name:ident $variant:ident ($($argument:ident: $type:ty),*) sends, $result:ty, receives) => {
        #[doc = $line]
        #[inline]
        fn $name(
            &self,
            $($argument: $type,)*
            message: Message,
        ) -> impl Future<Output = Result<($result, Message), Error>> {
            async move {
                let (reply, message) = self.exchange(request!($variant ($($argument),*)), message).await;
                Ok((<$result as Argument>::decode(&[reply.result()?])?, message))
            }
        }
    };
}

/// Whether a word stands in a row of the table.
macro_rules! says {
    () => {
        false
    };
    ($word:ident) => {
        true
    };
}

macro_rules! syscalls {
    ($(
        #[doc = $line:literal]
        $number:literal $name:ident $variant:ident ($($argument:ident: $type:ty $(as [$($right:ident),+])?),*)
        $($sends:ident)? -> $result:ty $(, $receives:ident)?;
        errors [$($error:ident),*];
    )+) => {
        /// The number of a call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u64)]
        pub enum Number {
            $(#[doc = $line] $variant = $number),+
        }

        impl Number {
            /// The call with this number, if the table has it.
            #[must_use]
            pub const fn from_word(word: u64) -> Option<Self> {
                match word {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The row of the table.
            #[must_use]
            pub fn description(self) -> &'static Description {
                match self {
                    $(Self::$variant => const {
                        &Description {
                            number: Number::$variant,
                            name: stringify!($name),
                            parameters: &[$(Parameter {
                                name: stringify!($argument),
                                kind: <$type as Argument>::KIND,
                                rights: CapabilityRights::NONE$($(.and(CapabilityRights::$right))+)?,
                            }),*],
                            sends: says!($($sends)?),
                            result: <$result as Argument>::KIND,
                            receives: says!($($receives)?),
                            errors: &[$(Error::$error),*],
                            line: $line.trim_ascii(),
                        }
                    },)+
                }
            }
        }

        /// Every call, by rising number.
        pub const TABLE: &[Number] = &[$(Number::$variant),+];

        /// A call whose arguments have been decoded: after this nothing about them is checked twice.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the fields are the arguments that the table names and documents")]
        pub enum Call {
            $(#[doc = $line] $variant { $($argument: $type),* }),+
        }

        impl Call {
            /// Makes sense of a request.
            ///
            /// # Errors
            /// `UnknownCall` if the table has no such number, `BadArgument` if a word cannot be what the
            /// table says it is.
            #[inline]
            pub fn decode(request: &Request) -> Result<Self, Error> {
                match request.number {
                    $($number => {
                        #[allow(unused_variables, reason = "a row without arguments takes none")]
                        let words = &mut Words(&request.arguments);
                        let call = Self::$variant { $($argument: words.take::<$type>()?),* };
                        Ok(call)
                    })+
                    _ => Err(Error::UnknownCall),
                }
            }

            /// Puts the call into words; `decode` gives the same call back.
            #[must_use]
            pub fn encode(&self) -> Request {
                let mut arguments = [0; 6];
                match *self {
                    $(Self::$variant { $($argument),* } => {
                        #[allow(unused_variables, reason = "a row without arguments takes none")]
                        let slots = &mut Slots(&mut arguments);
                        $(slots.put($argument);)*
                        Request { number: $number, arguments }
                    })+
                }
            }

            /// Which call it is.
            #[must_use]
            pub const fn number(&self) -> Number {
                match self {
                    $(Self::$variant { .. } => Number::$variant,)+
                }
            }
        }

        /// The stubs: one method a call, for every carrier.
        pub trait Calls: Sys {
            $(stub!($line $name $variant ($($argument: $type),*) $($sends)?, $result $(, $receives)?);)+
        }

        impl<S: Sys + ?Sized> Calls for S {}
    };
}

syscalls! {
    #[doc = "Does nothing; measures the way in and out."]
    0 null Null() -> (); errors [];

    #[doc = "Lets the other threads of the caller's level go first."]
    1 yield_now YieldNow() -> (); errors [];

    #[doc = "Starts a thread in the caller's process, with the caller's class, priority, group, CPUs, handler."]
    2 thread_create ThreadCreate(entry: UserAddress, stack: UserAddress, argument: Word) -> ThreadHandle;
    errors [BadAddress, NoMemory, OverBudget];

    #[doc = "Ends the calling thread and leaves a result for whoever joins it."]
    3 thread_exit ThreadExit(result: Word) -> (); errors [];

    #[doc = "Waits for the end of a thread, takes its result, and gives its handle back."]
    4 thread_join ThreadJoin(thread: ThreadHandle as [INSPECT], deadline: Deadline) -> Word;
    errors [BadHandle, NoRight, TimedOut, Busy, Deadlock, Cancelled];

    #[doc = "Waits until a moment of the monotonic clock."]
    5 sleep Sleep(until: Deadline) -> (); errors [Cancelled];

    #[doc = "Reads the monotonic clock."]
    6 clock Clock() -> Instant; errors [];

    #[doc = "Writes bytes to the console, as many as fit in one kernel step, and says how many."]
    7 console_write ConsoleWrite(text: UserRange) -> Word; errors [NotAllowed, BadAddress];

    #[doc = "Moves a thread to another scheduling class; to make it more urgent takes authority."]
    8 set_class SetClass(thread: ThreadHandle as [MANAGE], class: Class) -> ();
    errors [BadHandle, NoRight, NotAllowed];

    #[doc = "Changes the priority of a thread within its class; to raise it takes authority."]
    9 set_priority SetPriority(thread: ThreadHandle as [MANAGE], priority: Priority) -> ();
    errors [BadHandle, NoRight, NotAllowed];

    #[doc = "Lets a thread run only on CPUs whose bits are set, from 64 * bank on; each more takes authority."]
    10 set_affinity SetAffinity(thread: ThreadHandle as [MANAGE], bank: Word, cpus: Word) -> ();
    errors [BadHandle, NoRight, BadArgument, NotAllowed];

    #[doc = "Stops a thread, wherever it is, until it is resumed."]
    11 thread_suspend ThreadSuspend(thread: ThreadHandle as [MANAGE]) -> (); errors [BadHandle, NoRight, BadState];

    #[doc = "Lets a suspended thread go on."]
    12 thread_resume ThreadResume(thread: ThreadHandle as [MANAGE]) -> (); errors [BadHandle, NoRight, BadState];

    #[doc = "Names the calling thread."]
    13 thread_self ThreadSelf() -> ThreadHandle; errors [NoMemory, OverBudget];

    #[doc = "Reads how long a thread has run."]
    14 cpu_time CpuTime(thread: ThreadHandle as [INSPECT]) -> Nanos; errors [BadHandle, NoRight];

    #[doc = "Makes a scheduling group, with authority over the caller's level: the groups of a level take turns."]
    15 group_create GroupCreate() -> GroupHandle; errors [NotAllowed, NoMemory, OverBudget];

    #[doc = "Moves a thread into a scheduling group."]
    16 set_group SetGroup(thread: ThreadHandle as [MANAGE], group: GroupHandle as [FILL]) -> (); errors [BadHandle, NoRight];

    #[doc = "Takes a CPU off-line; its threads move to others that they may run on."]
    17 cpu_offline CpuOffline(cpu: CpuId) -> (); errors [BadArgument, NotAllowed, BadState];

    #[doc = "Takes a CPU back into service."]
    18 cpu_online CpuOnline(cpu: CpuId) -> (); errors [BadArgument, NotAllowed, BadState];

    #[doc = "Ends the calling process and all its threads, with a status and a word about why."]
    19 process_exit ProcessExit(status: ExitCode, reason: Word) -> (); errors [];

    #[doc = "Turns the machine off, with a status for whoever started it."]
    20 power_off PowerOff(status: ExitCode) -> (); errors [NotAllowed];

    #[doc = "Reserves pages: the first touch of each brings one that is all zero, and costs one."]
    21 memory_reserve MemoryReserve(range: UserRange, rights: PageRights) -> ();
    errors [BadAddress, Occupied, NoMemory, OverBudget];

    #[doc = "Makes reserved pages resident before they are touched, as large ones where that is possible."]
    22 memory_fill MemoryFill(range: UserRange) -> (); errors [BadAddress, NotMapped, NoMemory, OverBudget];

    #[doc = "Takes pages away; when it returns, nobody reaches them any more."]
    23 memory_unmap MemoryUnmap(range: UserRange) -> (); errors [BadAddress, Foreign, NoMemory, OverBudget];

    #[doc = "Changes what the program may do with pages, up to the first that cannot change."]
    24 memory_protect MemoryProtect(range: UserRange, rights: PageRights) -> ();
    errors [BadAddress, NotMapped, Foreign, NoMemory, OverBudget];

    #[doc = "Moves pages to another address, up to the first that cannot move."]
    25 memory_move MemoryMove(range: UserRange, to: UserAddress) -> ();
    errors [BadAddress, Occupied, Foreign, NoMemory, OverBudget];

    #[doc = "Lets pages appear a second time, up to the first that cannot; who writes gets a copy."]
    26 memory_copy MemoryCopy(range: UserRange, to: UserAddress) -> ();
    errors [BadAddress, Occupied, NoMemory, OverBudget];

    #[doc = "Says what is at an address."]
    27 memory_query MemoryQuery(address: UserAddress) -> PageState; errors [BadAddress];

    #[doc = "Says how many pages the process has, page tables included, and may have."]
    28 memory_use MemoryUse() -> MemoryUse; errors [];

    #[doc = "Makes a memory object of so many bytes: pages that are all zero, and cost one when first touched."]
    29 object_create ObjectCreate(length: Word) -> ObjectHandle; errors [BadArgument, NoMemory, OverBudget];

    #[doc = "Makes a memory object of pages that the caller has, in place; they become a mapping of it."]
    30 object_from_range ObjectFromRange(range: UserRange) -> MappingHandle;
    errors [BadAddress, NotMapped, Foreign, NoMemory, OverBudget];

    #[doc = "Maps a part of a memory object where nothing is."]
    31 object_map ObjectMap(object: ObjectHandle as [READ], offset: Word, range: UserRange, rights: PageRights) -> MappingHandle;
    errors [BadHandle, NoRight, BadArgument, BadAddress, Occupied, NoMemory, OverBudget];

    #[doc = "Names the memory object that a mapping shows."]
    32 mapping_object MappingObject(mapping: MappingHandle as [INSPECT]) -> ObjectHandle; errors [BadHandle];

    #[doc = "Takes a mapping away as a whole; when it returns, nobody reaches its pages through it."]
    33 mapping_unmap MappingUnmap(mapping: MappingHandle as [MANAGE]) -> (); errors [BadHandle];

    #[doc = "Takes all mappings of a memory object away, and then the object."]
    34 object_destroy ObjectDestroy(object: ObjectHandle as [MANAGE]) -> (); errors [BadHandle, NoRight, Busy];

    #[doc = "Derives a capability: with fewer rights, with a badge on one without, or over a smaller range."]
    35 capability_copy CapabilityCopy(capability: CapabilityHandle as [COPY], rights: CapabilityRights, badge: Word) -> CapabilityHandle;
    errors [BadHandle, NoRight, NoMemory, OverBudget];

    #[doc = "Gives a capability up, not what was derived from it; an object goes with its last name or mapping."]
    36 capability_delete CapabilityDelete(capability: CapabilityHandle) -> (); errors [BadHandle];

    #[doc = "Takes away all that was derived from a capability, mappings included, whoever has it."]
    37 capability_revoke CapabilityRevoke(capability: CapabilityHandle) -> ();
    errors [BadHandle, Busy];

    #[doc = "Says what a capability names and allows; it names nothing if that is gone."]
    38 capability_inspect CapabilityInspect(capability: CapabilityHandle) -> CapabilityState; errors [BadHandle];

    #[doc = "Says with a one whether two capabilities name the same, which is there."]
    39 capability_same CapabilitySame(one: CapabilityHandle, other: CapabilityHandle) -> Word; errors [BadHandle];

    #[doc = "Names the caller's next capability, behind the one named or the first; zero if there is none."]
    40 capability_next CapabilityNext(after: CapabilityHandle) -> CapabilityHandle; errors [BadHandle];

    #[doc = "Makes an empty process that may spend so many of the caller's frames; it ends with its maker."]
    41 process_create ProcessCreate(frames: Word) -> ProcessHandle; errors [NoMemory, OverBudget];

    #[doc = "Starts a thread in a process, with the caller's class, priority, group and affinity."]
    42 process_thread ProcessThread(process: ProcessHandle as [FILL], entry: UserAddress, stack: UserAddress, argument: Word) -> ThreadHandle;
    errors [BadHandle, NoRight, BadState, BadAddress, NoMemory, OverBudget];

    #[doc = "Derives a capability and puts it into a process; says how that one calls it."]
    43 process_give ProcessGive(process: ProcessHandle as [FILL], capability: CapabilityHandle as [COPY], rights: CapabilityRights, badge: Word) -> CapabilityHandle;
    errors [BadHandle, NoRight, BadState, NoMemory, OverBudget];

    #[doc = "Maps a part of a memory object where nothing is in a process; says how that one calls it."]
    44 process_map ProcessMap(process: ProcessHandle as [FILL], object: ObjectHandle as [READ], offset: Word, range: UserRange, rights: PageRights) -> MappingHandle;
    errors [BadHandle, NoRight, BadState, BadArgument, BadAddress, Occupied, NoMemory, OverBudget];

    #[doc = "Lets a process make only those calls whose bits are set, counted from call 64 * bank."]
    45 process_restrict ProcessRestrict(process: ProcessHandle as [FILL], bank: Word, calls: Word) -> ();
    errors [BadHandle, NoRight, BadState, BadArgument];

    #[doc = "Ends a process, all its threads and all processes that it has made."]
    46 process_kill ProcessKill(process: ProcessHandle as [MANAGE], status: ExitCode) -> (); errors [BadHandle, NoRight];

    #[doc = "Waits until nothing is left of a process, and says how it ended."]
    47 process_wait ProcessWait(process: ProcessHandle as [INSPECT], deadline: Deadline) -> ExitCode;
    errors [BadHandle, NoRight, TimedOut, Busy, Cancelled];

    #[doc = "Says how many pages a process has, page tables included, and may have."]
    48 process_use ProcessUse(process: ProcessHandle as [INSPECT]) -> MemoryUse; errors [BadHandle, NoRight];

    #[doc = "Waits at a word of the caller's memory until somebody wakes it there, if it holds this."]
    49 word_wait WordWait(address: UserAddress, expected: Word, deadline: Deadline) -> ();
    errors [BadAddress, Changed, TimedOut, NotMapped];

    #[doc = "Wakes who waits at a word, the most urgent first, so many at most and never over 32; says how many."]
    50 word_wake WordWake(address: UserAddress, most: Word) -> Word; errors [BadAddress];

    #[doc = "Waits at a word of a memory object, whoever shows it, if it holds this."]
    51 object_wait ObjectWait(object: ObjectHandle as [READ], offset: Word, expected: Word, deadline: Deadline) -> ();
    errors [BadHandle, NoRight, BadArgument, BadState, Changed, TimedOut];

    #[doc = "Wakes who waits at a word of a memory object, as `word_wake` does; says how many."]
    52 object_wake ObjectWake(object: ObjectHandle as [WRITE], offset: Word, most: Word) -> Word;
    errors [BadHandle, NoRight, BadArgument, BadState];

    #[doc = "Shows the clock page, which says what the machine's counter means, where nothing is."]
    53 clock_map ClockMap(address: UserAddress) -> MappingHandle;
    errors [NotAllowed, BadAddress, Occupied, NoMemory, OverBudget];

    #[doc = "Reads what is counted of a thread."]
    54 thread_count ThreadCount(thread: ThreadHandle as [INSPECT], counter: Counter) -> Word;
    errors [BadHandle, NoRight];

    #[doc = "Reads what is counted of a process, over all threads that it has had."]
    55 process_count ProcessCount(process: ProcessHandle as [INSPECT], counter: Counter) -> Word;
    errors [BadHandle, NoRight];

    #[doc = "Makes an endpoint, where threads hand messages over; it goes with its last name."]
    56 endpoint_create EndpointCreate() -> EndpointHandle; errors [NoMemory, OverBudget];

    #[doc = "Sends a message; waits until somebody has received it."]
    57 send Send(endpoint: EndpointHandle as [WRITE], deadline: Deadline) sends -> ();
    errors [BadHandle, NoRight, BadArgument, BadAddress, Foreign, NoMemory, OverBudget, Busy, Refused, TimedOut,
        PeerGone, Cancelled, NotAllowed];

    #[doc = "Receives signals, or a message, the most urgent first; says which, or the badge it came by."]
    58 receive Receive(endpoint: EndpointHandle as [READ], deadline: Deadline) -> Word, receives;
    errors [BadHandle, NoRight, BadState, TimedOut, PeerGone, Cancelled, NotAllowed];

    #[doc = "Sends a message and waits for the reply of whoever has received it."]
    59 call Call(endpoint: EndpointHandle as [WRITE], deadline: Deadline) sends -> (), receives;
    errors [BadHandle, NoRight, BadArgument, BadAddress, Foreign, NoMemory, OverBudget, Busy, Refused, TimedOut,
        PeerGone, Cancelled, NotAllowed];

    #[doc = "Replies to the call that the thread has received last, once."]
    60 reply Reply() sends -> ();
    errors [PeerGone, BadHandle, NoRight, BadArgument, BadAddress, Foreign, NoMemory, OverBudget, Busy, Refused];

    #[doc = "Replies, if somebody waits for that, and receives the next message, as `reply` and `receive` do."]
    61 reply_receive ReplyReceive(endpoint: EndpointHandle as [READ], deadline: Deadline) sends -> Word, receives;
    errors [BadHandle, NoRight, BadArgument, BadAddress, Foreign, NoMemory, OverBudget, BadState, Busy, Refused,
        TimedOut, PeerGone, Cancelled, NotAllowed];

    #[doc = "Ends the wait of a thread for a message, at a word, for a moment or an end; it hears of it."]
    62 cancel Cancel(thread: ThreadHandle as [MANAGE]) -> (); errors [BadHandle, NoRight, BadState];

    #[doc = "Raises signals at an endpoint, of those that a badge allows; they stay until received."]
    63 signal Signal(endpoint: EndpointHandle as [SIGNAL], bits: Word) -> (); errors [BadHandle, NoRight, PeerGone, NotAllowed];

    #[doc = "Has signals raised when nothing is left of a process, and when it is dismissed from a line."]
    64 process_notify ProcessNotify(process: ProcessHandle as [INSPECT], endpoint: EndpointHandle as [SIGNAL], bits: Word) -> ();
    errors [BadHandle, NoRight, Busy, NotAllowed];

    #[doc = "Has the faults of a thread sent to an endpoint, while its name stands; a reply says what follows."]
    65 thread_handler ThreadHandler(thread: ThreadHandle as [MANAGE], endpoint: EndpointHandle as [WRITE]) -> ();
    errors [BadHandle, NoRight, NotAllowed];

    #[doc = "Has the faults of all threads that are started in a process from now on sent to an endpoint."]
    66 process_handler ProcessHandler(process: ProcessHandle as [FILL], endpoint: EndpointHandle as [WRITE]) -> ();
    errors [BadHandle, NoRight, BadState, NotAllowed];

    #[doc = "Says how many capabilities a message may bring that the calling thread receives; none before that."]
    67 accept Accept(count: Word) -> (); errors [BadArgument];

    #[doc = "Has what comes to an endpoint received at another, which stands for a set, while both are there."]
    68 endpoint_join EndpointJoin(endpoint: EndpointHandle as [READ], set: EndpointHandle as [READ]) -> ();
    errors [BadHandle, NoRight, BadArgument, Busy, BadState, NotAllowed];

    #[doc = "Makes a capability of the reply that the thread owes, to be given later, or by another."]
    69 reply_keep ReplyKeep() -> ReplyHandle; errors [PeerGone, NoMemory, OverBudget];

    #[doc = "Gives a reply that was kept; its capability is used up, also if nobody waits any more."]
    70 reply_to ReplyTo(reply: ReplyHandle) sends -> ();
    errors [PeerGone, BadHandle, NoRight, BadArgument, BadAddress, Foreign, NoMemory, OverBudget, Busy, Refused];

    #[doc = "Has signals raised at a moment, in place of the thread's alarm before; 'never' takes it back."]
    71 alarm Alarm(endpoint: EndpointHandle as [SIGNAL], bits: Word, at: Deadline) -> ();
    errors [BadHandle, NoRight, NotAllowed];

    #[doc = "Says where the pages go that come with messages: one after the other into a range, or nowhere."]
    72 accept_pages AcceptPages(window: UserRange) -> (); errors [BadAddress];

    #[doc = "Has signals raised when a device asks on an interrupt line, while the endpoint's name stands."]
    73 line_bind LineBind(line: Word, endpoint: EndpointHandle as [SIGNAL], bits: Word) -> LineHandle;
    errors [BadHandle, NoRight, BadArgument, NotAllowed, Busy, NoMemory, OverBudget];

    #[doc = "Says that an interrupt has been dealt with: by the caller, or that it was not the caller's."]
    74 line_done LineDone(line: LineHandle as [MANAGE], mine: Word) -> (); errors [BadHandle, BadArgument, BadState];

    #[doc = "Makes a memory object of the registers of devices, by their physical address."]
    75 object_physical ObjectPhysical(address: Word, length: Word) -> ObjectHandle;
    errors [BadArgument, NotAllowed, NoMemory, OverBudget];

    #[doc = "Reads a register of a thread that is stopped by a fault that somebody handles, or suspended."]
    76 thread_register ThreadRegister(thread: ThreadHandle as [INSPECT], register: Word) -> Word;
    errors [BadHandle, NoRight, BadArgument, BadState];

    #[doc = "Changes a register of a thread that is stopped; it goes on with that."]
    77 thread_set_register ThreadSetRegister(thread: ThreadHandle as [MANAGE], register: Word, value: Word) -> ();
    errors [BadHandle, NoRight, BadArgument, BadState];

    #[doc = "Has signals that nobody receives interrupt the caller, by a handler on a stack, unless it is zero."]
    78 upcall Upcall(endpoint: EndpointHandle as [READ], handler: UserAddress, stack: UserAddress) -> ();
    errors [BadHandle, NoRight, BadState, BadAddress, Busy, NoMemory, NotAllowed];

    #[doc = "Goes on with what signals have interrupted, as if there had been none."]
    79 upcall_end UpcallEnd() -> (); errors [BadState];

    #[doc = "Has signals raised, once, when a memory object has no mapping any more; at once if it has none."]
    80 object_notify ObjectNotify(object: ObjectHandle as [INSPECT], endpoint: EndpointHandle as [SIGNAL], bits: Word) -> ();
    errors [BadHandle, NoRight, Busy, NotAllowed];

    #[doc = "Takes an endpoint out of its set; who waits to be received there by it still is."]
    81 endpoint_leave EndpointLeave(endpoint: EndpointHandle as [READ]) -> (); errors [BadHandle, NoRight, BadState, Busy];

    #[doc = "Reads how long the threads of a process have run, those that have ended included."]
    82 process_time ProcessTime(process: ProcessHandle as [INSPECT]) -> Nanos; errors [BadHandle, NoRight];

    #[doc = "Reads the word about why a process has ended: its own, or the address of the fault that ended it."]
    83 process_reason ProcessReason(process: ProcessHandle as [INSPECT]) -> Word; errors [BadHandle, NoRight, BadState];

    #[doc = "Lets a capability be used so often, or any number if zero, and until then; never more than before."]
    84 capability_limit CapabilityLimit(capability: CapabilityHandle, uses: Word, until: Deadline) -> ();
    errors [BadHandle, BadArgument, Busy];

    #[doc = "Makes the caller's thread-local storage start at an address."]
    85 thread_pointer ThreadPointer(address: UserAddress) -> (); errors [BadAddress];

    #[doc = "Gives a word that nobody can guess."]
    86 random Random() -> Word; errors [NotAllowed];

    #[doc = "Says what wall time it is, in nanoseconds since 1970 began; whoever sees the clock page learns it."]
    87 clock_set ClockSet(wall: Instant) -> (); errors [NotAllowed, BadArgument];

    #[doc = "Closes the caller's process: endpoints that it makes hear the group; it receives at no others."]
    88 process_close ProcessClose(group: GroupHandle as [FILL]) -> (); errors [BadHandle, NoRight, Busy, BadState];

    #[doc = "Has all that a process will send, and those that it makes, sent to an endpoint of the caller's."]
    89 process_host ProcessHost(process: ProcessHandle as [FILL], endpoint: EndpointHandle as [WRITE]) -> ();
    errors [BadHandle, NoRight, BadState, NotAllowed];

    #[doc = "Reads one, two or four bytes from a port of a device and those behind it."]
    90 port_read PortRead(port: Word, width: Word) -> Word; errors [BadArgument, NotAllowed];

    #[doc = "Writes one, two or four bytes to a port of a device and those behind it."]
    91 port_write PortWrite(port: Word, width: Word, value: Word) -> (); errors [BadArgument, NotAllowed];

    #[doc = "Makes a memory object, to be read, of what firmware says of the machine; there is one, once."]
    92 object_firmware ObjectFirmware() -> ObjectHandle; errors [NotAllowed, BadState, NoMemory, OverBudget];

    #[doc = "Says by which message a device asks on an interrupt line that has no wire."]
    93 line_message LineMessage(line: LineHandle as [INSPECT]) -> DeviceMessage; errors [BadHandle, BadState];
}
