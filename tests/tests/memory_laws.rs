//! Memory map and address spaces against sets, on every page-table format.

use std::collections::{BTreeMap, BTreeSet};

use coldframe_abi::{CpuId, UserAddress, UserRange};
use coldframe_hal::paging::{FiveLevel, FourLevel, Rights, Sv39, Sv48, Sv57};
use coldframe_hal::{Frame, FrameRun, PhysicalMemory, Translation};
use coldframe_memory::{AddressSpace, Frames, MemoryMap, Teardown, UserSlice};
use hal_host::{Access, HardwareFormat, HostCpu, HostMachine};
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

    #[test]
    fn spaces_agree_with_hardware(pages in pages()) {
        agree::<Sv39>(&pages)?;
        agree::<Sv48>(&pages)?;
        agree::<Sv57>(&pages)?;
        agree::<FourLevel>(&pages)?;
        agree::<FiveLevel>(&pages)?;
    }
}

/// Pages in a dense window at both ends of the user half: uniform addresses would never meet.
fn pages() -> impl Strategy<Value = Vec<(u64, bool, Rights)>> {
    let rights = prop::sample::select(vec![Rights::Read, Rights::ReadWrite, Rights::ReadExecute]);
    prop::collection::vec((0_u64..40, any::<bool>(), rights), 1..40)
}

/// The kernel's walker, the hardware's walker and a map say the same, and a teardown gives every frame back.
fn agree<F: HardwareFormat>(pages: &[(u64, bool, Rights)]) -> Result<(), TestCaseError> {
    let mut machine = HostMachine::<F>::new(1, 1_024, 0);
    let map = machine.memory_map();
    let mut frames =
        Frames::new(&mut machine, map).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let before = frames.free_count();
    let mut space = AddressSpace::<F>::new(&mut machine, &mut frames)
        .map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    let mut model: BTreeMap<u64, (Frame, Rights)> = BTreeMap::new();
    for (page, high, rights) in pages {
        let address = if *high { F::USER_END - (page + 1) * 4096 } else { page * 4096 };
        let frame =
            frames.take_zeroed(&mut machine).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        let placed = space.map(&mut machine, &mut frames, UserAddress(address), frame, *rights);
        prop_assert_eq!(placed.is_ok(), !model.contains_key(&address));
        if placed.is_ok() {
            model.insert(address, (frame, *rights));
        } else {
            prop_assert_eq!(frames.give(&mut machine, frame), Ok(()));
        }
    }
    let mut cpu = HostCpu::<F>::new(CpuId(0));
    cpu.activate(space.root());
    let addresses = (0..42).flat_map(|page| [page * 4096, F::USER_END - (page + 1) * 4096]);
    for address in addresses {
        let expected = model.get(&address);
        let walked = space.translate(&machine, UserAddress(address));
        prop_assert_eq!(walked.map(|(physical, leaf)| (physical.frame(), leaf.rights)), expected.copied());
        for (access, allowed) in [
            (Access::Load, expected.is_some()),
            (Access::Store, expected.is_some_and(|(_, rights)| rights.writes())),
            (Access::Fetch, expected.is_some_and(|(_, rights)| rights.executes())),
        ] {
            let reached = cpu.translate(machine.ram(), address, access);
            prop_assert_eq!(reached.is_ok(), allowed, "{:?} at {:#x} on {}", access, address, F::NAME);
            if let (Ok(physical), Some((frame, _))) = (reached, expected) {
                prop_assert_eq!(physical.frame(), *frame);
            }
        }
    }
    for beyond in [F::USER_END, !7, 1 << 63] {
        prop_assert!(
            cpu.translate(machine.ram(), beyond, Access::Load).is_err(),
            "user mode reaches {beyond:#x}"
        );
        prop_assert!(space.translate(&machine, UserAddress(beyond)).is_none());
    }
    cpu.deactivate();
    let mut steps = 0;
    while space.take_down(&mut machine, &mut frames) == Ok(Teardown::More) {
        steps += 1;
        prop_assert!(steps < 100_000, "a teardown has to end");
    }
    prop_assert_eq!(frames.free_count(), before, "a frame was lost");
    Ok(())
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
    let mut machine = HostMachine::<Sv39>::new(1, 64, 0);
    let map = machine.memory_map();
    let mut frames = Frames::new(&mut machine, map).expect("there is memory");
    let mut space = AddressSpace::<Sv39>::new(&mut machine, &mut frames).expect("there is memory");
    for (page, text) in [(0x1000, *b"first..."), (0x2000, *b"second..")] {
        let frame = frames.take_zeroed(&mut machine).expect("there is memory");
        let word = if page == 0x1000 { 511 } else { 0 };
        machine.write_word(frame.word(word), u64::from_le_bytes(text));
        space
            .map(&mut machine, &mut frames, UserAddress(page), frame, Rights::Read)
            .expect("the page is free");
    }
    let slice = |start, length| {
        UserSlice::check::<Sv39>(UserRange { start: UserAddress(start), length }).expect("in the user half")
    };
    let mut text = [0; 16];
    assert_eq!(slice(0x1ff8, 16).read(&space, &machine, &mut text), Some(()));
    assert_eq!(&text, b"first...second..");
    let mut text = [0; 5];
    assert_eq!(slice(0x1ffd, 5).read(&space, &machine, &mut text), Some(()));
    assert_eq!(&text, b"...se");
    assert_eq!(slice(0x2ff8, 16).read(&space, &machine, &mut [0; 16]), None);
    assert_eq!(slice(0x0ff8, 16).read(&space, &machine, &mut [0; 16]), None);
}
