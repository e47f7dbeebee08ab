//! Contexts: what a thread runs on, and how one is lent along a chain of calls.

use coldframe_abi::{Class, CpuId, Instant, Nanos, Priority};

use crate::slice::{BOOST_STEP, boost_limit, slice_of};
use crate::{Kick, Level, NONE, Place, Row, Scheduler, Wake};

/// Class, priority, group and slice: owned by one thread, run on by its owner or by whoever it is lent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) boost: u8,
    pub(crate) group: u32,
    pub(crate) slice_left: Nanos,
    /// Who has it now, so that a broken chain gives it back at once.
    pub(crate) holder: u32,
    /// Which time it is at home: whoever has lent it on an earlier time has nothing to ask back.
    pub(crate) time: u64,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            class: Class::Normal,
            priority: Priority(0),
            boost: 0,
            group: 0,
            slice_left: Nanos::ZERO,
            holder: NONE,
            time: 0,
        }
    }
}

impl Context {
    /// A fresh context with a full slice.
    #[must_use]
    pub const fn new(class: Class, priority: Priority, group: u32) -> Self {
        Self { class, priority, boost: 0, group, slice_left: slice_of(class), holder: NONE, time: 0 }
    }

    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Its priority without boost.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// By how much it is raised at the moment.
    #[must_use]
    pub const fn boost(&self) -> u8 {
        self.boost
    }

    /// The group whose turns it takes.
    #[must_use]
    pub const fn group(&self) -> u32 {
        self.group
    }

    /// What is left of its slice.
    #[must_use]
    pub const fn slice_left(&self) -> Nanos {
        self.slice_left
    }

    /// Who has it: its owner, or whoever it is lent to.
    #[must_use]
    pub const fn holder(&self) -> u32 {
        self.holder
    }

    /// How urgent it is without boost.
    #[must_use]
    #[inline]
    pub const fn base(&self) -> Level {
        Level::new(self.class, self.priority)
    }

    /// How urgent it is, boost included.
    #[must_use]
    #[inline]
    pub const fn level(&self) -> Level {
        Level::new(self.class, Priority(self.priority.0.saturating_add(self.boost)))
    }

    /// A context for a new thread like this one: the two share what is left of the slice, so that making threads
    /// makes no time.
    #[must_use]
    pub const fn split(&mut self) -> Self {
        let half = Nanos(self.slice_left.0 / 2);
        self.slice_left = self.slice_left.minus(half);
        Self { boost: 0, slice_left: half, holder: NONE, ..*self }
    }

    /// Moves it to another class.
    pub const fn set_class(&mut self, class: Class) {
        self.class = class;
    }

    /// Gives it another priority.
    pub const fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
    }

    /// Moves it to another group.
    pub const fn set_group(&mut self, group: u32) {
        self.group = group;
    }

    pub(crate) fn raise(&mut self) {
        self.boost = self.boost.saturating_add(BOOST_STEP).min(boost_limit(self.class));
    }

    /// It gets a whole slice of the class in which it is run on.
    pub(crate) const fn refill(&mut self, class: Class) {
        self.slice_left = slice_of(class);
        self.boost = 0;
    }
}

impl Scheduler<'_> {
    /// Hands the context on which `from` ran, which waits now, to `to`: one pointer, whatever the length of the chain.
    ///
    /// If `to` runs on this CPU, it is queued as if that context had just become runnable.
    pub fn lend(&mut self, from: u32, to: u32, here: CpuId) {
        let context = self.rows[from as usize].runs_on;
        assert_eq!(self.rows[context as usize].own.holder, from, "nobody lends what he has not got (SCH-7)");
        assert_eq!(self.rows[to as usize].runs_on, to, "a borrower has run on its own context (SCH-7)");
        if self.rows[to as usize].place == Place::Running {
            let now = self.cpus[usize::from(here.0)].since;
            let loose = self.stop(here, now);
            self.seat(to, context);
            let kick = self.enqueue(loose, here, false, here);
            assert!(kick.is_none(), "nobody is kicked for what this CPU does itself");
        } else {
            let kick = self.move_to(to, context, here);
            assert!(kick.is_none(), "who waits is in nobody's way");
        }
    }

    /// Hands the context that `from` has borrowed back to `to`, which has waited for that; `from` goes on with its own.
    /// If that is the own one of `to`, since the chain was broken above, `to` goes on as in `go_home`.
    pub fn give_back(&mut self, from: u32, to: u32, served: u32, here: CpuId) {
        let context = self.rows[from as usize].runs_on;
        assert_ne!(context, from, "whoever serves has borrowed (SCH-7)");
        self.seat(to, context);
        if context == to {
            self.go_home(to, served);
        }
        let kick = self.move_to(from, from, here);
        assert!(kick.is_none(), "who replies runs here, or waits");
    }

    /// A context that a waiting thread has lent, its own or another's, and who has that now.
    #[must_use]
    pub fn lent_by(&self, thread: u32) -> Option<(u32, u32)> {
        let row = &self.rows[thread as usize];
        let on = &self.rows[row.runs_on as usize].own;
        if row.time == on.time && on.holder != thread {
            return Some((row.runs_on, on.holder));
        }
        (row.own.holder != thread).then_some((thread, row.own.holder))
    }

    /// Takes the context of `owner` back from whoever holds it. That one goes on with the own context of the thread that
    /// it serves, if there is one and it has that, else with its own.
    pub fn recall(&mut self, owner: u32, served: u32, here: CpuId) -> Option<Kick> {
        // What the owner remembers to have lent stays as it is: it is of an earlier time now.
        let own = &mut self.rows[owner as usize].own;
        own.time += 1;
        let holder = core::mem::replace(&mut own.holder, owner);
        let instead = self.home_of(holder, served);
        self.move_to(holder, instead, here)
    }

    /// A waiting thread that has nothing lent any more goes on with the own context of the thread that it serves, if
    /// there is one and it has that, else with its own.
    pub fn go_home(&mut self, thread: u32, served: u32) {
        let context = self.home_of(thread, served);
        self.seat(thread, context);
    }

    fn home_of(&self, thread: u32, served: u32) -> u32 {
        if served != NONE && self.rows[served as usize].own.holder == served { served } else { thread }
    }

    /// From now on a thread runs on a context.
    #[inline(always)]
    pub(crate) fn seat(&mut self, thread: u32, context: u32) {
        let own = &mut self.rows[context as usize].own;
        own.holder = thread;
        let time = own.time;
        let row = &mut self.rows[thread as usize];
        (row.runs_on, row.time) = (context, time);
        if context != thread {
            // In the class of a more urgent borrower slices are shorter.
            let class = self.level_of(thread).class();
            let own = &mut self.rows[context as usize].own;
            own.slice_left = own.slice_left.min(slice_of(class));
        }
    }

    /// A thread, wherever it is, runs on another context from now on.
    fn move_to(&mut self, thread: u32, context: u32, here: CpuId) -> Option<Kick> {
        let now = self.cpus[usize::from(here.0)].since;
        self.placed_anew(thread, here, now, |scheduler| scheduler.seat(thread, context))
    }

    /// Does something to a thread, and looks where it belongs now; the kick is for the CPU that has to look.
    pub(crate) fn placed_anew(
        &mut self,
        thread: u32,
        here: CpuId,
        now: Instant,
        change: impl FnOnce(&mut Self),
    ) -> Option<Kick> {
        let Row { place, cpu, .. } = self.rows[thread as usize];
        match place {
            Place::Queued => {
                let loose = self.take(thread);
                change(self);
                self.place(loose, Wake::Start, here)
            }
            Place::Running => {
                self.charge_unaccounted(cpu, now);
                self.leave_turn(thread);
                change(self);
                let level = self.level_of(thread);
                let (turn, fresh) = self.join_turn(thread, cpu, level);
                if fresh {
                    self.turn_first(turn);
                }
                self.queue(cpu).level = level;
                self.kick(cpu, here)
            }
            _ => {
                change(self);
                None
            }
        }
    }

    /// How urgent a thread is without any boost.
    #[must_use]
    #[inline]
    pub fn base_of(&self, thread: u32) -> Level {
        let row = &self.rows[thread as usize];
        row.own.base().max(self.rows[row.runs_on as usize].own.base())
    }

    /// How urgent a thread is: the better of its own context and the one that it runs on. A boost of its own is for when
    /// it runs on that.
    #[must_use]
    #[inline]
    pub fn level_of(&self, thread: u32) -> Level {
        let row = &self.rows[thread as usize];
        if row.runs_on == thread {
            row.own.level()
        } else {
            row.own.base().max(self.rows[row.runs_on as usize].own.level())
        }
    }
}
