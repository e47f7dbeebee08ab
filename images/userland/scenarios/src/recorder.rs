//! The recorder: passes every call on and writes what a transcript may hold about it.

use core::cell::RefCell;
use core::fmt::{self, Write};

use coldframe_abi::{
    Arrival, CapabilityRights, CapabilityState, Deadline, Kind, Message, Number, PageRights, PageState,
    Reply, Request, Sys,
};

use crate::{Ground, Part, SCENARIOS};

const LINE: usize = 192;
const HANDLES: usize = 64;

/// One line of text in a fixed place.
struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// What a thread has done so far, as far as names depend on it.
struct Past {
    events: u32,
    handles: [u64; HANDLES],
    known: usize,
}

/// Passes calls on to the ground and records them.
pub struct Recorder<'a, G> {
    ground: &'a G,
    part: Part,
    past: RefCell<Past>,
}

impl<'a, G: Ground> Recorder<'a, G> {
    /// A recorder for one thread.
    pub const fn new(ground: &'a G, part: Part) -> Self {
        Self { ground, part, past: RefCell::new(Past { events: 0, handles: [0; HANDLES], known: 0 }) }
    }

    /// The ground, for what is not recorded.
    #[must_use]
    pub const fn ground(&self) -> &'a G {
        self.ground
    }

    /// Which part the thread plays.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Records something that the scenario has found out.
    pub async fn note(&self, text: &str) {
        self.line(|line, _| line.write_str(text)).await;
    }

    /// The word to start a thread with that plays a role of this scenario in a seat.
    #[must_use]
    pub const fn part_word(&self, role: u8, seat: u8) -> u64 {
        Part { scenario: self.part.scenario, role, seat }.to_word()
    }

    async fn line(&self, fill: impl FnOnce(&mut Line, &mut Past) -> fmt::Result) {
        let mut line = Line { bytes: [0; LINE], length: 0 };
        {
            let mut past = self.past.borrow_mut();
            past.events += 1;
            let scenario =
                SCENARIOS.get(usize::from(self.part.scenario)).map_or("?", |scenario| scenario.name);
            // A line that is too long is cut; all grounds cut it at the same place.
            let _ = write!(line, "@{scenario}.{} {:03} ", self.part.seat, past.events);
            let _ = fill(&mut line, &mut past);
            let end = line.length.min(LINE - 1);
            line.bytes[end] = b'\n';
            line.length = end + 1;
        }
        if let Ok(text) = core::str::from_utf8(&line.bytes[..line.length]) {
            self.ground.print(text).await;
        }
    }
}

impl<G: Ground> Sys for Recorder<'_, G> {
    async fn request(&self, request: Request) -> Reply {
        let reply = self.ground.request(request).await;
        self.line(|line, past| describe(line, past, &request, reply)).await;
        reply
    }

    async fn exchange(&self, request: Request, message: Message) -> (Reply, Message) {
        let (reply, received) = self.ground.exchange(request, message).await;
        self.line(|line, past| {
            let row = Number::from_word(request.number).map(Number::description);
            describe(line, past, &request, reply)?;
            if row.is_some_and(|row| row.sends) {
                text(line, past, " sent", &message)?;
            }
            if row.is_some_and(|row| row.receives) && reply.status == 0 {
                match received.arrival {
                    Arrival::Signalled => line.write_str(" signals")?,
                    _ => text(line, past, " received", &received)?,
                }
            }
            Ok(())
        })
        .await;
        (reply, received)
    }
}

fn describe(line: &mut Line, past: &mut Past, request: &Request, reply: Reply) -> fmt::Result {
    let Some(number) = Number::from_word(request.number) else {
        write!(line, "call {}", request.number)?;
        return outcome(line, past, Kind::Word, reply);
    };
    let row = number.description();
    line.write_str(row.name)?;
    let mut word = 0;
    for parameter in row.parameters {
        write!(line, " {}=", parameter.name)?;
        // Where its devices are is another place on every ground.
        if parameter.kind == Kind::Word && matches!(parameter.name, "line" | "address") {
            line.write_str("·")?;
        } else {
            argument(line, past, parameter.kind, request.arguments[word])?;
        }
        word += parameter.kind.words();
    }
    outcome(line, past, row.result, reply)
}

/// A message, up to the last word that is not zero.
fn text(line: &mut Line, past: &mut Past, what: &str, message: &Message) -> fmt::Result {
    write!(line, "{what} {}", message.label)?;
    let count = message.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    for (index, word) in message.words[..count].iter().enumerate() {
        if index < message.carries.count() {
            let how = if message.carries.moves(index) { "moved " } else { "" };
            write!(line, ",{how}capability{}", nickname(past, *word))?;
        } else {
            write!(line, ",{word}")?;
        }
    }
    Ok(())
}

fn outcome(line: &mut Line, past: &mut Past, kind: Kind, reply: Reply) -> fmt::Result {
    line.write_str(" -> ")?;
    match reply.result() {
        Ok(value) => argument(line, past, kind, value),
        Err(error) => write!(line, "{error:?}"),
    }
}

fn argument(line: &mut Line, past: &mut Past, kind: Kind, word: u64) -> fmt::Result {
    match kind {
        Kind::Nothing => line.write_str("ok"),
        Kind::Address | Kind::Range | Kind::Instant | Kind::Nanos => line.write_str("·"),
        Kind::Deadline => line.write_str(match Deadline(word) {
            Deadline::NOW => "now",
            Deadline::NEVER => "never",
            _ => "later",
        }),
        Kind::Capability if word == 0 => line.write_str("none"),
        Kind::Capability => write!(line, "capability{}", nickname(past, word)),
        Kind::CapabilityRights => rights(line, CapabilityRights(word as u8)),
        Kind::CapabilityState => {
            let state = CapabilityState::from_word(word);
            write!(line, "{:?}/", state.kind)?;
            rights(line, state.rights)
        }
        Kind::Process => write!(line, "process{}", nickname(past, word)),
        Kind::Thread => write!(line, "thread{}", nickname(past, word)),
        Kind::Object => write!(line, "object{}", nickname(past, word)),
        Kind::Mapping => write!(line, "mapping{}", nickname(past, word)),
        Kind::Group => write!(line, "group{}", nickname(past, word)),
        Kind::Endpoint => write!(line, "endpoint{}", nickname(past, word)),
        Kind::Reply => write!(line, "reply{}", nickname(past, word)),
        Kind::Line => write!(line, "line{}", nickname(past, word)),
        // How many pages a program has, and may have, is another number on every ground.
        // So are the messages of devices.
        Kind::MemoryUse | Kind::DeviceMessage => line.write_str("·"),
        Kind::PageState => {
            let state = PageState::from_word(word);
            write!(line, "{:?}/{:?}", state.kind, state.rights)
        }
        Kind::PageRights => match PageRights::ALL.get(word as usize) {
            Some(rights) => write!(line, "{rights:?}"),
            None => write!(line, "{word}"),
        },
        Kind::Word | Kind::Counter | Kind::Class | Kind::Priority | Kind::Cpu | Kind::ExitCode => {
            write!(line, "{word}")
        }
    }
}

fn rights(line: &mut Line, rights: CapabilityRights) -> fmt::Result {
    const LETTERS: &[u8; 8] = b"imrwxfcs";
    for (bit, letter) in LETTERS.iter().enumerate() {
        line.write_char(if rights.0 >> bit & 1 == 1 { char::from(*letter) } else { '-' })?;
    }
    Ok(())
}

/// Handles are called by the order of their first use.
fn nickname(past: &mut Past, handle: u64) -> usize {
    let known = past.handles[..past.known].iter().position(|other| *other == handle);
    known.unwrap_or_else(|| {
        let fresh = past.known.min(HANDLES - 1);
        past.handles[fresh] = handle;
        past.known = fresh + 1;
        fresh
    })
}
