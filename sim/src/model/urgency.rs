//! How urgent threads are where they wait in line: by what they run on when they come there, or are made more or less
//! urgent; to receive by what they own.

use coldframe_abi::Number;
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::Model;
use super::words::Line;

impl Model {
    /// Notes what whoever may come to a line in the entry that follows runs on before it.
    pub(super) fn note_contexts<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        was: u32,
        number: Option<Number>,
    ) {
        self.contexts.clear();
        self.contexts.extend(urgency_of(view, was));
        let changes =
            [Number::SetClass, Number::SetPriority, Number::SetGroup, Number::SetAffinity].map(Some);
        if changes.contains(&number) {
            self.contexts.extend(self.lines.iter().filter_map(|waiting| urgency_of(view, waiting.thread)));
        }
    }

    /// Notes what a thread runs on whose call is made once more.
    pub(super) fn note_context_again<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        thread: u32,
    ) {
        self.contexts.retain(|(other, _)| *other != thread);
        self.contexts.extend(urgency_of(view, thread));
    }

    /// How urgent a thread is in a line.
    pub(super) fn urgency_in(&self, thread: u32, line: Line) -> u64 {
        let own = self.thread(thread).map_or(0, |thread| thread.settings.urgency());
        let lent = self.contexts.iter().find(|(other, _)| *other == thread).map(|(_, urgency)| *urgency);
        match line {
            Line::Receivers(..) => own,
            _ => own.max(lent.unwrap_or(0)),
        }
    }
}

/// A thread, and how urgent the context is that it has been lent, if any.
fn urgency_of<F: HardwareFormat>(view: &Inspection<'_, HostMachine<F>>, thread: u32) -> Option<(u32, u64)> {
    let on = view.rows.get(thread as usize)?.runs_on();
    let context = view.rows.get(on as usize)?.context();
    (on != thread).then(|| (thread, context.base().index() as u64))
}
