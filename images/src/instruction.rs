//! The instructions that cost more than others, or that a path is not to have at all.

use crate::target::Arch;

/// What an instruction does that is worth to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Enters the kernel by a call.
    Call,
    /// Goes back to user mode, the short way of a call.
    Return,
    /// Goes back to user mode by `iretq`.
    LongReturn,
    /// Changes the address space.
    Space,
    /// Exchanges the base of the CPU's own data.
    Base,
    /// Reads or writes memory with the bus locked.
    Locked,
    /// Writes a model-specific register.
    Model,
    /// Saves or restores floating-point state.
    Float,
    /// Forgets translations.
    Flush,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Call,
        Self::Return,
        Self::LongReturn,
        Self::Space,
        Self::Base,
        Self::Locked,
        Self::Model,
        Self::Float,
        Self::Flush,
    ];

    /// What an architecture calls it.
    #[must_use]
    pub const fn name(self, arch: Arch) -> &'static str {
        match (self, arch) {
            (Self::Call, Arch::X86_64) => "syscall",
            (Self::Call, Arch::Riscv64) => "ecall",
            (Self::Return, Arch::X86_64) => "sysret",
            (Self::Return, Arch::Riscv64) => "sret",
            (Self::LongReturn, _) => "iretq",
            (Self::Space, Arch::X86_64) => "mov cr3",
            (Self::Space, Arch::Riscv64) => "csrw satp",
            (Self::Base, Arch::X86_64) => "swapgs",
            (Self::Base, Arch::Riscv64) => "csrrw sscratch",
            (Self::Locked, Arch::X86_64) => "lock, xchg",
            (Self::Locked, Arch::Riscv64) => "amo, lr, sc",
            (Self::Model, _) => "wrmsr",
            (Self::Float, Arch::X86_64) => "fxsave, xsave, …",
            (Self::Float, Arch::Riscv64) => "fsd, fld",
            (Self::Flush, Arch::X86_64) => "invlpg, invpcid",
            (Self::Flush, Arch::Riscv64) => "sfence.vma",
        }
    }

    /// What the instruction is that begins with these bytes, if it is one of these.
    #[must_use]
    pub fn of(arch: Arch, bytes: &[u8]) -> Option<Self> {
        match arch {
            Arch::X86_64 => x86_64(bytes),
            Arch::Riscv64 => riscv64(bytes),
        }
    }
}

fn x86_64(bytes: &[u8]) -> Option<Kind> {
    let is_prefix = |byte: &u8| matches!(byte, 0xf0 | 0xf2 | 0xf3 | 0x66 | 0x2e | 0x64 | 0x65 | 0x40..=0x4f);
    let prefixes = bytes.iter().take_while(|byte| is_prefix(byte)).count();
    let (before, rest) = bytes.split_at(prefixes);
    // The field of the second operand, and whether the other one is in memory.
    let field = |byte: &u8| (byte >> 3 & 7, byte >> 6 != 3);
    let kind = match rest {
        [0x0f, 0x05, ..] => Kind::Call,
        [0x0f, 0x07, ..] => Kind::Return,
        [0xcf, ..] => Kind::LongReturn,
        [0x0f, 0x22, operands, ..] if field(operands).0 == 3 => Kind::Space,
        [0x0f, 0x01, 0xf8, ..] => Kind::Base,
        [0x0f, 0x30, ..] => Kind::Model,
        [0x0f, 0x01, operands, ..] if field(operands) == (7, true) => Kind::Flush,
        [0x0f, 0x38, 0x82, ..] => Kind::Flush,
        [0x0f, 0xae, operands, ..] if matches!(field(operands), (0 | 1 | 4 | 5 | 6, true)) => Kind::Float,
        [0x86 | 0x87, operands, ..] if field(operands).1 => Kind::Locked,
        _ if before.contains(&0xf0) => Kind::Locked,
        _ => return None,
    };
    Some(kind)
}

fn riscv64(bytes: &[u8]) -> Option<Kind> {
    let word = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let (opcode, function, register) = (word & 0x7f, word >> 12 & 7, word >> 20);
    const SATP: u32 = 0x180;
    const SSCRATCH: u32 = 0x140;
    let kind = match (word, opcode) {
        (0x0000_0073, _) => Kind::Call,
        (0x1020_0073, _) => Kind::Return,
        (_, 0x73) if function == 0 && word >> 25 == 0b000_1001 => Kind::Flush,
        (_, 0x73) if function == 1 && register == SATP => Kind::Space,
        (_, 0x73) if function == 1 && register == SSCRATCH => Kind::Base,
        (_, 0x2f) => Kind::Locked,
        (_, 0x07 | 0x27) => Kind::Float,
        // c.fldsp, c.fsdsp, c.fld, c.fsd
        _ if matches!((word & 3, word >> 13 & 7), (0 | 2, 1 | 5)) => Kind::Float,
        _ => return None,
    };
    Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_known_by_their_bytes() {
        let x86: [(&[u8], Option<Kind>); 14] = [
            (&[0x0f, 0x05], Some(Kind::Call)),
            (&[0x48, 0x0f, 0x07], Some(Kind::Return)),
            (&[0x48, 0xcf], Some(Kind::LongReturn)),
            (&[0x0f, 0x22, 0xd8], Some(Kind::Space)),
            (&[0x0f, 0x22, 0xc0], None),
            (&[0x0f, 0x01, 0xf8], Some(Kind::Base)),
            (&[0x0f, 0x01, 0x3f], Some(Kind::Flush)),
            (&[0x66, 0x0f, 0x38, 0x82, 0x07], Some(Kind::Flush)),
            (&[0x48, 0x0f, 0xae, 0x07], Some(Kind::Float)),
            (&[0x0f, 0xae, 0xf0], None),
            (&[0xf0, 0x48, 0x0f, 0xb1, 0x0f], Some(Kind::Locked)),
            (&[0x48, 0x87, 0x07], Some(Kind::Locked)),
            (&[0x48, 0x87, 0xc1], None),
            (&[0x90], None),
        ];
        for (bytes, kind) in x86 {
            assert_eq!(Kind::of(Arch::X86_64, bytes), kind, "{bytes:x?}");
        }
        let risc: [(u32, Option<Kind>); 9] = [
            (0x0000_0073, Some(Kind::Call)),
            (0x1020_0073, Some(Kind::Return)),
            // csrw satp, a0; csrrw sp, sscratch, sp; csrr a0, sstatus
            (0x1805_1073, Some(Kind::Space)),
            (0x1401_1173, Some(Kind::Base)),
            (0x1000_2573, None),
            // sfence.vma a0, a1; amoswap.w.aq a0, a0, (a1); fsd fa0, 0(a0); addi
            (0x12b5_0073, Some(Kind::Flush)),
            (0x0ca5_a52f, Some(Kind::Locked)),
            (0x00a5_3027, Some(Kind::Float)),
            (0x0010_0513, None),
        ];
        for (word, kind) in risc {
            assert_eq!(Kind::of(Arch::Riscv64, &word.to_le_bytes()), kind, "{word:#x}");
        }
    }
}
