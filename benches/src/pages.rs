//! An address space as it is measured, over RAM that is reached without a check; and CPUs that share one.

use coldframe_abi::{Call, CpuId, PageRights, UserAddress, UserRange};
use coldframe_hal::paging::{Entry, FourLevel, Rights, Sv39};
use coldframe_hal::{Access, Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_memory::{AddressSpace, Budget, Frames, Means, Pages, Repair, Whose};
use hal_host::{HostCpu, HostMachine};

use crate::arena::{Window, map};

const PAGE: u64 = 4_096;
/// Where a page stays, as in a space that is in use.
const BASE: u64 = 0x4000_0000;
/// Where pages come and go: behind it.
pub const FIRST: u64 = BASE + PAGE;

/// A space with x86_64's four levels, and what it works with.
pub struct Space {
    memory: Window,
    frames: Frames,
    budget: Budget,
    space: AddressSpace<FourLevel>,
}

/// So many pages from the base on.
///
/// # Panics
/// If they are not in the user half.
#[must_use]
pub fn pages(count: u64) -> Pages {
    Pages::check::<FourLevel>(FIRST, count * PAGE).unwrap_or_else(|| panic!("{count} pages fit"))
}

impl Default for Space {
    fn default() -> Self {
        let mut memory = Window::default();
        let mut frames =
            Frames::new(&mut memory, map(1 << 18, 1)).unwrap_or_else(|error| panic!("{error:?}"));
        let mut budget = Budget::new(1 << 16);
        let mut means = Means { memory: &mut memory, frames: &mut frames, budget: &mut budget };
        let space = AddressSpace::new(&mut means).unwrap_or_else(|error| panic!("{error:?}"));
        let mut all = Self { memory, frames, budget, space };
        // Neighbours that stay: a table is not made and freed each time.
        for table in [BASE, BASE + (64 << 20)] {
            let stays = Pages::check::<FourLevel>(table - PAGE, 2 * PAGE).unwrap_or(Pages::NONE);
            all.reserve(stays);
        }
        all
    }
}

impl Space {
    /// A space in which these pages are resident.
    #[must_use]
    pub fn resident(pages: Pages) -> Self {
        let mut space = Self::default();
        space.reserve(pages);
        space.fill(pages);
        space
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut AddressSpace<FourLevel>, &mut Means<'_, Window>) -> T) -> T {
        let Self { memory, frames, budget, space } = self;
        act(space, &mut Means { memory, frames, budget })
    }

    /// Reserves.
    #[inline]
    pub fn reserve(&mut self, pages: Pages) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end()
                && space.reserve(means, &mut at, pages, Entry::Lazy(Rights::ReadWrite)).is_ok()
            {}
        });
    }

    /// Makes resident.
    pub fn fill(&mut self, pages: Pages) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end() && space.fill(means, &mut at, pages).is_ok() {}
        });
    }

    /// Takes away, with nobody else to forget.
    #[inline]
    pub fn unmap(&mut self, pages: Pages) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end() {
                let start = at;
                let Ok(flush) = space.unmap(means, &mut at, pages.end(), Whose::Own) else { return };
                let _ = flush.into_duty();
                let (unlinked, flush) = space.settle_unmap(means, pages.from(start).until(at));
                let _ = flush.into_duty();
                unlinked.reclaim(means);
            }
        });
    }

    /// Changes rights.
    #[inline]
    pub fn protect(&mut self, pages: Pages, rights: Rights) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end() {
                let Ok(flush) = space.protect(means, &mut at, pages.end(), rights) else { return };
                let _ = flush.into_duty();
            }
        });
    }

    /// Moves.
    #[inline]
    pub fn relocate(&mut self, pages: Pages, to: u64) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end() {
                let start = at;
                let Ok(flush) = space.relocate(means, &mut at, pages, to) else { return };
                let _ = flush.into_duty();
                let there = to + (start - pages.start());
                let (unlinked, flush) = space.settle_move(means, pages.from(start).until(at), there);
                let _ = flush.into_duty();
                unlinked.reclaim(means);
            }
        });
    }

    /// Writes for the first time.
    #[inline]
    pub fn touch(&mut self, address: u64) {
        self.with(|space, means| match space.fault(means, address, Access::Store) {
            Ok(Repair::Done(flush)) => drop(flush.into_duty()),
            Ok(Repair::Copying { page, frame, flush }) => {
                let _ = flush.into_duty();
                space.settle_copy(means, page, frame);
            }
            other => panic!("{other:?}"),
        });
    }

    /// Lets pages appear a second time.
    #[inline]
    pub fn copy(&mut self, pages: Pages, to: u64) {
        self.with(|space, means| {
            let mut at = pages.start();
            while at < pages.end() {
                let target = space.target(pages.moved(to), None);
                let Ok(flush) = space.duplicate(means, &mut at, pages, target) else { return };
                let _ = flush.into_duty();
            }
        });
    }
}

/// A page at another address, for copies and moves.
#[must_use]
pub fn elsewhere(count: u64) -> Pages {
    Pages::check::<FourLevel>(FIRST + (64 << 20), count * PAGE).unwrap_or(Pages::NONE)
}

/// CPUs that run threads of one process, all of which remember a page.
pub struct Sharers {
    kernel: Kernel<HostMachine<Sv39>>,
    cpus: Vec<HostCpu<Sv39>>,
}

impl Sharers {
    /// One CPU that changes things, and so many others.
    ///
    /// # Panics
    /// If the simulated machine is too small, which is a mistake in this file.
    #[must_use]
    pub fn with(others: u16) -> Self {
        let machine = HostMachine::<Sv39>::new(others + 1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, others + 1, map).unwrap_or_else(|error| panic!("{error:?}"));
        let process = kernel.create_process().unwrap_or_else(|error| panic!("{error:?}"));
        for _ in 0..=others {
            kernel
                .start_process(process, UserAddress(0), UserAddress(0), 0)
                .unwrap_or_else(|error| panic!("{error:?}"));
        }
        let mut cpus: Vec<_> = (0..=others).map(|id| HostCpu::new(CpuId(id))).collect();
        for cpu in &mut cpus {
            assert_eq!(kernel.enter(cpu, Trap::Again), Resume::User);
        }
        let mut all = Self { kernel, cpus };
        all.call(Call::MemoryReserve { range: RANGE, rights: PageRights::ReadWrite });
        all.remember();
        all
    }

    fn call(&mut self, call: Call) {
        let Self { kernel, cpus } = self;
        cpus[0].registers().request = call.encode();
        if kernel.enter(&mut cpus[0], Trap::Syscall) == Resume::User {
            return;
        }
        let mut last = false;
        for cpu in &mut cpus[1..] {
            if kernel.machine().answer(cpu) {
                last = true;
                let _ = kernel.enter(cpu, Trap::Kick);
            }
        }
        assert!(last, "somebody was asked");
        if kernel.machine_mut().take_kick(CpuId(0)) {
            assert_eq!(kernel.enter(&mut cpus[0], Trap::Kick), Resume::User);
        }
    }

    fn remember(&mut self) {
        for cpu in &mut self.cpus {
            if let Err(fault) = cpu.translate(self.kernel.machine().ram(), BASE, Access::Load) {
                let trap = Trap::PageFault { cause: 13, address: fault.address, access: fault.access };
                assert_eq!(self.kernel.enter(cpu, trap), Resume::User);
            }
        }
    }

    /// Makes a call that does nothing.
    pub fn null(&mut self) {
        self.call(Call::Null {});
    }

    /// Takes the right to write a page away, which every CPU has to forget, and gives it back.
    pub fn close_and_open(&mut self) {
        self.call(Call::MemoryProtect { range: RANGE, rights: PageRights::Read });
        self.call(Call::MemoryProtect { range: RANGE, rights: PageRights::ReadWrite });
    }
}

const RANGE: UserRange = UserRange { start: UserAddress(BASE), length: PAGE };
