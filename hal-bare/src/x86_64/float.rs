//! What `fxsave` keeps of a thread (SDM 1, chapter 10.5): its floating-point and vector registers.

/// The registers as they lie in memory.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub(super) struct Float([u8; 512]);

/// The word behind those of the vector registers: how is computed with them.
const CONTROL: usize = 32;
const CONTROL_AT: usize = 24;
/// Where the CPU says which bits of that there are, and which there are if it says nothing.
const MASK_AT: usize = 28;
const LEAST_MASK: u32 = 0xffbf;
const VECTORS_AT: usize = 160;

impl Float {
    /// How many words others can look at: the halves of sixteen vector registers, and the control register.
    pub(super) const WORDS: usize = CONTROL + 1;

    /// What the registers hold after a reset: all exceptions masked (SDM 1, chapters 8.1.5 and 10.2.3).
    pub(super) const FRESH: Self = {
        let mut bytes = [0; 512];
        [bytes[0], bytes[1]] = 0x037f_u16.to_le_bytes();
        [bytes[CONTROL_AT], bytes[CONTROL_AT + 1]] = 0x1f80_u16.to_le_bytes();
        Self(bytes)
    };

    fn half(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(bytes)
    }

    pub(super) fn word(&self, number: usize) -> u64 {
        if number == CONTROL {
            return self.half(CONTROL_AT).into();
        }
        let at = VECTORS_AT + number * 8;
        u64::from(self.half(at)) | u64::from(self.half(at + 4)) << 32
    }

    pub(super) fn set_word(&mut self, number: usize, value: u64) {
        if number == CONTROL {
            // A bit that there is not would make the way back to the thread trap.
            let mask = Some(self.half(MASK_AT)).filter(|mask| *mask != 0).unwrap_or(LEAST_MASK);
            self.0[CONTROL_AT..CONTROL_AT + 4].copy_from_slice(&(value as u32 & mask).to_le_bytes());
            return;
        }
        let at = VECTORS_AT + number * 8;
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}
