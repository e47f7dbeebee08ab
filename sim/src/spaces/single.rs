//! The same operations on one page, the way that takes no steps: it does what they would have done, or nothing.

use coldframe_abi::PageKind;
use coldframe_hal::{Stale, Tag, Translation};
use hal_host::HardwareFormat;

use super::{Beside, Op, PAGE, Page, allowed, check};

impl<F: HardwareFormat> Beside<F> {
    /// Tries an operation on one page that way; says whether it was done.
    pub(super) fn at_once(&mut self, op: Op) -> Result<bool, String> {
        match op {
            Op::Reserve { space, page, count: 1, rights } => {
                let there = self.known(space, page);
                let done = self.with(space, |row, means| row.reserve_one(means.memory, page * PAGE, rights));
                if done.is_some() {
                    check(there.is_none(), || format!("page {page:#x} is reserved over {there:?}"))?;
                    let lazy = Page { kind: PageKind::Lazy, rights, value: 0 };
                    self.spaces[space].pages.insert(page, lazy);
                }
                Ok(done.is_some())
            }
            Op::Fill { space, page, count: 1 } => {
                let done = self.with(space, |row, means| row.fill_one(means, page * PAGE, None));
                if done.is_some() {
                    self.has_come(space, page)?;
                }
                Ok(done.is_some())
            }
            Op::Touch { cpu, page, access } => {
                let space = self.on[cpu];
                let address = page * PAGE;
                let done = self.with(space, |row, means| row.fill_one(means, address, Some(access)));
                if done.is_some() {
                    let rights = self.has_come(space, page)?;
                    check(allowed(rights, access), || format!("{access:?} at page {page:#x} brings one"))?;
                }
                // What was touched is looked at in any case.
                Ok(false)
            }
            Op::Protect { space, page, count: 1, rights } => {
                let flush = self.with(space, |row, means| row.protect_one(means.memory, page * PAGE, rights));
                let Some(flush) = flush else { return Ok(false) };
                self.forget(space, flush)?;
                let known = self.spaces[space].pages.get_mut(&page);
                known.ok_or_else(|| format!("page {page:#x} is not there"))?.rights = rights;
                Ok(true)
            }
            Op::Unmap { space, page, count: 1 } => {
                let gone = self.with(space, |row, means| row.unmap_one(means.memory, page * PAGE));
                let Some((flush, taken)) = gone else { return Ok(false) };
                self.forget(space, flush)?;
                self.with(space, |_, means| taken.give(means));
                let was = self.spaces[space].pages.remove(&page);
                check(was.is_some_and(|was| was.kind != PageKind::Shared), || {
                    format!("page {page:#x} goes and was {was:?}")
                })?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn known(&self, space: usize, page: u64) -> Option<Page> {
        self.spaces[space].pages.get(&page).copied()
    }

    /// A lazy page has been made resident: says what its program may do there.
    fn has_come(&mut self, space: usize, page: u64) -> Result<coldframe_hal::paging::Rights, String> {
        for cpu in 0..self.cpus.len() {
            if self.on[cpu] == space {
                let what = coldframe_hal::Forget::Pages { start: page * PAGE, pages: 1 };
                self.cpus[cpu].forget(Stale { tag: Tag::NONE, what });
            }
        }
        let known = self.spaces[space].pages.get_mut(&page).filter(|known| known.kind == PageKind::Lazy);
        let known = known.ok_or_else(|| format!("page {page:#x} is filled and was not lazy"))?;
        known.kind = PageKind::Own;
        Ok(known.rights)
    }
}
