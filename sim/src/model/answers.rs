//! Which answers programs have found: what has been seen to succeed, and to fail with what.

use coldframe_abi::{Error, Number, Reply, TABLE};

/// For each call a bit for each error that it was answered with, the lowest for success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    of_calls: [u32; TABLE.len()],
}

const _: () = assert!(Error::ALL.len() < 32, "there are more errors than bits for them");

impl Default for Answers {
    fn default() -> Self {
        Self { of_calls: [0; TABLE.len()] }
    }
}

/// One way in which a call is answered: an error, or success.
pub type Answer = (Number, Option<Error>);

impl Answers {
    pub(super) fn add(&mut self, number: u64, reply: Reply) {
        if let Some(bits) = self.of_calls.get_mut(number as usize) {
            *bits |= 1 << (reply.status & 31);
        }
    }

    /// Whether a call was answered like this.
    #[must_use]
    pub fn has(&self, (number, error): Answer) -> bool {
        let bit = error.map_or(0, |error| error as u32);
        self.of_calls[number as usize] >> bit & 1 == 1
    }

    /// These and those.
    pub fn add_all(&mut self, others: &Self) {
        for (bits, more) in self.of_calls.iter_mut().zip(others.of_calls) {
            *bits |= more;
        }
    }

    /// All that the table says can happen: each call succeeds, and fails with each of its errors.
    pub fn in_the_table() -> impl Iterator<Item = Answer> {
        TABLE.iter().flat_map(|number| {
            let errors = number.description().errors.iter();
            std::iter::once((*number, None)).chain(errors.map(|error| (*number, Some(*error))))
        })
    }
}
