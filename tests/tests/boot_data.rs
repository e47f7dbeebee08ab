//! Readers of boot data: right on what real firmware says, and harmless on whatever else.

use coldframe_abi::{Instant, Nanos};
use coldframe_hal::Frame;
use hal_bare::boot::{
    Bytes, FirmwareTexts, Program, TickRate, acpi, device_tree, kept_frames, programs, pvh, usable_ram,
};
use proptest::prelude::*;

/// The tree that QEMU 7.2 makes for `-machine virt -smp 4 -m 256M`, without firmware's additions.
const VIRT: &[u8] = include_bytes!("../data/virt-4-cpus-256M.dtb");

#[test]
fn the_tree_of_qemu_is_read() {
    let kernel = Bytes { start: 0x8020_0000, length: 0x1000 };
    let facts = device_tree::read(VIRT, &[kernel]).expect("the tree is fine");
    assert_eq!(facts.cpus.ids(), [0, 1, 2, 3]);
    assert_eq!(facts.timebase, 10_000_000);
    assert!(facts.own_timers);
    assert_eq!(facts.serial, 0x1000_0000);
    assert_eq!(facts.finisher, Some(0x10_0000));
    assert_eq!(facts.ram.frames(), 65_536 - 1);
    assert!(!facts.ram.contains(Frame(0x80200)) && facts.ram.contains(Frame(0x80201)));
    assert_eq!(facts.archive, None);
    // The first bytes of `rng-seed` in that file.
    assert_eq!(facts.seed.map(|seed| seed[0]), Some(0x2303_54b6_9d96_5012));
    let plic = facts.plic.as_ref().expect("there is one");
    assert_eq!((plic.start, plic.length, plic.lines), (0xc00_0000, 0x60_0000, 97));
    // A context each for M-mode and S-mode.
    assert_eq!([0, 1, 3, 4].map(|hart| plic.context_of(hart)), [Some(1), Some(3), Some(7), None]);
    let ram: Vec<_> = facts.memory().collect();
    assert_eq!(ram, [Bytes { start: 0x8000_0000, length: 256 << 20 }]);
}

#[test]
fn firmware_sets_the_timers_of_harts_that_cannot() {
    let mut tree = VIRT.to_vec();
    let at = tree.windows(5).rposition(|part| part == b"_sstc").expect("the last hart has it");
    tree[at + 1..at + 5].copy_from_slice(b"zzzz");
    assert!(!device_tree::read(&tree, &[]).expect("the tree is fine").own_timers);
}

#[test]
fn the_table_of_devices_is_where_the_fadt_says() {
    let mut fadt = [0; 276];
    assert_eq!(acpi::dsdt(&fadt), None);
    fadt[40..44].copy_from_slice(&0x0ffe_0040_u32.to_le_bytes());
    assert_eq!(acpi::dsdt(&fadt), Some(0x0ffe_0040));
    assert_eq!(acpi::dsdt(&fadt[..43]), None);
    fadt[140..148].copy_from_slice(&0x1_0000_0000_u64.to_le_bytes());
    assert_eq!(acpi::dsdt(&fadt), Some(0x1_0000_0000));
    assert_eq!(acpi::dsdt(&fadt[..147]), Some(0x0ffe_0040));
}

proptest! {
    #[test]
    fn what_firmware_says_is_handed_on_as_it_was(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3_000), 0..70)) {
        let mut kept = FirmwareTexts::default();
        texts.iter().for_each(|text| kept.push(text));
        // Each begins at a multiple of eight; what is more than sixty-four is left out.
        let mut expected = Vec::new();
        for text in texts.iter().take(64) {
            expected.extend(text);
            expected.resize(expected.len().next_multiple_of(8), 0);
        }
        let mut found = vec![0; kept.frames() as usize * 4_096];
        let mut count = 0;
        for (at, word) in kept.words() {
            found[at as usize..][..8].copy_from_slice(&word.to_le_bytes());
            count += 1;
        }
        prop_assert_eq!(count * 8, expected.len());
        prop_assert_eq!(kept.frames() as usize, expected.len().div_ceil(4_096));
        expected.resize(found.len(), 0);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damaged_trees_do_no_harm(cut in 0_usize..VIRT.len(), hits in prop::collection::vec((0_usize..4_000, any::<u8>()), 0..8)) {
        let mut tree = VIRT[..cut].to_vec();
        for (at, byte) in hits {
            if let Some(target) = tree.get_mut(at) {
                *target = byte;
            }
        }
        let _ = device_tree::read(&tree, &[]);
    }

    #[test]
    fn arbitrary_tables_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = acpi::root_pointer(&bytes);
        let _ = acpi::madt(&bytes);
        let _ = acpi::hpet(&bytes);
        let _ = acpi::header(&bytes);
        let _ = acpi::is_intact(&bytes);
        prop_assert!(acpi::tables(&bytes, true).count() <= 25);
        let _ = pvh::StartInfo::read(&bytes);
        let _ = pvh::ram(&bytes);
        let _ = pvh::memory(&bytes);
        let _ = programs(&bytes).map(Iterator::count);
        if let Ok(program) = Program::read(&bytes) {
            let _ = program.segments().count();
        }
    }

    #[test]
    fn clocks_convert_for_a_hundred_years(hertz in 1_000_u64..=10_000_000_000, years in 0_u64..100, more in any::<u32>()) {
        let rate = TickRate::new(hertz).expect("a fine rate");
        let moment = Instant(years * 31_557_600_000_000_000 + u64::from(more));
        let ticks = rate.ticks_at(moment);
        if ticks < u64::MAX {
            prop_assert!(rate.instant(ticks) >= moment, "a timer never fires early");
            let late = rate.instant(ticks).since(moment);
            prop_assert!(late.0 <= 1_000_000_000 / hertz + 1, "{late:?}");
            prop_assert!(rate.instant(ticks) <= rate.instant(ticks + 1), "time never goes back");
        }
    }
}

#[test]
fn impossible_clocks_are_refused() {
    for hertz in [0, 999, 1_000_000_000_001, u64::MAX] {
        assert!(TickRate::new(hertz).is_err(), "{hertz}");
    }
    let rate = TickRate::new(3_000_000_000).expect("a fine rate");
    assert_eq!(rate.instant(u64::MAX), Instant(6_148_914_691_236_517_205));
    assert_eq!(rate.ticks_in(Nanos::ZERO), 0);
}

fn with_checksum(mut table: Vec<u8>, at: usize) -> Vec<u8> {
    table[at] = 0;
    let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    table[at] = sum.wrapping_neg();
    table
}

fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut table = vec![0; acpi::HEADER_LENGTH];
    table[..4].copy_from_slice(signature);
    table[4..8].copy_from_slice(&((acpi::HEADER_LENGTH + body.len()) as u32).to_le_bytes());
    table.extend_from_slice(body);
    with_checksum(table, 9)
}

#[test]
fn a_madt_names_the_enabled_cpus() {
    let mut body = Vec::new();
    body.extend_from_slice(&0xfee0_0000_u32.to_le_bytes());
    body.extend_from_slice(&1_u32.to_le_bytes());
    body.extend_from_slice(&[0, 8, 0, 0, 1, 0, 0, 0]);
    body.extend_from_slice(&[0, 8, 1, 5, 1, 0, 0, 0]);
    body.extend_from_slice(&[0, 8, 2, 6, 0, 0, 0, 0]);
    body.extend_from_slice(&[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    body.extend_from_slice(&[9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // A second controller, and lines that do not ask as those of their bus do.
    body.extend_from_slice(&[1, 12, 1, 0, 0, 0x10, 0xc0, 0xfe, 24, 0, 0, 0]);
    body.extend_from_slice(&[2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    body.extend_from_slice(&[2, 10, 0, 9, 9, 0, 0, 0, 0xf, 0]);
    body.extend_from_slice(&[2, 10, 0, 16, 16, 0, 0, 0, 0x5, 0]);
    body.extend_from_slice(&[2, 10, 0, 70, 70, 0, 0, 0, 0xf, 0]);
    let table = table(b"APIC", &body);
    assert!(acpi::is_intact(&table));
    let madt = acpi::madt(&table).expect("a fine table");
    assert_eq!((madt.local_apic, madt.cpus.ids()), (0xfee0_0000, &[0, 5, 300][..]));
    assert_eq!(madt.io_apic, Some(0xfec0_0000));
    let expected = !0xffff & !(1 << 16) | 1 << 9;
    assert_eq!(madt.triggers, acpi::Triggers { level: expected, low: expected });
    // An entry without length would never end.
    let endless = self::table(b"APIC", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(acpi::madt(&endless).is_some_and(|madt| madt.cpus.ids().is_empty()));
    let mut damaged = table;
    damaged[50] ^= 1;
    assert!(!acpi::is_intact(&damaged));
}

#[test]
fn root_pointers_of_both_revisions_are_read() {
    let mut old = [0; 36];
    old[..8].copy_from_slice(b"RSD PTR ");
    old[16..20].copy_from_slice(&0x1234_u32.to_le_bytes());
    let old: Vec<u8> = {
        let mut first = with_checksum(old[..20].to_vec(), 8);
        first.resize(36, 0);
        first
    };
    assert_eq!(acpi::root_pointer(&old), Some(acpi::RootTable::Rsdt(0x1234)));
    let mut new = old[..20].to_vec();
    new[15] = 2;
    let mut new = with_checksum(new, 8);
    new.resize(36, 0);
    new[24..32].copy_from_slice(&0x5678_9abc_u64.to_le_bytes());
    let new = with_checksum(new, 32);
    assert_eq!(acpi::root_pointer(&new), Some(acpi::RootTable::Xsdt(0x5678_9abc)));
    assert_eq!(acpi::root_pointer(&[0; 36]), None);
}

#[test]
fn what_is_memory_of_any_kind_is_kept_from_drivers() {
    let entry = |start: u64, length: u64, kind: u32| {
        let mut entry = [start.to_le_bytes(), length.to_le_bytes(), [0; 8]].concat();
        entry[16..20].copy_from_slice(&kind.to_le_bytes());
        entry
    };
    // RAM, what is reserved for devices, tables of ACPI, and a byte of a page.
    let entries = [entry(0x10_0000, 0x10_0000, 1), entry(0xfed0_0000, 0x1000, 2), entry(0x20_0000, 1, 3)];
    let kept = kept_frames(entries.iter().filter_map(|entry| pvh::memory(entry))).expect("few pieces");
    for (frame, is_kept) in
        [(0xff, false), (0x100, true), (0x1ff, true), (0x200, true), (0x201, false), (0xf_ed00, false)]
    {
        assert_eq!(kept.contains(Frame(frame)), is_kept, "frame {frame:#x}");
    }
}

#[test]
fn what_is_in_use_is_never_free() {
    // Row B1: unaligned, overlapping, unsorted, at the end of the address space.
    let ram = [
        Bytes { start: 0x10_0000, length: 0x10_0800 },
        Bytes { start: 0x800, length: 0x9_f000 },
        Bytes { start: 0x18_0000, length: 0x10_0000 },
        Bytes { start: u64::MAX - 0x1fff, length: 0x5000 },
        Bytes { start: 0x5000, length: 0 },
    ];
    let used = [Bytes { start: 0x12_3456, length: 1 }, Bytes { start: 0x20_0000, length: 0x1001 }];
    let map = usable_ram(ram, used).expect("few pieces");
    for (frame, free) in [
        (0, false),
        (1, true),
        (0x9e, true),
        (0x9f, false),
        (0x100, true),
        (0x123, false),
        (0x124, true),
        (0x200, false),
        (0x201, false),
        (0x202, true),
        (0x27f, true),
        (0x280, false),
    ] {
        assert_eq!(map.contains(Frame(frame)), free, "frame {frame:#x}");
    }
}
