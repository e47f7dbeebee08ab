//! What a program is started with is what it finds, whoever has written it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use coldframe_abi::UserAddress;
use coldframe_services::{StartBlock, Started};
use proptest::prelude::*;

const START: u64 = 0x7000_0000;

/// What a future comes to that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// A program that has these words from the beginning on, and zeros everywhere else.
fn started(words: &[u64]) -> Started<impl AsyncFn(UserAddress) -> u64> {
    let load = async |address: UserAddress| {
        assert!(address.0.is_multiple_of(8), "{address:?}");
        let at = address.0.wrapping_sub(START) / 8;
        words.get(at as usize).copied().unwrap_or(0)
    };
    Started::new(load, UserAddress(START))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[^\\x00]{0,12}", 0..6)
}

fn variables() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[A-C]{1,2}=[^\\x00]{0,12}", 0..6)
}

proptest! {
    #[test]
    fn all_of_it_is_found(arguments in texts(), environment in variables(), name in "[A-C]{1,2}") {
        let both = [&arguments, &environment].map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
        let block = StartBlock::new(&both[0], &both[1]).expect("no text has a zero in it");
        let words: Vec<_> = block.words(UserAddress(START)).collect();
        prop_assert_eq!(words.len() as u64 * 8, block.length());
        prop_assert!(block.length().is_multiple_of(16));
        let started = started(&words);
        let mut buffer = [0; 64];
        prop_assert_eq!(now(started.count()), arguments.len() as u64);
        for (number, argument) in (0..).zip(&arguments) {
            prop_assert_eq!(now(started.argument(number, &mut buffer)), Some(argument.as_str()));
        }
        prop_assert_eq!(now(started.argument(arguments.len() as u64, &mut buffer)), None);
        // Of two variables with one name the first counts.
        let expected = environment.iter().find_map(|variable| variable.strip_prefix(&name)?.strip_prefix('='));
        prop_assert_eq!(now(started.variable(&name, &mut buffer)), expected);
    }

    #[test]
    fn what_is_too_long_is_cut_between_letters(argument in "[aü€𝄞]{0,20}", room in 0_usize..40) {
        let arguments = [argument.as_str()];
        let block = StartBlock::new(&arguments, &[]).expect("no text has a zero in it");
        let words: Vec<_> = block.words(UserAddress(START)).collect();
        let mut buffer = vec![0; room];
        let found = now(started(&words).argument(0, &mut buffer));
        let fits = |length: &usize| argument.is_char_boundary(*length);
        let length = (0..=room.min(argument.len())).rev().find(fits).unwrap_or(0);
        prop_assert_eq!(found, Some(&argument[..length]));
    }

    #[test]
    fn no_words_do_harm(mut words in prop::collection::vec(any::<u64>(), 0..40), near in prop::collection::vec(0_usize..40, 0..20), room in 0_usize..40) {
        // Some lead back into the block.
        for (at, to) in near.into_iter().enumerate() {
            if let Some(word) = words.get_mut(at) {
                *word = if to < 8 { to as u64 } else { START + to as u64 * 8 };
            }
        }
        let started = started(&words);
        let mut buffer = vec![0; room];
        for number in [0, 1, 2, u64::MAX - 1, u64::MAX] {
            let _ = now(started.argument(number, &mut buffer));
        }
        let _ = now(started.variable("A", &mut buffer));
    }
}

#[test]
fn texts_with_a_zero_in_them_are_none() {
    assert!(StartBlock::new(&["a\0b"], &[]).is_none());
    assert!(StartBlock::new(&["a"], &["B=\0"]).is_none());
    assert!(StartBlock::new(&[], &[]).is_some());
}
