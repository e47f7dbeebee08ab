//! What an operation on a window comes to: what its program has to hear, and what is there afterwards.

use coldframe_abi::{
    CapabilityHandle, CapabilityRights, Error, MappingHandle, ObjectHandle, PageKind, PageRights, PageState,
    Reply, ThreadHandle,
};

use super::{MemoryOp, Object, Page, Shown, Window};

impl Window {
    /// Takes the answer of the last call in.
    ///
    /// # Errors
    /// What should have been answered.
    pub fn hear(&mut self, reply: Reply) -> Result<(), String> {
        let Some(op) = self.asked.take() else { return Ok(()) };
        let result = reply.result();
        if let MemoryOp::Show { .. } = op {
            // What comes of it over there is for the oracles to judge.
            return Ok(());
        }
        if matches!((op, result), (MemoryOp::Revoke { .. } | MemoryOp::Destroy { .. }, Err(Error::Busy))) {
            // Whoever was shown the object is about to take that away.
            self.unknown |= matches!(op, MemoryOp::Revoke { .. });
            return Ok(());
        }
        if result == Err(Error::NotAllowed) {
            return Ok(());
        }
        if matches!((op, result), (MemoryOp::Bounce { .. }, Err(Error::BadArgument))) {
            return Ok(());
        }
        if matches!((op, result), (MemoryOp::Bounce { .. }, Err(Error::BadHandle))) {
            // Another thread of the process has given the name up.
            self.me = None;
            return Ok(());
        }
        if matches!(result, Err(Error::OverBudget | Error::NoMemory)) {
            // What was to appear has been taken back; of everything else nobody knows how far it has come.
            self.unknown |= !matches!(
                op,
                MemoryOp::Reserve { .. }
                    | MemoryOp::Map { .. }
                    | MemoryOp::Create { .. }
                    | MemoryOp::Derive { .. }
                    | MemoryOp::LearnSelf
            );
            return Ok(());
        }
        if self.unknown && matches!(op, MemoryOp::Unmap { .. }) {
            self.pages.clear();
            self.unknown = false;
            return if result == Ok(0) { Ok(()) } else { Err(format!("{op:x?} is answered {result:?}")) };
        }
        if let Ok(word) = result
            && self.named(op, word)
        {
            return Ok(());
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
        let foreign = |page: u64| self.pages.get(&page).is_some_and(|page| page.of.is_some());
        let nearer = |one: (u64, Result<u64, Error>), other: (u64, Result<u64, Error>)| {
            if other.0 < one.0 { other } else { one }
        };
        match op {
            MemoryOp::Reserve { page, count, .. } => first(page, count, &there, Error::Occupied),
            MemoryOp::Fill { page, count } => first(page, count, &|page| !there(page), Error::NotMapped),
            MemoryOp::Protect { page, count, .. } => nearer(
                first(page, count, &|page| !there(page), Error::NotMapped),
                first(page, count, &foreign, Error::Foreign),
            ),
            MemoryOp::Move { page, count, to } => nearer(
                first(page, count, &foreign, Error::Foreign),
                first(page, count, &|at| there(at) && there(at - page + to), Error::Occupied),
            ),
            MemoryOp::Copy { page, count, to } => {
                let meets = |at| there(at) && !foreign(at) && there(at - page + to);
                first(page, count, &meets, Error::Occupied)
            }
            MemoryOp::Unmap { page, count } => first(page, count, &foreign, Error::Foreign),
            MemoryOp::Map { object, copy, rights, .. } if !self.may_map(object, copy, rights) => {
                (0, Err(Error::NoRight))
            }
            MemoryOp::Map { page, count, .. } => first(page, count, &there, Error::Occupied),
            MemoryOp::Query { page } => {
                let state =
                    self.pages.get(&page).map(|page| PageState { kind: page.kind, rights: page.rights });
                (0, Ok(state.unwrap_or_default().to_word()))
            }
            _ => (0, Ok(0)),
        }
    }

    fn may_map(&self, object: usize, copy: Option<usize>, rights: PageRights) -> bool {
        let Some((_, allowed)) = self.name_of(object, copy) else { return false };
        (!rights.writes() || CapabilityRights::WRITE.within(allowed))
            && (!rights.executes() || CapabilityRights::EXECUTE.within(allowed))
    }

    /// Takes in the name that a call has answered with; false if it answers with none.
    fn named(&mut self, op: MemoryOp, word: u64) -> bool {
        match op {
            MemoryOp::Create { count } => {
                let handle = Some(ObjectHandle::from_word(word));
                let values = vec![0; count as usize];
                self.objects.push(Object { handle, values, mappings: Vec::new(), copies: Vec::new() });
            }
            MemoryOp::Share { page, count } => {
                let object = self.objects.len();
                let mut values = vec![0; count as usize];
                for (at, there) in self.pages.range_mut(page..page + count) {
                    let offset = at - page;
                    values[offset as usize] = there.value;
                    if there.kind == PageKind::Lazy {
                        there.rights = PageRights::ReadWrite;
                    }
                    (there.kind, there.of) = (PageKind::Object, Some((object, offset)));
                }
                let mappings = vec![Shown { handle: MappingHandle::from_word(word), page, count, by: None }];
                self.objects.push(Object { handle: None, values, mappings, copies: Vec::new() });
            }
            MemoryOp::Map { object, copy, offset, page, count, rights } => {
                for at in 0..count {
                    let of = Some((object, offset + at));
                    self.pages.insert(page + at, Page { kind: PageKind::Object, rights, value: 0, of });
                }
                let handle = MappingHandle::from_word(word);
                self.objects[object].mappings.push(Shown { handle, page, count, by: copy });
            }
            MemoryOp::Derive { object, rights } => {
                self.objects[object].copies.push(Some((CapabilityHandle::from_word(word), rights)));
            }
            MemoryOp::LearnSelf => self.me = Some(ThreadHandle::from_word(word)),
            // Whether there are such CPUs is for others to judge.
            MemoryOp::Bounce { .. } => {}
            MemoryOp::Learn { object } => self.objects[object].handle = Some(ObjectHandle::from_word(word)),
            _ => return false,
        }
        true
    }

    pub(super) fn apply(&mut self, op: MemoryOp, done: u64) {
        let complete = |count: u64| done == count;
        match op {
            MemoryOp::Reserve { page, count, rights } if complete(count) => {
                let lazy = Page { kind: PageKind::Lazy, rights, value: 0, of: None };
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
                for (at, mut source) in sources.into_iter().filter(|(_, source)| source.of.is_none()) {
                    if source.kind == PageKind::Own {
                        source.kind = PageKind::Shared;
                    }
                    self.pages.insert(at, source);
                    self.pages.insert(at - page + to, source);
                }
            }
            MemoryOp::UnmapMapping { object, mapping } => {
                let gone = self.objects[object].mappings.swap_remove(mapping);
                self.clear(gone);
            }
            MemoryOp::DeleteCopy { object, copy } => {
                let object = &mut self.objects[object];
                object.copies[copy] = None;
                for shown in object.mappings.iter_mut().filter(|shown| shown.by == Some(copy)) {
                    // What it was derived from is now the object's own name.
                    shown.by = None;
                }
            }
            MemoryOp::Revoke { object, copy } => {
                let object = &mut self.objects[object];
                if copy.is_none() {
                    object.copies.fill(None);
                }
                let mappings = std::mem::take(&mut object.mappings);
                let (gone, left) = mappings.into_iter().partition(|shown| copy.is_none() || shown.by == copy);
                object.mappings = left;
                let gone: Vec<Shown> = gone;
                gone.into_iter().for_each(|shown| self.clear(shown));
            }
            MemoryOp::Destroy { object } | MemoryOp::Forget { object } => {
                self.pages.retain(|_, page| page.of.is_none_or(|(of, _)| of != object));
                self.objects.swap_remove(object);
                let last = self.objects.len();
                for page in self.pages.values_mut() {
                    // The last one has moved into its place.
                    if let Some((of, _)) = &mut page.of
                        && *of == last
                    {
                        *of = object;
                    }
                }
            }
            _ => {}
        }
    }

    fn clear(&mut self, shown: Shown) {
        self.pages.retain(|at, _| *at < shown.page || *at >= shown.page + shown.count);
    }
}
