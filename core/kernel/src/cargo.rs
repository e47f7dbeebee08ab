//! Pages that go along with messages.
//!
//! Before a message with pages is sent, its sender makes them ready: *loading*, which is work like any other. When its
//! call is answered, whatever with, it first takes back what has not gone and what was lent: *unloading*. In between
//! the pages belong to the thread's cargo, and to nobody else's; whoever receives the message gets all of them or none.

use coldframe_abi::{Carries, Error, MOST_PAGES, MOST_RANGES, Message, Passage, UserRange};
use coldframe_hal::{Cpu, Machine, Store, UserRegisters};
use coldframe_memory::{Flush, Pages, SpaceError};

use crate::calls::Caller;
use crate::work::made_private;
use crate::{After, Kernel, Task, Work};

/// Where lent pages appear a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// In whose space.
    pub(crate) process: u32,
    pub(crate) generation: u32,
    pub(crate) pages: Pages,
    /// They have been taken away there, once: when no flush is under way, no CPU reaches them. What is there then is
    /// none of theirs.
    pub(crate) taken: bool,
}

impl Place {
    /// Where.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.pages
    }

    /// In whose space.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.process
    }

    /// Whether they have been taken away there.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        self.taken
    }

    /// Which process of that row it is.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

/// A range of pages that goes along with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    pub(crate) passage: Passage,
    /// Where they are in their sender's space, as far as they are ready.
    pub(crate) pages: Pages,
    /// They have been moved: what is there now is none of theirs.
    pub(crate) has_gone: bool,
    /// Where they are lent to.
    pub(crate) lent_to: Option<Place>,
}

impl Part {
    /// How they go along.
    #[must_use]
    pub const fn passage(&self) -> Passage {
        self.passage
    }

    /// Where they are in their sender's space, as far as they are ready.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.pages
    }

    /// Whether they have been moved to somebody else.
    #[must_use]
    pub const fn has_gone(&self) -> bool {
        self.has_gone
    }

    /// Where they are lent to.
    #[must_use]
    pub const fn lent_to(&self) -> Option<Place> {
        self.lent_to
    }
}

/// The pages of a thread that go along with its message. Only the first parts are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cargo([Option<Part>; MOST_RANGES]);

impl Cargo {
    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// Whether others may reach some of it, or its thread's process cannot free some of it.
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.parts().any(|part| part.passage.is_lent())
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().flatten()
    }

    pub(crate) const fn part(&self, index: usize) -> Option<Part> {
        self.0[index]
    }

    /// A part is taken from whoever has it.
    pub(crate) const fn take_away(&mut self, index: usize) {
        if let Some(Part { lent_to: Some(place), .. }) = &mut self.0[index] {
            place.taken = true;
        }
    }

    /// Nobody else has a part any more.
    pub(crate) const fn has_come_back(&mut self, index: usize) {
        if let Some(part) = &mut self.0[index] {
            part.lent_to = None;
        }
    }

    pub(crate) const fn first(&self) -> Option<Part> {
        self.0[0]
    }

    pub(crate) const fn first_mut(&mut self) -> Option<&mut Part> {
        self.0[0].as_mut()
    }

    pub(crate) fn drop_first(&mut self) {
        self.0.rotate_left(1);
        self.0[MOST_RANGES - 1] = None;
    }
}

/// What becomes of a call that sends something.
pub(crate) enum Ready {
    /// It can be done.
    Now,
    /// It is made once more when its pages are ready.
    Later,
}

/// The ranges that a message names.
fn ranges<M: Machine>(
    message: &Message,
    lends: bool,
) -> Result<[Option<(Passage, Pages)>; MOST_RANGES], Error> {
    let carries = message.carries;
    let mut all = [None; MOST_RANGES];
    if carries.range(0).is_none() {
        return Err(Error::BadArgument);
    }
    for (index, place) in all.iter_mut().enumerate() {
        let Some((passage, count)) = carries.range(index) else { continue };
        if count > MOST_PAGES || (passage.is_lent() && !lends) {
            return Err(Error::BadArgument);
        }
        let start = message.words[carries.count() + index];
        let length = count * coldframe_hal::FRAME_BYTES;
        let pages = Pages::check::<M::Paging>(start, length).ok_or(Error::BadAddress)?;
        *place = Some((passage, pages));
    }
    match all {
        [Some((_, one)), Some((_, other))] if one.meets(other) => Err(Error::BadArgument),
        _ => Ok(all),
    }
}

impl<M: Machine> Kernel<M> {
    /// Where the pages go that come with messages to the caller.
    pub(crate) fn accept_pages(&mut self, caller: Caller, window: UserRange) -> Result<(), Error> {
        let pages = match window.length {
            0 => Pages::NONE,
            length => Pages::check::<M::Paging>(window.start.0, length).ok_or(Error::BadAddress)?,
        };
        self.thread(caller.thread).window = pages;
        Ok(())
    }

    /// Whether the running thread can send its message with all that it names; if pages of it have to be made ready, it
    /// begins with that. Only a call lends.
    ///
    /// # Errors
    /// Why it cannot.
    #[inline]
    pub(crate) fn make_ready(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        lends: bool,
    ) -> Result<Ready, Error> {
        if cpu.registers().carries() == Carries::NONE {
            Ok(Ready::Now)
        } else {
            self.make_cargo_ready(cpu, caller, lends)
        }
    }

    #[cold]
    fn make_cargo_ready(&mut self, cpu: &mut M::Cpu, caller: Caller, lends: bool) -> Result<Ready, Error> {
        self.can_carry(cpu, caller)?;
        if !cpu.registers().carries().has_pages() || !self.thread(caller.thread).cargo.is_empty() {
            return Ok(Ready::Now);
        }
        ranges::<M>(&cpu.registers().message(), lends)?;
        self.load_part(cpu, caller.thread, 0);
        Ok(Ready::Later)
    }

    /// Begins to make a range of a message ready; if there is none, the call is made once more.
    #[cold]
    pub(crate) fn load_part(&mut self, cpu: &mut M::Cpu, thread: u32, part: usize) {
        let message = self.registers_of(cpu, thread).message();
        let all = ranges::<M>(&message, true).unwrap_or_default();
        let row = self.thread(thread);
        row.work = Some(match all.get(part).copied().flatten() {
            Some((passage, pages)) => {
                let nothing = pages.until(pages.start());
                row.cargo.0[part] = Some(Part { passage, pages: nothing, has_gone: false, lent_to: None });
                Work::new(Task::Load { part: part as u8, passage }, row.process, pages)
            }
            None => Work::new(Task::Call, row.process, Pages::NONE),
        });
    }

    /// One step of making a range of a message ready.
    #[cold]
    pub(crate) fn load_step(
        &mut self,
        thread: u32,
        work: &mut Work,
        part: u8,
        passage: Passage,
    ) -> Result<(Flush, Option<After>), SpaceError> {
        let Some((space, mut means)) = self.space_of(work.process) else {
            unreachable!("a space in which somebody works is there (KRN-14)")
        };
        let (flush, repair) = space.load(&mut means, &mut work.at, work.pages.end(), passage)?;
        if let Some(part) = &mut self.thread(thread).cargo.0[usize::from(part)] {
            part.pages = work.pages.until(work.at);
        }
        Ok(repair.map_or((flush, None), made_private))
    }

    /// Puts the pages of one thread where another wants them, and their addresses there into the message.
    ///
    /// # Errors
    /// `Refused`, and nothing has happened.
    #[cold]
    pub(crate) fn hand_pages_on(&mut self, from: u32, to: u32, message: &mut Message) -> Result<(), Error> {
        let (sender, receiver) = (self.thread(from).process, self.thread(to).process);
        let cargo = self.thread(from).cargo;
        let mut window = self.thread(to).window;
        let mut places = [Pages::NONE; MOST_RANGES];
        let (mut price, mut moved) = (0, 0);
        let Some((space, means)) = self.space_of(receiver) else { return Err(Error::Refused) };
        for (part, place) in cargo.parts().zip(&mut places) {
            if part.pages.length() > window.length() {
                return Err(Error::Refused);
            }
            *place = part.pages.moved(window.start());
            window = window.from(place.end());
            price += space.tables_for(means.memory, *place).ok_or(Error::Refused)?;
            if !part.passage.is_lent() && sender != receiver {
                moved += part.pages.length() / coldframe_hal::FRAME_BYTES;
            }
        }
        if price + moved > means.budget.left() {
            return Err(Error::Refused);
        }
        let Some((space, mut means)) = self.space_of(receiver) else { return Err(Error::Refused) };
        for place in places {
            space.make_tables(&mut means, place).map_err(|_| Error::Refused)?;
        }
        let generation = self.process(receiver).generation;
        let Self { machine, processes, .. } = self;
        let rows = processes.rows_mut();
        for (index, (part, place)) in cargo.parts().zip(places).enumerate() {
            let (Some(home), Some(there)) = (&rows[sender as usize].space, &rows[receiver as usize].space)
            else {
                unreachable!("who sends and who receives has a space (KRN-14)")
            };
            home.put(machine, (part.pages, part.passage), there, place.start());
            message.words[message.carries.count() + index] = place.start();
        }
        rows[sender as usize].budget.refund(moved);
        if rows[receiver as usize].budget.charge(moved).is_err() {
            unreachable!("what the budget has left was asked for")
        }
        for (part, place) in self.thread(from).cargo.0.iter_mut().flatten().zip(places) {
            part.has_gone = !part.passage.is_lent();
            part.lent_to = part.passage.is_lent().then_some(Place {
                process: receiver,
                generation,
                pages: place,
                taken: false,
            });
        }
        Ok(())
    }
}
