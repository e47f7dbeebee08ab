//! Which memory an instruction reads or writes, by its bytes and what is in the registers before it.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, Register};

use crate::target::Arch;

/// A line of a cache has so many bytes, on nearly every machine.
pub const LINE: u64 = 64;

/// The registers of a machine that is stopped, as GDB's packet for all of them has them.
#[derive(Clone, Debug, Default)]
pub struct Registers(pub Vec<u8>);

impl Registers {
    /// The register of eight bytes that begins at a byte.
    #[must_use]
    pub fn at(&self, byte: usize) -> Option<u64> {
        let bytes = self.0.get(byte..byte + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// One of those that come first, which all have eight bytes.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Option<u64> {
        self.at(number * 8)
    }
}

/// The addresses that an instruction touches.
#[must_use]
pub fn touched(arch: Arch, bytes: &[u8], address: u64, registers: &Registers) -> Vec<Range<u64>> {
    match arch {
        Arch::X86_64 => x86_64(bytes, address, registers),
        Arch::Riscv64 => riscv64(bytes, registers).into_iter().collect(),
    }
}

/// Where QEMU puts the bases of segments: behind sixteen general registers, rip, and seven words of four bytes.
const FS_BASE: usize = 17 * 8 + 7 * 4;
const GS_BASE: usize = FS_BASE + 8;

fn x86_64(bytes: &[u8], address: u64, registers: &Registers) -> Vec<Range<u64>> {
    let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
    // GDB's order.
    const ORDER: [Register; 16] = [
        Register::RAX,
        Register::RBX,
        Register::RCX,
        Register::RDX,
        Register::RSI,
        Register::RDI,
        Register::RBP,
        Register::RSP,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    let value = |register: Register, _, _| match register {
        Register::ES | Register::CS | Register::SS | Register::DS => Some(0),
        Register::FS => registers.at(FS_BASE),
        Register::GS => registers.at(GS_BASE),
        Register::RIP => Some(address),
        other => ORDER.iter().position(|known| *known == other).and_then(|at| registers.numbered(at)),
    };
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(&instruction).used_memory().iter();
    let touches = used.filter(|memory| memory.access() != OpAccess::NoMemAccess);
    let range = |memory: &iced_x86::UsedMemory| {
        let start = memory.virtual_address(0, value)?;
        Some(start..start + memory.memory_size().size().max(1) as u64)
    };
    touches.filter_map(range).collect()
}

/// The field of so many bits from one on.
const fn field(word: u32, from: u32, bits: u32) -> u32 {
    word >> from & ((1 << bits) - 1)
}

fn riscv64(bytes: &[u8], registers: &Registers) -> Option<Range<u64>> {
    let low = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let (base, offset, size) = if low & 3 == 3 {
        wide(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))?
    } else {
        compressed(low.into())?
    };
    let start = registers.numbered(base as usize)?.wrapping_add_signed(offset.into());
    Some(start..start + size)
}

/// The base register, the offset and the size of a load, a store or an atomic access (RISC-V ISA 20191213, chapters 2.6,
/// 5.3, 8 and 12.3).
fn wide(word: u32) -> Option<(u32, i32, u64)> {
    let size = 1 << field(word, 12, 2);
    let base = field(word, 15, 5);
    let offset = match word & 0x7f {
        0x03 | 0x07 => word as i32 >> 20,
        0x23 | 0x27 => (word as i32 >> 25) << 5 | field(word, 7, 5) as i32,
        0x2f => 0,
        _ => return None,
    };
    Some((base, offset, size))
}

/// The same of a compressed one (chapter 16.3).
fn compressed(word: u32) -> Option<(u32, i32, u64)> {
    const STACK: u32 = 2;
    let near = 8 + field(word, 7, 3);
    let (base, offset, size) = match (word & 3, field(word, 13, 3)) {
        (0, 2 | 6) => {
            let offset = field(word, 10, 3) << 3 | field(word, 6, 1) << 2 | field(word, 5, 1) << 6;
            (near, offset, 4)
        }
        (0, 1 | 3 | 5 | 7) => (near, field(word, 10, 3) << 3 | field(word, 5, 2) << 6, 8),
        (2, 2) => {
            let offset = field(word, 12, 1) << 5 | field(word, 4, 3) << 2 | field(word, 2, 2) << 6;
            (STACK, offset, 4)
        }
        (2, 1 | 3) => {
            let offset = field(word, 12, 1) << 5 | field(word, 5, 2) << 3 | field(word, 2, 3) << 6;
            (STACK, offset, 8)
        }
        (2, 6) => (STACK, field(word, 9, 4) << 2 | field(word, 7, 2) << 6, 4),
        (2, 5 | 7) => (STACK, field(word, 10, 3) << 3 | field(word, 7, 3) << 6, 8),
        _ => return None,
    };
    Some((base, offset as i32, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each register holds its number times 0x1000; the base of gs, on x86_64, 0x100_0000.
    fn registers() -> Registers {
        let mut bytes: Vec<u8> = (0_u64..40).flat_map(|number| (number * 0x1000).to_le_bytes()).collect();
        bytes[GS_BASE..GS_BASE + 8].copy_from_slice(&0x100_0000_u64.to_le_bytes());
        Registers(bytes)
    }

    #[test]
    fn what_is_touched_is_known_by_the_bytes() {
        let x86: [(&[u8], Option<Range<u64>>); 7] = [
            // mov rax, [rbx + rcx*8 + 16]
            (&[0x48, 0x8b, 0x44, 0xcb, 0x10], Some(0x1000 + 0x2000 * 8 + 16..0x1000 + 0x2000 * 8 + 24)),
            // mov dword ptr gs:[0x20], eax
            (&[0x65, 0x89, 0x04, 0x25, 0x20, 0, 0, 0], Some(0x100_0020..0x100_0024)),
            // push rbp; call rel32; ret
            (&[0x55], Some(0x6ff8..0x7000)),
            (&[0xe8, 0, 0, 0, 0], Some(0x6ff8..0x7000)),
            (&[0xc3], Some(0x7000..0x7008)),
            // lea rax, [rbx]; mov rax, [rip + 0]
            (&[0x48, 0x8d, 0x03], None),
            (&[0x48, 0x8b, 0x05, 0, 0, 0, 0], Some(0x8007..0x800f)),
        ];
        for (bytes, expected) in x86 {
            let found = touched(Arch::X86_64, bytes, 0x8000, &registers());
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{bytes:x?}");
        }
        let risc: [(u32, Option<Range<u64>>); 10] = [
            // ld a0, -8(sp); sb a1, 3(a2); amoswap.w.aq a0, a0, (a1); fsd fa0, 16(a0); addi
            (0xff81_3503, Some(0x1ff8..0x2000)),
            (0x00b6_01a3, Some(0xc003..0xc004)),
            (0x0ca5_a52f, Some(0xb000..0xb004)),
            (0x00a5_3827, Some(0xa010..0xa018)),
            (0x0010_0513, None),
            // c.ld a0, 8(a1); c.sw a0, 4(a1); c.ldsp ra, 8(sp); c.sdsp ra, 8(sp); c.lwsp a0, 4(sp)
            (0x6588, Some(0xb008..0xb010)),
            (0xc1c8, Some(0xb004..0xb008)),
            (0x60a2, Some(0x2008..0x2010)),
            (0xe406, Some(0x2008..0x2010)),
            (0x4512, Some(0x2004..0x2008)),
        ];
        for (word, expected) in risc {
            let found = touched(Arch::Riscv64, &word.to_le_bytes(), 0x8000, &registers());
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{word:#x}");
        }
    }
}
