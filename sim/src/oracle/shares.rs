//! `group-shares`: groups that are side by side at one level of one CPU get the same time.

use coldframe_abi::{Class, Instant, Nanos};
use coldframe_hal::Trap;
use coldframe_kernel::Inspection;
use coldframe_scheduler::{NONE, slice_of};
use hal_host::{HardwareFormat, HostMachine};

use super::{GROUP_SHARES, Violation, demand};

/// A span in which the same groups were present at the same level of a CPU and nobody gave time away.
#[derive(Clone, Debug, Default)]
struct Span {
    level: usize,
    /// The groups, and what each has had.
    groups: Vec<(u32, Nanos)>,
    last: Instant,
    running: u32,
}

/// The spans of all CPUs.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    spans: Vec<Span>,
    present: Vec<u32>,
}

impl Shares {
    #[inline]
    pub(crate) fn check<F: HardwareFormat>(
        &mut self,
        view: &Inspection<'_, HostMachine<F>>,
        cpu: usize,
        trap: Trap,
        now: Instant,
    ) -> Result<(), Violation> {
        if self.spans.len() <= cpu {
            self.spans.resize_with(cpu + 1, Span::default);
        }
        let span = &mut self.spans[cpu];
        let spent = now.since(span.last);
        span.last = now;
        if let Some((_, had)) = span.groups.iter_mut().find(|(group, _)| *group == span.running) {
            had.0 += spent.0;
        }
        let Some(current) = view.queues[cpu].current() else {
            span.groups.clear();
            return Ok(());
        };
        let turn = view.rows[current as usize].turn();
        let level = view.turns[turn as usize].level().index();
        self.present.clear();
        let mut at = turn;
        loop {
            self.present.push(view.turns[at as usize].group());
            at = view.turns[at as usize].next();
            if at == turn || at == NONE {
                break;
            }
        }
        self.present.sort_unstable();
        // A thread that calls may give its time away; that is its own affair and starts a new span.
        let same = level == span.level
            && trap != Trap::Syscall
            && span.groups.iter().map(|(group, _)| group).eq(self.present.iter());
        if !same {
            span.level = level;
            span.groups.clear();
            span.groups.extend(self.present.iter().map(|group| (*group, Nanos::ZERO)));
        }
        span.running = view.turns[turn as usize].group();
        let most = span.groups.iter().map(|(_, had)| had.0).max().unwrap_or(0);
        let least = span.groups.iter().map(|(_, had)| had.0).min().unwrap_or(0);
        let class = Class::ALL[level / 256];
        let bound = slice_of(class).0 * 2 + Nanos::from_millis(1).0;
        demand(most - least <= bound, GROUP_SHARES, now, || {
            let shares: Vec<_> =
                span.groups.iter().map(|(group, had)| format!("group {group}: {had}")).collect();
            format!("on cpu{cpu} at level {level}: {}", shares.join(", "))
        })
    }
}
