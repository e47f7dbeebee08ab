//! Histories of concurrent calls at endpoints, seen from outside the kernel, and whether some sequential order explains
//! them.
//!
//! Each operation has a moment at which it was begun and one at which its end was seen; at some moment between the two it
//! has happened, all at once. A message is sent and received at the same moment, and so is a reply given and heard.

use std::collections::HashSet;

/// What a thread did at an endpoint, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It has raised signals.
    Raised(u64),
    /// It has received all signals that there were.
    Signals(u64),
    /// It has sent this message, and somebody has received it. No two messages are alike.
    Sent(u64),
    /// It has received this message.
    Received(u64),
    /// It has called with this message, and heard this reply.
    Called(u64, u64),
    /// It has given this reply to whoever had called with this message.
    Replied(u64, u64),
    /// It has called with this message, and its time was up; the message may have been received.
    NotAnswered(u64),
    /// It wanted to receive, and its time was up.
    Nothing,
}

/// An operation, from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Before it was begun.
    pub begun: u64,
    /// After its end was seen.
    pub ended: u64,
    /// What it was.
    pub done: Done,
}

/// Why nothing explains a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// What one operation says another had to say as well, at the same time, and none does.
    Alone(Operation),
    /// This much can be put in order, and no more.
    NoOrder {
        /// How many operations, at most.
        explained: usize,
        /// Of how many.
        of: usize,
    },
}

/// Operations that happen at one moment: one, or the two sides of a message or a reply.
#[derive(Clone, Copy)]
struct Step {
    begun: u64,
    ended: u64,
    change: Change,
}

/// What happens to the signals of the endpoint.
#[derive(Clone, Copy)]
enum Change {
    Raise(u64),
    Take(u64),
    /// Nobody receives a message, or nothing, while there are signals.
    FindNone,
    /// A reply has nothing to do with them; but it comes after the message with this number among the steps.
    After(usize),
}

/// Whether some order explains all operations at one endpoint.
///
/// # Errors
/// Why none does.
pub fn explain(operations: &[Operation]) -> Result<(), Unexplained> {
    let steps = steps_of(operations)?;
    let mut search = Search { steps: &steps, seen: HashSet::new(), most: 0 };
    if search.goes_on(&mut vec![false; steps.len()], 0, 0) {
        return Ok(());
    }
    Err(Unexplained::NoOrder { explained: search.most, of: steps.len() })
}

/// What happened at one moment each: both sides of a message, and of a reply, are there and meet.
fn steps_of(operations: &[Operation]) -> Result<Vec<Step>, Unexplained> {
    let mut used = vec![false; operations.len()];
    let mut steps: Vec<Step> = Vec::new();
    let mut replies = Vec::new();
    for operation in operations {
        let alone = |change| Step { begun: operation.begun, ended: operation.ended, change };
        match operation.done {
            Done::Raised(bits) => steps.push(alone(Change::Raise(bits))),
            Done::Signals(bits) => steps.push(alone(Change::Take(bits))),
            Done::Nothing => steps.push(alone(Change::FindNone)),
            Done::Sent(message) | Done::Called(message, _) => {
                let other = other_side(operations, &mut used, operation, Done::Received(message))
                    .ok_or(Unexplained::Alone(*operation))?;
                if let Done::Called(_, reply) = operation.done {
                    let answer = other_side(operations, &mut used, operation, Done::Replied(message, reply))
                        .ok_or(Unexplained::Alone(*operation))?;
                    replies.push((steps.len(), *operation, answer));
                }
                steps.push(both(*operation, other, Change::FindNone));
            }
            Done::NotAnswered(message) => {
                // Its own side of that is over when its time is up, at the latest.
                if let Some(other) = other_side(operations, &mut used, operation, Done::Received(message)) {
                    steps.push(both(*operation, other, Change::FindNone));
                }
            }
            Done::Received(_) | Done::Replied(..) => {}
        }
    }
    for (message, call, answer) in replies {
        steps.push(both(call, answer, Change::After(message)));
    }
    let received = |done| matches!(done, Done::Received(_) | Done::Replied(..));
    let left = operations.iter().zip(&used).find(|(operation, used)| received(operation.done) && !**used);
    left.map_or(Ok(steps), |(operation, _)| Err(Unexplained::Alone(*operation)))
}

/// The operation that is the other side of one: it says this, nobody else has met it, and both are under way at a time.
fn other_side(operations: &[Operation], used: &mut [bool], one: &Operation, done: Done) -> Option<Operation> {
    let found = operations.iter().zip(used).find(|(other, used)| other.done == done && !**used);
    let (other, used) = found.filter(|(other, _)| other.begun < one.ended && one.begun < other.ended)?;
    *used = true;
    Some(*other)
}

fn both(one: Operation, other: Operation, change: Change) -> Step {
    Step { begun: one.begun.max(other.begun), ended: one.ended.min(other.ended), change }
}

struct Search<'a> {
    steps: &'a [Step],
    /// Which steps had happened, and which signals were there, when nothing came of going on.
    seen: HashSet<(Vec<bool>, u64)>,
    most: usize,
}

impl Search<'_> {
    /// Whether all that has not happened yet can happen, one step after the other.
    fn goes_on(&mut self, happened: &mut Vec<bool>, count: usize, signals: u64) -> bool {
        self.most = self.most.max(count);
        if count == self.steps.len() {
            return true;
        }
        if !self.seen.insert((happened.clone(), signals)) {
            return false;
        }
        // What has ended before another was begun has happened before it.
        let open = || self.steps.iter().zip(&*happened).filter(|(_, happened)| !**happened);
        let first_end = open().map(|(step, _)| step.ended).min().unwrap_or(u64::MAX);
        for number in 0..self.steps.len() {
            let Step { begun, change, .. } = self.steps[number];
            if happened[number] || begun > first_end {
                continue;
            }
            let after = match change {
                Change::Raise(bits) => signals | bits,
                Change::Take(bits) if bits == signals && bits != 0 => 0,
                Change::FindNone if signals == 0 => 0,
                Change::After(message) if happened[message] => signals,
                _ => continue,
            };
            happened[number] = true;
            if self.goes_on(happened, count + 1, after) {
                return true;
            }
            happened[number] = false;
        }
        false
    }
}
