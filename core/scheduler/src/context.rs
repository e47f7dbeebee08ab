//! Contexts: what a thread runs on, and how one is lent along a chain of calls.

use coldframe_abi::{Class, Nanos, Priority};

use crate::slice::{BOOST_STEP, boost_limit, slice_of};
use crate::{Level, NONE, Place, Scheduler};

/// Class, priority, group and slice: owned by one thread, run on by its owner or by whoever it is lent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) boost: u8,
    pub(crate) group: u32,
    pub(crate) slice_left: Nanos,
    /// Who runs on it now, so that a broken chain gives it back at once.
    pub(crate) holder: u32,
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
        }
    }
}

impl Context {
    /// A fresh context with a full slice.
    #[must_use]
    pub const fn new(class: Class, priority: Priority, group: u32) -> Self {
        Self { class, priority, boost: 0, group, slice_left: slice_of(class), holder: NONE }
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

    /// Who runs on it.
    #[must_use]
    pub const fn holder(&self) -> u32 {
        self.holder
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

    pub(crate) const fn refill(&mut self) {
        self.slice_left = slice_of(self.class);
        self.boost = 0;
    }
}

impl Scheduler<'_> {
    /// Hands the context on which `from` runs to `to`: one pointer, whatever the length of the chain.
    ///
    /// Both are in nobody's run queue. A context that `to` held before must have been handed on or back.
    pub fn lend(&mut self, from: u32, to: u32) {
        assert!(self.is_parked(from) && self.is_parked(to), "contexts change hands between parked threads");
        let context = self.rows[from as usize].runs_on;
        assert_eq!(self.rows[to as usize].runs_on, to, "a borrower runs on its own context (SCH-7)");
        self.rows[to as usize].runs_on = context;
        self.rows[context as usize].own.holder = to;
    }

    /// Hands the context that `from` has borrowed to `to`, who served before it or owns it; `from` goes on with
    /// its own. Nothing happens if the chain was broken meanwhile and `from` already runs on its own.
    pub fn give_back(&mut self, from: u32, to: u32) {
        assert!(self.is_parked(from) && self.is_parked(to), "contexts change hands between parked threads");
        let context = self.rows[from as usize].runs_on;
        if context == from {
            return;
        }
        self.rows[from as usize].runs_on = from;
        self.rows[to as usize].runs_on = context;
        self.rows[context as usize].own.holder = to;
    }

    /// Takes the context of `owner` back from whoever holds it, who goes on with that of `instead` (the caller
    /// that it serves, or itself). Says who lost it, so that its place can be looked at again.
    #[must_use]
    pub fn recall(&mut self, owner: u32, instead: u32) -> Option<u32> {
        let holder = self.rows[owner as usize].own.holder;
        if holder == owner {
            return None;
        }
        self.rows[holder as usize].runs_on = instead;
        self.rows[instead as usize].own.holder = holder;
        self.rows[owner as usize].runs_on = owner;
        self.rows[owner as usize].own.holder = owner;
        Some(holder)
    }

    /// How urgent a thread is: the better of its own context and the one that it runs on.
    #[must_use]
    #[inline]
    pub fn level_of(&self, thread: u32) -> Level {
        let row = &self.rows[thread as usize];
        let own = row.own.level();
        if row.runs_on == thread { own } else { own.max(self.rows[row.runs_on as usize].own.level()) }
    }

    fn is_parked(&self, thread: u32) -> bool {
        matches!(self.rows[thread as usize].place, Place::Moving | Place::Waiting | Place::Held)
    }
}
