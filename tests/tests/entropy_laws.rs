//! What makes random words on metal: a cipher that the world knows, and a state that says nothing of the past.

use std::collections::BTreeSet;

use hal_bare::entropy::{Entropy, block};
use proptest::prelude::*;

/// RFC 8439, chapter 2.3.2.
#[test]
fn the_block_function_is_that_of_the_rfc() {
    let key = std::array::from_fn(|at| 0x0302_0100 + 0x0404_0404 * at as u32);
    let found = block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
    let expected = [
        0xe4e7_f110,
        0x1559_3bd1,
        0x1fdd_0f50,
        0xc471_20a3,
        0xc7f4_d1c7,
        0x0368_c033,
        0x9aaa_2204,
        0x4e6c_d4c3,
        0x4664_82d2,
        0x09aa_9f07,
        0x05d7_c214,
        0xa202_8bd9,
        0xd19c_12b5,
        0xb94e_16de,
        0xe883_d0cb,
        0x4e3c_50a2,
    ];
    assert_eq!(found, expected);
}

fn fed(words: &[u64]) -> Entropy {
    let mut entropy = Entropy::new();
    words.iter().for_each(|word| entropy.feed(*word));
    entropy
}

proptest! {
    #[test]
    fn what_is_fed_decides_all_words(words in prop::collection::vec(any::<u64>(), 0..6), other: u64, at: prop::sample::Index) {
        let drawn = |entropy: &mut Entropy| std::array::from_fn::<_, 9, _>(|_| entropy.word());
        let first = drawn(&mut fed(&words));
        prop_assert_eq!(first, drawn(&mut fed(&words)));
        let mut changed = words.clone();
        if changed.is_empty() {
            changed.push(other);
        } else {
            let at = at.index(changed.len());
            changed[at] ^= other.max(1);
        }
        prop_assert!(drawn(&mut fed(&changed)).iter().all(|word| !first.contains(word)));
    }

    /// Whoever gets hold of the state afterwards does not find what was given out before.
    #[test]
    fn a_word_that_was_given_out_is_not_there_any_more(seed: u64, draws in 1_usize..12) {
        let mut entropy = fed(&[seed]);
        let given: Vec<_> = (0..draws).map(|_| entropy.word()).collect();
        let left = format!("{entropy:?}");
        for word in given {
            let halves = [word as u32, (word >> 32) as u32];
            let is_left = left.contains(&word.to_string());
            let half_is = halves.iter().any(|half| left.contains(&format!(" {half},")));
            prop_assert!(!is_left && !half_is, "{} is still in {}", word, left);
        }
    }
}

#[test]
fn no_word_comes_twice() {
    let mut entropy = fed(&[1, 2, 3, 4]);
    let words: BTreeSet<_> = (0..100_000).map(|_| entropy.word()).collect();
    assert_eq!(words.len(), 100_000);
}
