//! The memory map against a set, and the door to user memory.

use std::collections::BTreeSet;

use coldframe_abi::{Call, CpuId, PageRights, UserAddress, UserRange, Word};
use coldframe_hal::paging::{Cache, Entry, FourLevel, Ownership, Rights, Sv39};
use coldframe_hal::{Access, Cpu, Frame, FrameRun, PhysicalMemory, Trap};
use coldframe_kernel::{Kernel, Resume};
use coldframe_memory::{
    AddressSpace, Budget, Frames, Means, MemoryMap, POISON, Pages, SpaceError, UserSlice,
};
use hal_host::{HostCpu, HostMachine};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_memory_map_is_a_set(ops in prop::collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 1..60)) {
        let mut map = MemoryMap::default();
        let mut set = BTreeSet::new();
        for (add, start, count) in ops {
            let run = FrameRun { start: Frame(start), count };
            let frames = start..start + count;
            if add {
                prop_assert!(map.add(run).is_ok());
                set.extend(frames);
            } else {
                prop_assert!(map.remove(run).is_ok());
                set.retain(|frame| !frames.contains(frame));
            }
            for frame in 0..90 {
                prop_assert_eq!(map.contains(Frame(frame)), set.contains(&frame), "frame {}", frame);
            }
            let apart = map.runs().windows(2).all(|pair| pair[0].end() < pair[1].start);
            prop_assert!(apart && map.runs().iter().all(|run| run.count > 0), "{:?}", map.runs());
        }
    }
}

#[test]
fn user_ranges_are_checked_at_the_door() {
    let range = |start, length| UserRange { start: UserAddress(start), length };
    let end = 1_u64 << 38;
    for (start, length, fine) in [
        (0, 0, true),
        (end, 0, true),
        (end - 1, 1, true),
        (end - 8, 16, false),
        (end, 1, false),
        (end + 1, 0, false),
        (u64::MAX, 1, false),
        (u64::MAX, 0, false),
        (u64::MAX - 4, 8, false),
        (8, u64::MAX, false),
        (0, end, true),
        (0, end + 1, false),
    ] {
        assert_eq!(
            UserSlice::check::<Sv39>(range(start, length)).is_some(),
            fine,
            "{start:#x} + {length:#x}"
        );
    }
}

#[test]
fn a_copy_crosses_pages_and_stops_at_a_hole() {
    let mut machine = HostMachine::<Sv39>::new(1, 128, 0);
    let map = machine.memory_map();
    let mut frames = Frames::new(&mut machine, map).expect("there is memory");
    let mut budget = Budget::new(20);
    let means = &mut Means { memory: &mut machine, frames: &mut frames, budget: &mut budget };
    let mut space = AddressSpace::<Sv39>::new(means).expect("there is memory");
    for (page, text) in [(0x1000, *b"first..."), (0x2000, *b"second..")] {
        let frame = means.take_zeroed().expect("there is memory");
        let word = if page == 0x1000 { 511 } else { 0 };
        means.memory.write_word(frame.word(word), u64::from_le_bytes(text));
        space.place(means, UserAddress(page), frame, Rights::Read).expect("the page is free");
    }
    let lazy = Pages::check::<Sv39>(0x4000, 0x1000).expect("a page");
    space.reserve(means, &mut lazy.start(), lazy, Entry::Lazy(Rights::Read)).expect("the page is free");
    let slice = |start, length| {
        UserSlice::check::<Sv39>(UserRange { start: UserAddress(start), length }).expect("in the user half")
    };
    let mut text = [0; 16];
    assert_eq!(slice(0x1ff8, 16).read(&space, means.memory, &mut text), Ok(()));
    assert_eq!(&text, b"first...second..");
    let mut text = [0; 5];
    assert_eq!(slice(0x1ffd, 5).read(&space, means.memory, &mut text), Ok(()));
    assert_eq!(&text, b"...se");
    for (start, hole) in [(0x2ff8, 0x3000), (0x0ff8, 0x0ff8)] {
        let hole = Err(SpaceError::NotMapped(UserAddress(hole)));
        assert_eq!(slice(start, 16).read(&space, means.memory, &mut [0; 16]), hole);
    }
    // What nobody has touched reads as zero, and stays untouched.
    let mut text = [1; 8];
    assert_eq!(slice(0x4ff8, 8).read(&space, means.memory, &mut text), Ok(()));
    assert_eq!(text, [0; 8]);
    assert!(matches!(space.query(means.memory, UserAddress(0x4000)), Some((Entry::Lazy(_), 0))));
}

#[test]
fn what_is_given_back_is_poisoned_in_checked_builds() {
    let mut machine = HostMachine::<Sv39>::new(1, 128, 0);
    let map = machine.memory_map();
    let mut frames = Frames::new(&mut machine, map).expect("there is memory");
    let mut budget = Budget::new(20);
    let means = &mut Means { memory: &mut machine, frames: &mut frames, budget: &mut budget };
    let frame = means.take_zeroed().expect("there is memory");
    means.give(frame);
    let left = means.memory.read_word(frame.word(511));
    assert_eq!(left == POISON, cfg!(debug_assertions), "{left:#x}");
    // Whoever gets it next finds it all zero.
    let again = means.take_zeroed().expect("there is memory");
    assert_eq!((again, means.memory.read_word(again.word(511))), (frame, 0));
}

/// A range of physical memory is shown by the largest pages that fit, uncached if it is a device's.
#[test]
fn a_range_object_shows_physical_memory() {
    const LARGE: u64 = 2 << 20;
    let machine = HostMachine::<FourLevel>::new(1, 4_096, 0);
    let map = machine.memory_map();
    let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
    let process = kernel.create_process().expect("there is memory");
    kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
    // From an odd frame on, over a whole large page.
    let run = FrameRun { start: Frame(1_023), count: 514 };
    let object = kernel.create_range_object(process, run, Cache::Device).expect("there is memory");
    let mut cpu = HostCpu::<FourLevel>::new(CpuId(0));
    assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
    let base = (1 << 30) + LARGE - 4_096;
    let range = UserRange { start: UserAddress(base), length: 514 * 4_096 };
    let rights = PageRights::ReadWrite;
    cpu.registers().request = Call::ObjectMap { object, offset: Word(0), range, rights }.encode();
    let mut resume = kernel.enter(&mut cpu, Trap::Syscall);
    while resume == Resume::Again {
        resume = kernel.enter(&mut cpu, Trap::Again);
    }
    assert_eq!(cpu.registers().reply.status, 0, "it is mapped");
    for (page, level) in [(0, 0), (1, 1), (300, 1), (513, 0)] {
        let address = base + page * 4_096;
        let trap = Trap::PageFault { cause: 14, address, access: Access::Store };
        assert_eq!(kernel.enter(&mut cpu, trap), Resume::User);
        let place = cpu.translate(kernel.machine().ram(), address, Access::Store).expect("it is there");
        assert_eq!(place.frame(), Frame(1_023 + page));
        let view = kernel.inspect();
        let space = view.processes[0].space().expect("the process lives");
        let found = space.query(kernel.machine(), UserAddress(address));
        let Some((Entry::Page(leaf), at)) = found else { panic!("{found:?}") };
        assert_eq!(
            (leaf.cache, leaf.ownership, at),
            (Cache::Device, Ownership::Foreign, level),
            "page {page}"
        );
    }
}
