//! What a thread's handler hears of its fault, and what it can answer.

use crate::{Arrival, Carries, Message};

/// A fault, as the message that the kernel makes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultReport {
    /// What the thread did.
    pub kind: FaultKind,
    /// What the machine calls it.
    pub cause: u64,
    /// About which address it was.
    pub address: u64,
    /// Where the thread was, and its stack.
    pub program_counter: u64,
    /// Its stack.
    pub stack: u64,
}

/// What a thread did that brought a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultKind {
    /// It did what the machine does not know or allow: an instruction, an alignment, a breakpoint.
    #[default]
    Exception = 0,
    /// It read where it may not.
    Load = 1,
    /// It wrote where it may not.
    Store = 2,
    /// It fetched an instruction where it may not.
    Fetch = 3,
}

impl FaultReport {
    /// As the handler receives it.
    #[must_use]
    pub const fn to_message(self) -> Message {
        let words = [self.cause, self.address, self.program_counter, self.stack, 0, 0, 0];
        Message { label: self.kind as u64, words, carries: Carries::NONE, arrival: Arrival::Called }
    }

    /// From what the handler has received.
    #[must_use]
    pub const fn from_message(message: &Message) -> Self {
        let kind = match message.label {
            1 => FaultKind::Load,
            2 => FaultKind::Store,
            3 => FaultKind::Fetch,
            _ => FaultKind::Exception,
        };
        let [cause, address, program_counter, stack, ..] = message.words;
        Self { kind, cause, address, program_counter, stack }
    }
}

/// What becomes of a thread that had a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultAnswer {
    /// It tries again what it did.
    Resume,
    /// It goes on somewhere else.
    ResumeAt {
        /// Where.
        program_counter: u64,
        /// With which stack.
        stack: u64,
    },
    /// Its process ends, as it does without a handler.
    End,
}

impl FaultAnswer {
    /// As the handler replies it.
    #[must_use]
    pub const fn to_message(self) -> Message {
        match self {
            Self::Resume => Message::new(0, [0; 4]),
            Self::ResumeAt { program_counter, stack } => Message::new(1, [program_counter, stack, 0, 0]),
            Self::End => Message::new(2, [0; 4]),
        }
    }

    /// From what the handler has replied: whatever is no other answer is the end.
    #[must_use]
    pub const fn from_message(message: &Message) -> Self {
        match message.label {
            0 => Self::Resume,
            1 => Self::ResumeAt { program_counter: message.words[0], stack: message.words[1] },
            _ => Self::End,
        }
    }
}
