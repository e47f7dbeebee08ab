//! What a machine has one of: its wall time, its entropy.

use coldframe_abi::{Authority, Error, Instant, Reply};
use coldframe_kernel::{Inspection, Kernel};
use hal_host::{HardwareFormat, HostMachine};

use super::calls::Answer;
use super::{Model, fail};
use crate::oracle::Violation;

/// The number in the reach of the authority over the clock that stands for setting it.
const SET_CLOCK: u64 = 1;
/// Where the clock page says what wall time it was at zero, in words.
const WALL: usize = 3;

impl Model {
    /// A word has been asked for that nobody can guess: whoever has seen all others cannot, if none comes twice.
    pub(super) fn random<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        given: Reply,
        now: Instant,
    ) -> Result<Answer, Violation> {
        if !self.may(view, caller, Authority::Entropy, 0) {
            return Ok(Err(Error::NotAllowed));
        }
        if let Ok(word) = given.result()
            && !self.random_words.insert(word)
        {
            return fail(now, format!("the random word {word:#x} is given out again")).map(|()| Ok(word));
        }
        // Which it is the model cannot know.
        Ok(Ok(given.value))
    }

    /// Somebody says what time it is: from now on that is where whoever looks at the clock page finds it.
    pub(super) fn clock_set<F: HardwareFormat>(
        &mut self,
        (kernel, view): (&Kernel<HostMachine<F>>, &Inspection<'_, HostMachine<F>>),
        caller: u32,
        wall: u64,
        now: Instant,
    ) -> Result<Answer, Violation> {
        let answer = if !self.may(view, caller, Authority::Clock, SET_CLOCK) {
            Err(Error::NotAllowed)
        } else if wall < now.0 {
            Err(Error::BadArgument)
        } else {
            self.wall_at_zero = wall - now.0;
            Ok(0)
        };
        let found = kernel.machine().ram().read(view.clock_page.word(WALL));
        if found != self.wall_at_zero {
            let expected = self.wall_at_zero;
            let detail =
                format!("the clock page says {found} of the wall time at zero, and it was {expected}");
            return fail(now, detail).map(|()| answer);
        }
        Ok(answer)
    }
}
