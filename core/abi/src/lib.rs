//! What a user program and the kernel both see.
//!
//! Here live the syscall table, errors, handles and the words they travel in.
//! Nothing here knows a machine, a scheduler or a page table; nothing here runs in the kernel only.
//! May import: nothing.
#![no_std]
#![forbid(unsafe_code)]

mod argument;
mod calls;
mod clock;
mod error;
mod fault;
mod message;
mod table;
mod words;

pub use argument::{Argument, Kind, Request};
pub use calls::CallSet;
pub use clock::{ClockPage, CounterRate};
pub use error::{Error, Reply};
pub use fault::{FaultAnswer, FaultKind, FaultReport};
pub use message::{Arrival, Carries, MESSAGE_WORDS, MOST_CARRIED, MOST_PAGES, MOST_RANGES, Message, Passage};
pub use table::{Call, Calls, Description, Number, Parameter, Sys, TABLE};
pub use words::{
    Authority, CapabilityHandle, CapabilityKind, CapabilityRights, CapabilityState, Class, Counter, CpuId,
    Deadline, DeviceMessage, EndpointHandle, ExitCode, FLOAT_REGISTERS, GroupHandle, Instant, LineHandle,
    MappingHandle, MemoryUse, Nanos, ObjectHandle, PageKind, PageRights, PageState, Priority, ProcessHandle,
    Reach, ReplyHandle, ThreadHandle, UserAddress, UserRange, Word,
};
