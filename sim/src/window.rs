//! A thread's window of memory: pages that nobody else in the program touches, and what it must find in them.

use std::collections::BTreeMap;

use coldframe_abi::{Call, Error, PageKind, PageRights, PageState, Reply, Request, UserAddress, UserRange};
use coldframe_hal::Access;

const PAGE: u64 = 4_096;
/// How many pages a window has.
pub const PAGES: u64 = 2_048;
/// Where the first window is.
const FIRST: u64 = 1 << 32;

/// What a thread does with its window. Pages are numbered from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum MemoryOp {
    Reserve { page: u64, count: u64, rights: PageRights },
    Fill { page: u64, count: u64 },
    Unmap { page: u64, count: u64 },
    Protect { page: u64, count: u64, rights: PageRights },
    Move { page: u64, count: u64, to: u64 },
    Copy { page: u64, count: u64, to: u64 },
    Query { page: u64 },
    Load { page: u64 },
    Store { page: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    kind: PageKind,
    rights: PageRights,
    value: u64,
}

/// What a thread is about to do.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// It makes a call.
    Call(Request),
    /// It reads, and has to find this.
    Load {
        /// Where.
        address: u64,
        /// What.
        value: u64,
    },
    /// It writes.
    Store {
        /// Where.
        address: u64,
        /// What.
        value: u64,
    },
    /// Nothing that it may.
    Nothing,
}

/// A thread's window of memory.
#[derive(Clone, Debug)]
pub struct Window {
    base: u64,
    pages: BTreeMap<u64, Page>,
    /// The call that has not been answered.
    asked: Option<MemoryOp>,
    /// The access that has not succeeded.
    tries: Option<MemoryOp>,
    /// Memory was short: nobody knows how far an operation has come, until everything is taken away.
    unknown: bool,
    stamp: u64,
}

impl Window {
    /// The window of the thread with a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        let base = FIRST + number % (1 << 14) * PAGES * PAGE;
        Self { base, pages: BTreeMap::new(), asked: None, tries: None, unknown: false, stamp: number << 32 }
    }

    const fn address(&self, page: u64) -> UserAddress {
        UserAddress(self.base + page * PAGE)
    }

    const fn range(&self, page: u64, count: u64) -> UserRange {
        UserRange { start: self.address(page), length: count * PAGE }
    }

    /// Takes the answer of the last call in.
    ///
    /// # Errors
    /// What should have been answered.
    pub fn hear(&mut self, reply: Reply) -> Result<(), String> {
        let Some(op) = self.asked.take() else { return Ok(()) };
        let result = reply.result();
        if matches!(result, Err(Error::OverBudget | Error::NoMemory)) {
            self.unknown = !matches!(op, MemoryOp::Reserve { .. });
            return Ok(());
        }
        if self.unknown {
            self.pages.clear();
            self.unknown = false;
            return if result == Ok(0) { Ok(()) } else { Err(format!("{op:x?} is answered {result:?}")) };
        }
        let (done, expected) = self.outcome(op);
        if result != expected {
            return Err(format!("{op:x?} is answered {result:x?} and not {expected:x?}"));
        }
        self.apply(op, done);
        Ok(())
    }

    /// How many pages an operation gets done, and what it answers.
    fn outcome(&self, op: MemoryOp) -> (u64, Result<u64, Error>) {
        let first = |page: u64, count: u64, bad: &dyn Fn(u64) -> bool, error: Error| match (page..page
            + count)
            .find(|page| bad(*page))
        {
            Some(bad) => (bad - page, Err(error)),
            None => (count, Ok(0)),
        };
        let there = |page: u64| self.pages.contains_key(&page);
        match op {
            MemoryOp::Reserve { page, count, .. } => first(page, count, &there, Error::Occupied),
            MemoryOp::Fill { page, count } | MemoryOp::Protect { page, count, .. } => {
                first(page, count, &|page| !there(page), Error::NotMapped)
            }
            MemoryOp::Move { page, count, to } | MemoryOp::Copy { page, count, to } => {
                first(page, count, &|at| there(at) && there(at - page + to), Error::Occupied)
            }
            MemoryOp::Unmap { count, .. } => (count, Ok(0)),
            MemoryOp::Query { page } => {
                let state =
                    self.pages.get(&page).map(|page| PageState { kind: page.kind, rights: page.rights });
                (0, Ok(state.unwrap_or_default().to_word()))
            }
            MemoryOp::Load { .. } | MemoryOp::Store { .. } => (0, Ok(0)),
        }
    }

    fn apply(&mut self, op: MemoryOp, done: u64) {
        let complete = |count: u64| done == count;
        match op {
            MemoryOp::Reserve { page, count, rights } if complete(count) => {
                let lazy = Page { kind: PageKind::Lazy, rights, value: 0 };
                self.pages.extend((page..page + count).map(|page| (page, lazy)));
            }
            MemoryOp::Fill { page, .. } => {
                for (_, page) in self.pages.range_mut(page..page + done) {
                    if page.kind == PageKind::Lazy {
                        page.kind = PageKind::Own;
                    }
                }
            }
            MemoryOp::Unmap { page, .. } => self.pages.retain(|at, _| *at < page || *at >= page + done),
            MemoryOp::Protect { page, rights, .. } => {
                self.pages.range_mut(page..page + done).for_each(|(_, page)| page.rights = rights);
            }
            MemoryOp::Move { page, to, .. } => {
                let moved: Vec<_> =
                    self.pages.range(page..page + done).map(|(at, page)| (*at, *page)).collect();
                for (at, moving) in moved {
                    self.pages.remove(&at);
                    self.pages.insert(at - page + to, moving);
                }
            }
            MemoryOp::Copy { page, to, .. } => {
                let sources: Vec<_> =
                    self.pages.range(page..page + done).map(|(at, page)| (*at, *page)).collect();
                for (at, mut source) in sources {
                    if source.kind == PageKind::Own {
                        source.kind = PageKind::Shared;
                    }
                    self.pages.insert(at, source);
                    self.pages.insert(at - page + to, source);
                }
            }
            _ => {}
        }
    }

    /// What the thread does for an operation.
    pub fn begin(&mut self, op: MemoryOp) -> Next {
        if self.unknown {
            let all = MemoryOp::Unmap { page: 0, count: PAGES };
            self.asked = Some(all);
            return Next::Call(Call::MemoryUnmap { range: self.range(0, PAGES) }.encode());
        }
        let call = match op {
            MemoryOp::Reserve { page, count, rights } => {
                Call::MemoryReserve { range: self.range(page, count), rights }
            }
            MemoryOp::Fill { page, count } => Call::MemoryFill { range: self.range(page, count) },
            MemoryOp::Unmap { page, count } => Call::MemoryUnmap { range: self.range(page, count) },
            MemoryOp::Protect { page, count, rights } => {
                Call::MemoryProtect { range: self.range(page, count), rights }
            }
            MemoryOp::Move { page, count, to } if page.abs_diff(to) >= count => {
                Call::MemoryMove { range: self.range(page, count), to: self.address(to) }
            }
            MemoryOp::Copy { page, count, to } if page.abs_diff(to) >= count => {
                Call::MemoryCopy { range: self.range(page, count), to: self.address(to) }
            }
            MemoryOp::Query { page } => Call::MemoryQuery { address: self.address(page) },
            MemoryOp::Move { .. } | MemoryOp::Copy { .. } => return Next::Nothing,
            MemoryOp::Load { page } | MemoryOp::Store { page } => {
                let access = if matches!(op, MemoryOp::Load { .. }) { Access::Load } else { Access::Store };
                return self.access(op, page, access);
            }
        };
        self.asked = Some(op);
        Next::Call(call.encode())
    }

    fn access(&mut self, op: MemoryOp, page: u64, access: Access) -> Next {
        let Some(there) = self.pages.get(&page) else { return Next::Nothing };
        let address = self.base + page * PAGE;
        match access {
            Access::Store if there.rights.writes() => {
                self.tries = Some(op);
                Next::Store { address, value: self.stamp + 1 }
            }
            Access::Load if there.rights != PageRights::None => {
                self.tries = Some(op);
                Next::Load { address, value: there.value }
            }
            _ => Next::Nothing,
        }
    }

    /// The access that has to be tried again: it brought a fault, and the thread goes on.
    pub fn again(&mut self) -> Option<Next> {
        self.tries.map(|op| self.begin(op))
    }

    /// The access has succeeded.
    pub fn succeeded(&mut self) {
        let Some(MemoryOp::Load { page } | MemoryOp::Store { page }) = self.tries else { return };
        let stores = matches!(self.tries.take(), Some(MemoryOp::Store { .. }));
        let Some(page) = self.pages.get_mut(&page) else { return };
        if page.kind == PageKind::Lazy || stores {
            page.kind = PageKind::Own;
        }
        if stores {
            self.stamp += 1;
            page.value = self.stamp;
        }
    }
}
