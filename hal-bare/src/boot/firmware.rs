//! What firmware says of the machine, as it is handed on to programs: one text behind the other, each from a multiple of eight.

use coldframe_hal::{FRAME_BYTES, FrameRun};

/// How many texts there can be: what more there are is left out.
const MOST: usize = 64;
const WORD: usize = 8;

/// The texts, a device tree or the tables of ACPI: each says itself what it is, and how long.
#[derive(Clone, Copy, Debug)]
pub struct FirmwareTexts<'a> {
    texts: [&'a [u8]; MOST],
    count: usize,
}

impl Default for FirmwareTexts<'_> {
    fn default() -> Self {
        Self { texts: [&[]; MOST], count: 0 }
    }
}

impl<'a> FirmwareTexts<'a> {
    /// One more.
    pub fn push(&mut self, text: &'a [u8]) {
        if let Some(free) = self.texts.get_mut(self.count) {
            *free = text;
            self.count += 1;
        }
    }

    /// How many frames they take.
    #[must_use]
    pub fn frames(&self) -> u64 {
        let bytes: usize = self.texts.iter().map(|text| text.len().next_multiple_of(WORD)).sum();
        FrameRun::around(0, bytes as u64).count
    }

    /// Their words, and where each is from the beginning.
    pub fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let pieces = self.texts.iter().flat_map(|text| text.chunks(WORD));
        pieces.zip(0_u64..).map(|(piece, place)| {
            let mut word = [0; WORD];
            word[..piece.len()].copy_from_slice(piece);
            (place * WORD as u64, u64::from_le_bytes(word))
        })
    }
}

const _: () = assert!(FRAME_BYTES.is_multiple_of(WORD as u64), "a word lies in one frame");
