//! Replies that are kept: who waits for which, and what becomes of that when nobody can give it any more.

use coldframe_abi::{Arrival, CapabilityHandle, CapabilityKind, Error, FaultAnswer, Instant, Message, Reply};
use coldframe_capability::Target;
use coldframe_kernel::{Inspection, WaitsFor};
use hal_host::{HardwareFormat, HostMachine};

use super::calls::{Expected, refused, reused};
use super::capabilities::is_held;
use super::names::Key;
use super::{Model, State};
use crate::oracle::{MODEL, Violation, names_of_kept};

impl Model {
    pub(super) fn keeps_reply<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        given: Reply,
        now: Instant,
    ) -> Result<Expected, Violation> {
        let Some(owed) = self.thread(caller).and_then(|thread| thread.owes) else {
            return Ok(Expected::Answer(Err(Error::PeerGone)));
        };
        let word = match given.result() {
            Ok(word) => word,
            Err(error) if self.is_short(view, caller, error) => return Ok(Expected::Any),
            Err(error) => return Err(refused(now, "reply_keep", error)),
        };
        if !self.names.is_fresh(word) {
            return Err(reused(now, format!("{word:#x}")));
        }
        let row = &view.capabilities[CapabilityHandle::from_word(word).slot as usize];
        let (target, before) = (row.target(), self.kept_replies.get(&owed).copied().unwrap_or(0));
        let fits = row.holder() == self.process_of(caller).map(|process| process as u32)
            && (target.kind, target.row) == (CapabilityKind::Reply, owed)
            && target.generation > before;
        if !fits {
            let detail = format!("thread {caller} owes thread {owed} a reply and keeps {target:?}");
            return Err(Violation { oracle: MODEL, detail, at: now });
        }
        self.kept_replies.insert(owed, target.generation);
        self.kept.push((owed, target.generation));
        self.owes_nothing(caller);
        self.set_state(owed, State::AwaitsKept { number: target.generation });
        Ok(Expected::Answer(Ok(word)))
    }

    fn awaits_kept(&self, thread: u32, number: u32) -> bool {
        self.thread(thread).is_some_and(|thread| thread.state == State::AwaitsKept { number })
    }

    /// Whether somebody waits for a reply that was kept. Whose time was up before, in the same entry, does not.
    pub(super) fn is_awaited<F: HardwareFormat>(
        &self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
        number: u32,
    ) -> bool {
        let has_left =
            self.makes_again && view.threads[thread as usize].waits_for() != WaitsFor::KeptReply(number);
        self.awaits_kept(thread, number) && !has_left
    }

    /// The kept reply that a thread calls so.
    pub(super) fn kept_named(&self, caller: u32, word: u64) -> Result<(Key, Target), Error> {
        let key = (self.process_of(caller).ok_or(Error::BadHandle)?, word);
        let source = self.sources.iter().find(|(known, _)| *known == key);
        let target = source.map(|(_, row)| row.target()).ok_or(Error::BadHandle)?;
        if target.kind == CapabilityKind::Reply { Ok((key, target)) } else { Err(Error::BadHandle) }
    }

    pub(super) fn gives_kept<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        caller: u32,
        word: u64,
        message: Message,
        (heard, now): (Option<Error>, Instant),
    ) -> Result<(), Error> {
        let (key, target) = self.kept_named(caller, word)?;
        self.can_carry(view, caller, &message, false)?;
        if message.words[..message.carries.count()].contains(&word) {
            return Err(Error::BadArgument);
        }
        let owed = target.row;
        // A call that is made once more comes after the timers.
        let is_late = self.makes_again && self.found(view, owed).reply == Err(Error::TimedOut).into();
        if !self.awaits_kept(owed, target.generation)
            || (is_late && !self.is_awaited(view, owed, target.generation))
        {
            self.is_used_up(view, key);
            return Err(Error::PeerGone);
        }
        if self.is_faulted(owed) {
            self.is_used_up(view, key);
            self.hears_of_fault(owed, FaultAnswer::from_message(&message));
            return Ok(());
        }
        let message = self.hands_on(view, (caller, owed), message, heard, now)?;
        self.is_used_up(view, key);
        self.finds(owed, Message { arrival: Arrival::Sent, ..message });
        self.expect(owed, Ok(0));
        Ok(())
    }

    /// Who has given a kept reply has no capability to it any more.
    fn is_used_up<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>, key: Key) {
        if is_held(view, key) {
            self.complaint = Some(format!("a reply has been given and can be given again by {key:x?}"));
        }
    }

    /// Capabilities to kept replies may have gone: whoever waits for one hears of it.
    pub(super) fn miss_kept<F: HardwareFormat>(&mut self, view: &Inspection<'_, HostMachine<F>>) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.retain(|(thread, number)| self.awaits_kept(*thread, *number));
        for (thread, number) in &kept {
            // Whoever goes on although there is one shows it.
            if names_of_kept(view, *thread, *number) == 0 {
                self.loses_server(*thread);
            }
        }
        self.kept = kept;
    }
}
