//! The checks of images fire: each on a file that is damaged in one place.

use images::check::{Fault, kernel, program};
use images::target::Arch;

/// A minimal ELF file: header, one loadable segment, and for x86_64 a PVH note.
struct File {
    machine: u16,
    kind: u16,
    flags: u32,
    physical: u64,
    virtual_address: u64,
    size: u64,
    note: Option<u32>,
    entry: u64,
}

impl File {
    fn riscv_kernel() -> Self {
        let virtual_address = 0xffff_ffff_8020_0000;
        Self {
            machine: 243,
            kind: 2,
            flags: 5,
            physical: 0x8020_0000,
            virtual_address,
            size: 64,
            note: None,
            entry: virtual_address,
        }
    }

    fn x86_kernel() -> Self {
        Self {
            machine: 62,
            kind: 2,
            flags: 5,
            physical: 0x20_0000,
            virtual_address: 0xffff_ffff_8020_0000,
            size: 64,
            note: Some(0x20_0010),
            entry: 0x20_0010,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let headers = 1 + u16::from(self.note.is_some());
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.machine.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(self.entry.to_le_bytes());
        bytes.extend(64_u64.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, headers, 64, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        let content = 64 + 56 * u64::from(headers);
        self.header(&mut bytes, 1, self.flags, content, self.virtual_address, self.physical, 64, self.size);
        if self.note.is_some() {
            self.header(&mut bytes, 4, 4, content + 64, 0, 0, 20, 20);
        }
        bytes.extend([0; 64]);
        if let Some(address) = self.note {
            for word in [4_u32, 4, 18] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(b"Xen\0");
            bytes.extend(address.to_le_bytes());
        }
        bytes
    }

    #[expect(clippy::too_many_arguments, reason = "these are the fields of a program header")]
    fn header(
        &self,
        bytes: &mut Vec<u8>,
        kind: u32,
        flags: u32,
        at: u64,
        virt: u64,
        phys: u64,
        file: u64,
        size: u64,
    ) {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        for word in [at, virt, phys, file, size, 4096] {
            bytes.extend(word.to_le_bytes());
        }
    }
}

#[test]
fn sound_files_pass() {
    assert_eq!(kernel(Arch::Riscv64, &File::riscv_kernel().bytes()), []);
    assert_eq!(kernel(Arch::X86_64, &File::x86_kernel().bytes()), []);
}

#[test]
fn each_damage_is_named() {
    let check = |arch, file: File| kernel(arch, &file.bytes());
    let rv = Arch::Riscv64;
    assert!(matches!(kernel(rv, b"no file")[..], [Fault::NotElf(_)]));
    assert_eq!(check(rv, File { machine: 62, ..File::riscv_kernel() }), [Fault::WrongMachine]);
    assert_eq!(check(rv, File { kind: 3, ..File::riscv_kernel() }), [Fault::NotFixed]);
    assert_eq!(
        check(rv, File { flags: 7, ..File::riscv_kernel() }),
        [Fault::WritableCode(0xffff_ffff_8020_0000)]
    );
    let moved = check(rv, File { physical: 0x8000_0000, ..File::riscv_kernel() });
    assert_eq!(moved, [Fault::Entry { wanted: 0x8020_0000, found: 0x8000_0000 }]);
    assert!(matches!(
        check(rv, File { size: 1 << 30, ..File::riscv_kernel() })[..],
        [Fault::TooLarge { .. }]
    ));
    assert_eq!(check(Arch::X86_64, File { note: None, ..File::x86_kernel() }), [Fault::NoNote]);
    let astray = check(Arch::X86_64, File { note: Some(0x1000), ..File::x86_kernel() });
    assert_eq!(astray, [Fault::Entry { wanted: 0x1000, found: 0x20_0010 }]);
    assert!(program(rv, &File::riscv_kernel().bytes()).contains(&Fault::KernelHalf(0xffff_ffff_8020_0000)));
}
