//! Address spaces beside maps of pages: operations, CPUs that remember, and what each access must find.

mod draw;
mod single;

use std::collections::BTreeMap;

use coldframe_abi::{CpuId, PageKind, UserAddress};
use coldframe_hal::paging::{Entry, Ownership, Rights};
use coldframe_hal::{Access, Frame, Stale, Tag, Translation};
use coldframe_memory::{
    AddressSpace, Budget, Flush, FrameError, Frames, Means, Pages, Repair, SpaceError, Teardown, Unlinked,
    Whose,
};
use hal_host::{HardwareFormat, HostCpu, HostMachine, Survey};

pub use draw::{drawn, drawn_format};

const PAGE: u64 = 4_096;
const FRAMES: usize = 6_000;
const SPACES: usize = 2;
const CPUS: usize = 3;

/// What is asked of a space. Pages are numbered from the start of the user half.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of the methods")]
pub enum Op {
    Reserve { space: usize, page: u64, count: u64, rights: Rights },
    Fill { space: usize, page: u64, count: u64 },
    Unmap { space: usize, page: u64, count: u64 },
    Protect { space: usize, page: u64, count: u64, rights: Rights },
    Move { space: usize, page: u64, count: u64, to: u64 },
    Copy { space: usize, page: u64, count: u64, target: usize, to: u64 },
    Touch { cpu: usize, page: u64, access: Access },
    Switch { cpu: usize, space: usize },
}

/// A page as its program knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    kind: PageKind,
    rights: Rights,
    value: u64,
}

struct Modelled<F> {
    space: AddressSpace<F>,
    budget: Budget,
    pages: BTreeMap<u64, Page>,
}

/// Spaces, and what must be in them.
pub struct Beside<F> {
    machine: HostMachine<F>,
    frames: Frames,
    /// How many frames could be had before there was a space.
    all: u64,
    spaces: Vec<Modelled<F>>,
    cpus: Vec<HostCpu<F>>,
    /// Which space each CPU has.
    on: [usize; CPUS],
    stamp: u64,
    /// Every second operation on one page is tried the way that takes no steps.
    tries: bool,
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

const fn allowed(rights: Rights, access: Access) -> bool {
    match access {
        Access::Load => !matches!(rights, Rights::None),
        Access::Store => rights.writes(),
        Access::Fetch => rights.executes(),
    }
}

/// Whether memory was short: then an operation may have come to any point.
const fn short(error: SpaceError) -> bool {
    matches!(error, SpaceError::OverBudget | SpaceError::Frames(FrameError::Exhausted))
}

impl<F: HardwareFormat> Beside<F> {
    /// Empty spaces with so many frames to spend each.
    ///
    /// # Panics
    /// If the simulated machine is too small, which is a mistake in this file.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let mut machine = HostMachine::<F>::new(CPUS as u16, FRAMES, 0);
        let map = machine.memory_map();
        let mut frames = Frames::new(&mut machine, map).unwrap_or_else(|error| panic!("{error:?}"));
        let all = frames.free_count() + frames.kept_back();
        let spaces = (0..SPACES).map(|_| {
            let mut budget = Budget::new(limit);
            let mut means = Means { memory: &mut machine, frames: &mut frames, budget: &mut budget };
            let space = AddressSpace::new(&mut means).unwrap_or_else(|error| panic!("{error:?}"));
            Modelled { space, budget, pages: BTreeMap::new() }
        });
        let spaces: Vec<_> = spaces.collect();
        let cpus = (0..CPUS as u16).map(|id| HostCpu::new(CpuId(id))).collect();
        let mut beside = Self { machine, frames, all, spaces, cpus, on: [0; CPUS], stamp: 0, tries: false };
        (0..CPUS).for_each(|cpu| beside.switch(cpu, cpu % SPACES));
        beside
    }

    fn with<T>(
        &mut self,
        space: usize,
        act: impl FnOnce(&mut AddressSpace<F>, &mut Means<'_, HostMachine<F>>) -> T,
    ) -> T {
        let row = &mut self.spaces[space];
        let mut means =
            Means { memory: &mut self.machine, frames: &mut self.frames, budget: &mut row.budget };
        act(&mut row.space, &mut means)
    }

    fn switch(&mut self, cpu: usize, space: usize) {
        self.on[cpu] = space;
        self.cpus[cpu].activate(self.spaces[space].space.root(), Tag::NONE);
    }

    /// Every CPU that has the space forgets; none of the frames that it remembers may be free until then.
    fn forget(&mut self, space: usize, flush: Flush) -> Result<(), String> {
        self.nothing_free_is_remembered()?;
        let Some(what) = flush.into_duty() else { return Ok(()) };
        for cpu in 0..CPUS {
            if self.on[cpu] == space {
                self.cpus[cpu].forget(Stale { tag: Tag::NONE, what });
            }
        }
        Ok(())
    }

    fn nothing_free_is_remembered(&self) -> Result<(), String> {
        for (number, cpu) in self.cpus.iter().enumerate() {
            for (page, frame, _) in cpu.remembered() {
                check(!self.frames.is_free(&self.machine, Frame(frame)), || {
                    format!("cpu{number} reaches frame {frame} at page {page:#x}, and it is free")
                })?;
            }
        }
        Ok(())
    }

    /// What CPUs remember is what page tables say; rights may have been added.
    fn nothing_is_stale(&self) -> Result<(), String> {
        for (number, cpu) in self.cpus.iter().enumerate() {
            let root = self.spaces[self.on[number]].space.root();
            for (page, frame, write) in cpu.remembered() {
                let there = self.machine.place_of(root, page * PAGE);
                let fits = there.is_some_and(|(now, writes)| now == frame && (!write || writes));
                check(fits, || {
                    format!("cpu{number} remembers frame {frame} at page {page:#x}, now {there:?}")
                })?;
            }
        }
        Ok(())
    }

    fn tidy(&mut self, space: usize, (unlinked, flush): (Unlinked, Flush)) -> Result<(), String> {
        self.forget(space, flush)?;
        self.with(space, |_, means| unlinked.reclaim(means));
        Ok(())
    }

    /// Does one operation and looks at what came of it.
    ///
    /// # Errors
    /// What should have come of it.
    pub fn apply(&mut self, op: Op) -> Result<(), String> {
        self.tries = !self.tries;
        if self.tries && self.at_once(op)? {
            self.nothing_free_is_remembered()?;
            return self.nothing_is_stale();
        }
        match op {
            Op::Reserve { space, page, count, rights } => self.reserve(space, page, count, rights)?,
            Op::Fill { space, page, count } => self.fill(space, page, count)?,
            Op::Unmap { space, page, count } => self.unmap(space, page, count)?,
            Op::Protect { space, page, count, rights } => self.protect(space, page, count, rights)?,
            Op::Move { space, page, count, to } => self.relocate(space, page, count, to)?,
            Op::Copy { space, page, count, target, to } => self.copy(space, page, count, target, to)?,
            Op::Touch { cpu, page, access } => self.touch(cpu, page, access)?,
            Op::Switch { cpu, space } => self.switch(cpu, space),
        }
        self.nothing_free_is_remembered()?;
        self.nothing_is_stale()
    }

    fn pages(page: u64, count: u64) -> Option<Pages> {
        Pages::check::<F>(page.checked_mul(PAGE)?, count * PAGE)
    }

    fn first<T>(range: Pages, mut of: impl FnMut(u64) -> Option<T>) -> Option<(u64, T)> {
        (range.start() / PAGE..range.end() / PAGE).find_map(|page| of(page).map(|found| (page, found)))
    }

    /// Compares how an operation ended with how it has to, and says up to which page it has been done.
    fn ended(
        &self,
        range: Pages,
        at: u64,
        result: Result<(), SpaceError>,
        expected: Option<(u64, SpaceError)>,
    ) -> Result<u64, String> {
        match (result, expected) {
            (Ok(()), None) => check(at == range.end(), || format!("it stopped at {at:#x}"))?,
            (Err(error), _) if short(error) => {}
            (Err(error), Some((page, wanted))) => check(error == wanted && at == page * PAGE, || {
                format!("it ended at {at:#x} with {error:?}, and not at page {page:#x} with {wanted:?}")
            })?,
            (result, expected) => return Err(format!("{result:?} and not {expected:?}")),
        }
        Ok(at / PAGE)
    }

    fn reserve(&mut self, space: usize, page: u64, count: u64, rights: Rights) -> Result<(), String> {
        let Some(range) = Self::pages(page, count) else { return Ok(()) };
        let model = &self.spaces[space].pages;
        let expected = Self::first(range, |page| {
            model.get(&page).map(|_| SpaceError::Occupied(UserAddress(page * PAGE)))
        });
        let mut at = range.start();
        let result = self.with(space, |space, means| {
            while at < range.end() {
                space.reserve(means, &mut at, range, Entry::Lazy(rights))?;
            }
            Ok(())
        });
        // A large entry is refused where it begins, the page that is in the way may lie within it.
        let expected = expected.map(|(page, error)| match result {
            Err(SpaceError::Occupied(_)) if at / PAGE <= page => {
                (at / PAGE, SpaceError::Occupied(UserAddress(at)))
            }
            _ => (page, error),
        });
        let done = self.ended(range, at, result, expected)?;
        for page in page..done {
            let lazy = Page { kind: PageKind::Lazy, rights, value: 0 };
            self.spaces[space].pages.insert(page, lazy);
        }
        if result.is_err() {
            let pruned = self.with(space, |space, means| space.prune(means, range.from(at)));
            self.tidy(space, pruned)?;
        }
        Ok(())
    }

    fn missing(&self, space: usize, range: Pages) -> Option<(u64, SpaceError)> {
        let model = &self.spaces[space].pages;
        Self::first(range, |page| {
            (!model.contains_key(&page)).then_some(SpaceError::NotMapped(UserAddress(page * PAGE)))
        })
    }

    fn fill(&mut self, space: usize, page: u64, count: u64) -> Result<(), String> {
        let Some(range) = Self::pages(page, count) else { return Ok(()) };
        let expected = self.missing(space, range);
        let mut at = range.start();
        let result = self.with(space, |space, means| {
            while at < range.end() {
                space.fill(means, &mut at, range)?;
            }
            Ok(())
        });
        self.with(space, |space, means| space.stop_filling(means, range));
        let done = self.ended(range, at, result, expected)?;
        for page in page..done {
            if let Some(page) = self.spaces[space].pages.get_mut(&page)
                && page.kind == PageKind::Lazy
            {
                page.kind = PageKind::Own;
            }
        }
        Ok(())
    }

    fn unmap(&mut self, space: usize, page: u64, count: u64) -> Result<(), String> {
        let Some(range) = Self::pages(page, count) else { return Ok(()) };
        let mut at = range.start();
        let mut result = Ok(());
        while at < range.end() && result.is_ok() {
            let start = at;
            match self.with(space, |space, means| space.unmap(means, &mut at, range.end(), Whose::Own)) {
                Ok(flush) => {
                    self.forget(space, flush)?;
                    let part = range.from(start).until(at);
                    let pruned = self.with(space, |space, means| space.settle_unmap(means, part));
                    self.tidy(space, pruned)?;
                }
                Err(error) => result = Err(error),
            }
        }
        let done = self.ended(range, at, result, None)?;
        for page in page..done {
            self.spaces[space].pages.remove(&page);
        }
        Ok(())
    }

    fn protect(&mut self, space: usize, page: u64, count: u64, rights: Rights) -> Result<(), String> {
        let Some(range) = Self::pages(page, count) else { return Ok(()) };
        let expected = self.missing(space, range);
        let mut at = range.start();
        let mut result = Ok(());
        while at < range.end() && result.is_ok() {
            match self.with(space, |space, means| space.protect(means, &mut at, range.end(), rights)) {
                Ok(flush) => self.forget(space, flush)?,
                Err(error) => result = Err(error),
            }
        }
        let done = self.ended(range, at, result, expected)?;
        for page in page..done {
            if let Some(page) = self.spaces[space].pages.get_mut(&page) {
                page.rights = rights;
            }
        }
        Ok(())
    }

    fn occupied(&self, space: usize, range: Pages, target: usize, to: u64) -> Option<(u64, SpaceError)> {
        let (from, into) = (&self.spaces[space].pages, &self.spaces[target].pages);
        Self::first(range, |page| {
            let there = to + (page - range.start() / PAGE);
            let meets = from.contains_key(&page) && into.contains_key(&there);
            meets.then_some(SpaceError::Occupied(UserAddress(there * PAGE)))
        })
    }

    fn relocate(&mut self, space: usize, page: u64, count: u64, to: u64) -> Result<(), String> {
        let (Some(range), Some(target)) = (Self::pages(page, count), Self::pages(to, count)) else {
            return Ok(());
        };
        if range.meets(target) {
            return Ok(());
        }
        let expected = self.occupied(space, range, space, to);
        let mut at = range.start();
        let mut result = Ok(());
        while at < range.end() && result.is_ok() {
            let start = at;
            let moved =
                self.with(space, |space, means| space.relocate(means, &mut at, range, target.start()));
            match moved {
                Ok(flush) => {
                    self.forget(space, flush)?;
                    let part = range.from(start).until(at);
                    let to = target.start() + (start - range.start());
                    let pruned = self.with(space, |space, means| space.settle_move(means, part, to));
                    self.tidy(space, pruned)?;
                }
                Err(error) => result = Err(error),
            }
        }
        let done = self.ended(range, at, result, expected)?;
        let model = &mut self.spaces[space].pages;
        for page in page..done {
            if let Some(moved) = model.remove(&page) {
                model.insert(to + (page - range.start() / PAGE), moved);
            }
        }
        if result.is_err() {
            let rest = target.from(target.start() + (at - range.start()));
            let pruned = self.with(space, |space, means| space.prune(means, rest));
            self.tidy(space, pruned)?;
        }
        Ok(())
    }

    fn copy(&mut self, space: usize, page: u64, count: u64, target: usize, to: u64) -> Result<(), String> {
        let (Some(range), Some(room)) = (Self::pages(page, count), Self::pages(to, count)) else {
            return Ok(());
        };
        if space == target && range.meets(room) {
            return Ok(());
        }
        let expected = self.occupied(space, range, target, to);
        let mut at = range.start();
        let mut result = Ok(());
        while at < range.end() && result.is_ok() {
            let mut budget = self.spaces[target].budget;
            let payer = (space != target).then_some(&mut budget);
            let place = self.spaces[target].space.target(room, payer);
            let copied = self.with(space, |space, means| space.duplicate(means, &mut at, range, place));
            if space != target {
                self.spaces[target].budget = budget;
            }
            match copied {
                Ok(flush) => self.forget(space, flush)?,
                Err(error) => result = Err(error),
            }
        }
        let done = self.ended(range, at, result, expected)?;
        for page in page..done {
            let Some(source) = self.spaces[space].pages.get_mut(&page) else { continue };
            if source.kind == PageKind::Own {
                source.kind = PageKind::Shared;
            }
            let copy = *source;
            self.spaces[target].pages.insert(to + (page - range.start() / PAGE), copy);
        }
        if result.is_err() {
            let rest = room.from(room.start() + (at - range.start()));
            let pruned = self.with(target, |space, means| space.prune(means, rest));
            self.tidy(target, pruned)?;
        }
        Ok(())
    }

    fn touch(&mut self, cpu: usize, page: u64, access: Access) -> Result<(), String> {
        let address = page * PAGE;
        let space = self.on[cpu];
        let expected = self.spaces[space].pages.get(&page).copied();
        let may = expected.is_some_and(|page| allowed(page.rights, access));
        for _ in 0..3 {
            let reached = self.cpus[cpu].translate(self.machine.ram(), address, access);
            if let Ok(place) = reached {
                let Some(expected) = expected.filter(|_| may) else {
                    return Err(format!("{access:?} at page {page:#x} succeeds and may not: {expected:?}"));
                };
                let found = self.machine.ram().read(place);
                check(found == expected.value, || {
                    format!("page {page:#x} has {found} and should have {}", expected.value)
                })?;
                let model = self.spaces[space].pages.get_mut(&page);
                let model = model.ok_or("a page that was there")?;
                if model.kind == PageKind::Lazy {
                    model.kind = PageKind::Own;
                }
                if access == Access::Store {
                    self.stamp += 1;
                    *model = Page { kind: PageKind::Own, value: self.stamp, ..*model };
                    self.machine.ram_mut().write(place, self.stamp);
                }
                return Ok(());
            }
            match self.with(space, |space, means| space.fault(means, address, access)) {
                Ok(Repair::Done(flush)) => {
                    if let Some(what) = flush.into_duty() {
                        self.cpus[cpu].forget(Stale { tag: Tag::NONE, what });
                    }
                }
                Ok(Repair::Copying { page, frame, flush }) => {
                    self.forget(space, flush)?;
                    self.with(space, |space, means| space.settle_copy(means, page, frame));
                }
                Ok(Repair::Refused) => return check(!may, || format!("{access:?} at {page:#x} is refused")),
                Err(error) if short(error) => return Ok(()),
                other => return Err(format!("{access:?} at {page:#x}: {other:?}")),
            }
        }
        Err(format!("{access:?} at {page:#x} is repaired again and again"))
    }

    /// Compares everything: the page tables with the maps, the frames with what holds them, the budgets with both.
    ///
    /// # Errors
    /// What does not fit.
    pub fn audit(&mut self) -> Result<(), String> {
        let mut holders: BTreeMap<u64, u32> = BTreeMap::new();
        let mut out = self.frames.sections_made(&self.machine);
        for (number, row) in self.spaces.iter().enumerate() {
            let survey = Survey::of::<F>(self.machine.ram(), row.space.root());
            let pages: u64 = survey.pages.iter().map(|page| page.count).sum();
            let used = row.budget.used();
            check(used == survey.tables.len() as u64 + pages, || {
                format!(
                    "space {number} pays for {used} and has {} tables, {pages} pages",
                    survey.tables.len()
                )
            })?;
            out += survey.tables.len() as u64;
            for table in &survey.tables {
                check(holders.insert(*table, u32::MAX).is_none(), || format!("table {table} is shared"))?;
            }
            for page in &survey.pages {
                check(!(page.write && (page.execute || page.state == 1 || page.state == 2)), || {
                    format!("{page:?} may be written")
                })?;
                for frame in page.frame..page.frame + page.count {
                    let more = if page.state == 0 { u32::MAX } else { 1 };
                    let holder = holders.entry(frame).or_default();
                    check(*holder == 0 || (more == 1 && *holder != u32::MAX), || {
                        format!("frame {frame} has two owners that do not know of each other")
                    })?;
                    out += u64::from(*holder == 0);
                    *holder = holder.saturating_add(more);
                }
            }
            for (page, expected) in &row.pages {
                let found = row.space.query(&self.machine, UserAddress(page * PAGE));
                check(found.is_some_and(|(entry, _)| same(entry, *expected)), || {
                    format!("page {page:#x} of space {number} is {found:?} and should be {expected:?}")
                })?;
            }
            let resident = row.pages.values().filter(|page| page.kind != PageKind::Lazy).count() as u64;
            check(resident == pages, || {
                format!("space {number} has {pages} pages and should have {resident}")
            })?;
        }
        for (frame, holder) in holders {
            let owners = self.frames.owners(&self.machine, Frame(frame));
            check(owners == if holder == u32::MAX { 1 } else { holder }, || {
                format!("frame {frame} counts {owners} owners and has {holder}")
            })?;
        }
        let free = self.frames.free_count() + self.frames.kept_back();
        check(free + out == self.all, || {
            format!("{free} frames are free, {out} are out, {} there were", self.all)
        })
    }

    /// All spaces end; nothing is left of them.
    ///
    /// # Errors
    /// What is.
    pub fn finish(mut self) -> Result<(), String> {
        self.audit()?;
        self.cpus.iter_mut().for_each(HostCpu::deactivate);
        for space in 0..SPACES {
            while self.with(space, |space, means| space.take_down(means)) == Teardown::More {}
            // Whoever has something else to do before it is over asks again.
            let again = self.with(space, |space, means| space.take_down(means));
            check(again == Teardown::Done, || format!("space {space} is taken down and is not"))?;
            let used = self.spaces[space].budget.used();
            check(used == 0, || format!("{used} frames of space {space} are never given back"))?;
        }
        let free =
            self.frames.free_count() + self.frames.kept_back() + self.frames.sections_made(&self.machine);
        check(free == self.all, || format!("{free} of {} frames come back", self.all))
    }
}

fn same(entry: Entry, expected: Page) -> bool {
    match entry {
        Entry::Lazy(rights) => expected.kind == PageKind::Lazy && rights == expected.rights,
        Entry::Page(leaf) | Entry::Closed(leaf) => {
            let rights = if matches!(entry, Entry::Closed(_)) { Rights::None } else { leaf.granted() };
            let shared = leaf.ownership != Ownership::Private;
            rights == expected.rights
                && expected.kind == if shared { PageKind::Shared } else { PageKind::Own }
        }
        _ => false,
    }
}
