//! A thread's window of memory: pages that nobody else in the program touches, and what it must find in them.

mod answers;

use std::collections::BTreeMap;

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityRights, MappingHandle, ObjectHandle, PageKind, PageRights,
    ProcessHandle, Request, ThreadHandle, UserAddress, UserRange, Word,
};
use coldframe_hal::Access;

const PAGE: u64 = 4_096;
/// How many pages a window has.
pub const PAGES: u64 = 2_048;
/// Where the first window is.
const FIRST: u64 = 1 << 32;
/// How many objects a thread has at a time.
const OBJECTS: usize = 3;

/// Where processes are shown what others have: no window is there.
const SHOWN: u64 = 1 << 37;

/// How many copies of its name an object gets.
const COPIES: usize = 4;

/// What a thread does with its window. Pages are numbered from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the calls")]
pub enum MemoryOp {
    Reserve {
        page: u64,
        count: u64,
        rights: PageRights,
    },
    Fill {
        page: u64,
        count: u64,
    },
    Unmap {
        page: u64,
        count: u64,
    },
    Protect {
        page: u64,
        count: u64,
        rights: PageRights,
    },
    Move {
        page: u64,
        count: u64,
        to: u64,
    },
    Copy {
        page: u64,
        count: u64,
        to: u64,
    },
    Query {
        page: u64,
    },
    /// Pages become an object, in place.
    Share {
        page: u64,
        count: u64,
    },
    Create {
        count: u64,
    },
    /// A part of an object appears, by its own name or by a copy of that.
    Map {
        object: usize,
        copy: Option<usize>,
        offset: u64,
        page: u64,
        count: u64,
        rights: PageRights,
    },
    UnmapMapping {
        object: usize,
        mapping: usize,
    },
    /// Asks for the name of an object that only a mapping of it is known of.
    Learn {
        object: usize,
    },
    Destroy {
        object: usize,
    },
    /// Derives a copy from the object's own name.
    Derive {
        object: usize,
        rights: CapabilityRights,
    },
    DeleteCopy {
        object: usize,
        copy: usize,
    },
    /// Takes away what was derived from the object's own name, or from a copy.
    Revoke {
        object: usize,
        copy: Option<usize>,
    },
    /// Maps a page of an object into a process that the program has made.
    Show {
        object: usize,
        copy: Option<usize>,
        page: u64,
        rights: PageRights,
    },
    /// Gives the last name of an object up.
    Forget {
        object: usize,
    },
    /// The thread goes on on other CPUs: what the first ones remember grows old.
    Bounce {
        cpus: u64,
    },
    /// Asks for the thread's own name.
    LearnSelf,
    Load {
        page: u64,
    },
    Store {
        page: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    kind: PageKind,
    rights: PageRights,
    value: u64,
    /// Which object has it, and where in it; then the object has the value.
    of: Option<(usize, u64)>,
}

/// A memory object as its program knows it.
#[derive(Clone, Debug)]
struct Object {
    /// Its name, if it has been asked for.
    handle: Option<ObjectHandle>,
    values: Vec<u64>,
    /// The mappings.
    mappings: Vec<Shown>,
    /// What was derived from its name, and what that allows; those that are gone keep their place.
    copies: Vec<Option<(CapabilityHandle, CapabilityRights)>>,
}

/// A mapping as its program knows it.
#[derive(Clone, Copy, Debug)]
struct Shown {
    handle: MappingHandle,
    page: u64,
    count: u64,
    /// From which copy it was made, if from one.
    by: Option<usize>,
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
    objects: Vec<Object>,
    me: Option<ThreadHandle>,
    /// A process that may be one that the program has made.
    child: ProcessHandle,
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
        Self {
            base,
            pages: BTreeMap::new(),
            objects: Vec::new(),
            me: None,
            child: ProcessHandle { slot: 0, generation: 0 },
            asked: None,
            tries: None,
            unknown: false,
            stamp: number << 32,
        }
    }

    /// From now on this process is shown objects.
    pub const fn show_to(&mut self, child: ProcessHandle) {
        self.child = child;
    }

    const fn address(&self, page: u64) -> UserAddress {
        UserAddress(self.base + page * PAGE)
    }

    const fn range(&self, page: u64, count: u64) -> UserRange {
        UserRange { start: self.address(page), length: count * PAGE }
    }

    /// The name by which an object is meant, and what that allows.
    fn name_of(&self, object: usize, copy: Option<usize>) -> Option<(CapabilityHandle, CapabilityRights)> {
        let object = self.objects.get(object)?;
        match copy {
            None => Some((object.handle?.into(), CapabilityRights::ALL)),
            Some(copy) => *object.copies.get(copy)?,
        }
    }

    /// The operation, at pages and objects that there are: what names nothing finds nothing.
    fn aimed(&self, op: MemoryOp) -> MemoryOp {
        let near = |page: u64| {
            let behind = self.pages.range(page..).next();
            behind.or_else(|| self.pages.first_key_value()).map_or(page, |(page, _)| *page)
        };
        let known = |object: usize| object % self.objects.len().max(1);
        match op {
            MemoryOp::Load { page } => MemoryOp::Load { page: near(page) },
            MemoryOp::Store { page } => MemoryOp::Store { page: near(page) },
            MemoryOp::Move { page, count, to } => MemoryOp::Move { page: near(page), count, to },
            MemoryOp::Copy { page, count, to } => MemoryOp::Copy { page: near(page), count, to },
            MemoryOp::Protect { page, count, rights } => {
                MemoryOp::Protect { page: near(page), count, rights }
            }
            MemoryOp::Share { page, count } => {
                let page = near(page);
                let whole =
                    (page..page + count).take_while(|page| self.pages.contains_key(page)).count() as u64;
                MemoryOp::Share { page, count: whole.max(1) }
            }
            MemoryOp::Map { object, copy, offset, page, count, rights } => {
                let object = known(object);
                let length = self.objects.get(object).map_or(1, |object| object.values.len() as u64);
                let offset = offset % length;
                MemoryOp::Map { object, copy, offset, page, count: count.min(length - offset), rights }
            }
            MemoryOp::UnmapMapping { object, mapping } => {
                let object = known(object);
                let mappings = self.objects.get(object).map_or(1, |object| object.mappings.len().max(1));
                MemoryOp::UnmapMapping { object, mapping: mapping % mappings }
            }
            MemoryOp::Destroy { object } => MemoryOp::Destroy { object: known(object) },
            MemoryOp::Derive { object, rights } => MemoryOp::Derive { object: known(object), rights },
            MemoryOp::DeleteCopy { object, copy } => MemoryOp::DeleteCopy { object: known(object), copy },
            MemoryOp::Revoke { object, copy } => MemoryOp::Revoke { object: known(object), copy },
            MemoryOp::Forget { object } => MemoryOp::Forget { object: known(object) },
            MemoryOp::Show { object, copy, page, rights } => {
                MemoryOp::Show { object: known(object), copy, page, rights }
            }
            other => other,
        }
    }

    /// What the thread does for an operation.
    pub fn begin(&mut self, op: MemoryOp) -> Next {
        let mut op = self.aimed(op);
        if self.unknown {
            let destroyed = (0..self.objects.len()).map(|object| MemoryOp::Destroy { object }).next();
            op = destroyed.unwrap_or(MemoryOp::Unmap { page: 0, count: PAGES });
        }
        if let MemoryOp::Destroy { object } = op
            && let Some(Object { handle: None, mappings, .. }) = self.objects.get(object)
        {
            if mappings.is_empty() {
                // Nobody can name it any more; it goes with the process.
                self.apply(op, 0);
                return Next::Nothing;
            }
            op = MemoryOp::Learn { object };
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
            MemoryOp::Share { page, count } if self.can_share(page, count) => {
                Call::ObjectFromRange { range: self.range(page, count) }
            }
            MemoryOp::Create { count } if self.objects.len() < OBJECTS => {
                Call::ObjectCreate { length: Word(count * PAGE) }
            }
            MemoryOp::Map { object, copy, offset, page, count, rights } => {
                let Some((name, _)) = self.name_of(object, copy) else { return Next::Nothing };
                if offset + count > self.objects[object].values.len() as u64 || rights == PageRights::None {
                    return Next::Nothing;
                }
                let object = ObjectHandle::from_word(name.to_word());
                let offset = Word(offset * PAGE);
                Call::ObjectMap { object, offset, range: self.range(page, count), rights }
            }
            MemoryOp::Derive { object, rights } if self.has_room_for_copies(object) => {
                let Some((capability, _)) = self.name_of(object, None) else { return Next::Nothing };
                Call::CapabilityCopy { capability, rights, badge: Word(0) }
            }
            MemoryOp::DeleteCopy { object, copy } => {
                let Some((capability, _)) = self.name_of(object, Some(copy)) else { return Next::Nothing };
                Call::CapabilityDelete { capability }
            }
            MemoryOp::Revoke { object, copy } => {
                let Some((capability, _)) = self.name_of(object, copy) else { return Next::Nothing };
                Call::CapabilityRevoke { capability }
            }
            MemoryOp::Show { object, copy, page, rights } => {
                let Some((name, _)) = self.name_of(object, copy) else { return Next::Nothing };
                let range = UserRange { start: UserAddress(SHOWN + page * PAGE), length: PAGE };
                let object = ObjectHandle::from_word(name.to_word());
                Call::ProcessMap { process: self.child, object, offset: Word(0), range, rights }
            }
            MemoryOp::Forget { object } => {
                let Some((capability, _)) = self.name_of(object, None) else { return Next::Nothing };
                let alone = self.objects.get(object).is_some_and(|object| {
                    object.mappings.is_empty() && object.copies.iter().all(Option::is_none)
                });
                if !alone {
                    return Next::Nothing;
                }
                Call::CapabilityDelete { capability }
            }
            MemoryOp::UnmapMapping { object, mapping } => {
                let known = self.objects.get(object).and_then(|object| object.mappings.get(mapping));
                let Some(Shown { handle, .. }) = known else { return Next::Nothing };
                Call::MappingUnmap { mapping: *handle }
            }
            MemoryOp::Bounce { cpus } => match self.me {
                Some(thread) => Call::SetAffinity { thread, bank: Word(0), cpus: Word(cpus) },
                None => {
                    op = MemoryOp::LearnSelf;
                    Call::ThreadSelf {}
                }
            },
            MemoryOp::LearnSelf => Call::ThreadSelf {},
            MemoryOp::Learn { object } => {
                Call::MappingObject { mapping: self.objects[object].mappings[0].handle }
            }
            MemoryOp::Destroy { object } => {
                let Some(Object { handle: Some(handle), .. }) = self.objects.get(object) else {
                    return Next::Nothing;
                };
                Call::ObjectDestroy { object: *handle }
            }
            MemoryOp::Move { .. }
            | MemoryOp::Copy { .. }
            | MemoryOp::Share { .. }
            | MemoryOp::Create { .. }
            | MemoryOp::Derive { .. } => {
                return Next::Nothing;
            }
            MemoryOp::Load { page } | MemoryOp::Store { page } => {
                let access = if matches!(op, MemoryOp::Load { .. }) { Access::Load } else { Access::Store };
                return self.access(op, page, access);
            }
        };
        self.asked = Some(op);
        Next::Call(call.encode())
    }

    fn has_room_for_copies(&self, object: usize) -> bool {
        self.objects.get(object).is_some_and(|object| object.copies.len() < COPIES)
    }

    fn can_share(&self, page: u64, count: u64) -> bool {
        let own = |page: u64| self.pages.get(&page).is_some_and(|page| page.of.is_none());
        self.objects.len() < OBJECTS && (page..page + count).all(own)
    }

    fn value_of(&self, page: &Page) -> u64 {
        page.of.map_or(page.value, |(object, offset)| self.objects[object].values[offset as usize])
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
                Next::Load { address, value: self.value_of(there) }
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
        if page.kind == PageKind::Lazy || (stores && page.of.is_none()) {
            page.kind = PageKind::Own;
        }
        if stores {
            self.stamp += 1;
            match page.of {
                Some((object, offset)) => self.objects[object].values[offset as usize] = self.stamp,
                None => page.value = self.stamp,
            }
        }
    }
}
