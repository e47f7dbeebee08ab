//! Words that nobody can guess: ChaCha20 (RFC 8439) over a key that each block replaces.
//!
//! Whoever reads the memory of a running machine learns nothing about the words that it has given out before.

use core::array;

/// A source of words, and what it has been fed.
#[derive(Clone, Debug)]
pub struct Entropy {
    key: [u32; 8],
    /// What is left of the last block: the first so many are there still.
    words: [u64; WORDS],
    left: usize,
    /// Counts blocks: no two are made of the same input, even if a key came twice.
    blocks: u64,
}

/// How many words a block gives, beside the next key.
const WORDS: usize = 4;
/// "expand 32-byte k", as words.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

impl Entropy {
    /// A source that anybody can guess, until it is fed.
    #[must_use]
    pub const fn new() -> Self {
        Self { key: [0; 8], words: [0; WORDS], left: 0, blocks: 0 }
    }

    /// Stirs a word in: what comes afterwards can be guessed only by who can guess it and all before it.
    pub fn feed(&mut self, word: u64) {
        self.key[0] ^= word as u32;
        self.key[1] ^= (word >> 32) as u32;
        self.turn();
        self.left = 0;
    }

    /// A fresh word.
    pub fn word(&mut self) -> u64 {
        if self.left == 0 {
            self.turn();
        }
        self.left -= 1;
        // It is given out once, and is not there any more.
        core::mem::take(&mut self.words[self.left])
    }

    /// Makes a block: half of it is the next key.
    fn turn(&mut self) {
        self.blocks += 1;
        let nonce = [(self.blocks >> 32) as u32, 0, 0];
        let block = block(&self.key, self.blocks as u32, nonce);
        self.key = array::from_fn(|at| block[at]);
        self.words = array::from_fn(|at| u64::from(block[8 + 2 * at]) | u64::from(block[9 + 2 * at]) << 32);
        self.left = WORDS;
    }
}

impl Default for Entropy {
    fn default() -> Self {
        Self::new()
    }
}

/// The block function of ChaCha20 (RFC 8439, chapter 2.3).
#[must_use]
pub fn block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    start[13..].copy_from_slice(&nonce);
    let mut state = start;
    for _ in 0..10 {
        for column in 0..4 {
            quarter(&mut state, [column, column + 4, column + 8, column + 12]);
        }
        for first in 0..4 {
            let diagonal = |row: usize| 4 * row + (first + row) % 4;
            quarter(&mut state, [first, diagonal(1), diagonal(2), diagonal(3)]);
        }
    }
    array::from_fn(|at| state[at].wrapping_add(start[at]))
}

/// The quarter round (RFC 8439, chapter 2.1).
fn quarter(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (one, two, three, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[one] = state[one].wrapping_add(state[two]);
        state[three] = (state[three] ^ state[one]).rotate_left(by);
    }
}
