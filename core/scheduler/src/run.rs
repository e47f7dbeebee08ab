//! The decisions: who stops, who goes on, who must be told.

use coldframe_abi::{CpuId, Instant};
use coldframe_hal::CpuSet;

use crate::{Context, Loose, NONE, Place, SEARCH_LIMIT, Scheduler};

/// What all CPUs share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The CPUs that take part.
    pub(crate) online: CpuSet,
    /// CPUs by the class of their most urgent thread: `[0]` those that have none, `[1 + class]` the others.
    pub(crate) by_urgency: [CpuSet; 5],
    /// CPUs on which threads of a class are queued.
    pub(crate) waiting: [CpuSet; 4],
    /// How many on-line CPUs there are of each urgency: `COUNT_BITS` bits each, `by_urgency[0]` the lowest.
    pub(crate) urgency_counts: u64,
    /// The classes of which a thread is queued somewhere, a bit each.
    pub(crate) waiting_classes: u8,
    /// How many rows have been admitted.
    pub(crate) buckets: u32,
    /// How many threads are in somebody's hands.
    pub(crate) loose: u32,
    /// Makes the places of turns in the hash table unguessable.
    pub(crate) hash_seed: u64,
}

impl State {
    /// The state of a machine with this many CPUs, all off-line.
    #[must_use]
    pub fn new(cpus: u16, hash_seed: u64) -> Self {
        let mut state = Self { hash_seed, ..Self::default() };
        state.by_urgency[0] = CpuSet::first(cpus);
        state
    }

    /// The CPUs that take part.
    #[must_use]
    pub const fn online(&self) -> CpuSet {
        self.online
    }

    /// CPUs on which threads of a class are queued, by class.
    #[must_use]
    pub const fn waiting(&self) -> &[CpuSet; 4] {
        &self.waiting
    }

    /// CPUs that have no thread at all.
    #[must_use]
    pub const fn idle(&self) -> CpuSet {
        self.by_urgency[0]
    }

    /// How many threads are in somebody's hands: none, when the kernel is left (SCH-1).
    #[must_use]
    pub const fn loose(&self) -> u32 {
        self.loose
    }

    /// How many rows have been admitted.
    #[must_use]
    pub const fn admitted(&self) -> u32 {
        self.buckets
    }
}

/// Why a thread becomes runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It starts, or goes on after something that was done to it.
    Start,
    /// What it waited for happened.
    Event,
    /// An interrupt ended its wait: it goes to the head of its level.
    Interrupt,
}

/// Another CPU has to enter the kernel.
#[must_use = "the CPU will not look unless it is kicked"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kick(pub CpuId);

/// What a CPU does when the kernel is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Who ran when the CPU came in and does not any more, still wanting to run.
    pub preempted: Option<u32>,
    /// Who runs now.
    pub current: Option<u32>,
}

/// How wide a count in `State::urgency_counts` is: `MAX_CPUS` fits.
pub(crate) const COUNT_BITS: u32 = 12;

impl State {
    /// Whether a thread of a class is queued on some CPU.
    #[inline]
    pub(crate) const fn is_waiting_above(&self, class: usize) -> bool {
        self.waiting_classes as usize >> (class + 1) != 0
    }

    /// Whether some on-line CPU has nothing to do, or nothing of this class or above.
    #[inline]
    pub(crate) const fn is_less_urgent_cpu(&self, class: usize) -> bool {
        self.urgency_counts & ((1 << (COUNT_BITS * (class as u32 + 1))) - 1) != 0
    }
}

enum PutBack {
    Exhausted,
    Preempted,
    Yielded,
}

impl Scheduler<'_> {
    /// Makes a new row usable. Rows are admitted once each, in order.
    pub fn admit(&mut self, thread: u32) {
        self.admit_turn(thread);
        self.rows[thread as usize].spare = thread;
    }

    /// Takes a free row into use; the thread is held.
    pub fn create(&mut self, thread: u32, context: Context, affinity: CpuSet, cpu: CpuId) {
        let row = &mut self.rows[thread as usize];
        assert_eq!(row.place, Place::Free, "the row has a thread (SCH-1)");
        *row = crate::Row {
            spare: row.spare,
            own: Context { holder: thread, ..context },
            runs_on: thread,
            affinity,
            unbound: affinity == CpuSet::ALL,
            cpu,
            place: Place::Held,
            ..crate::Row::default()
        };
    }

    /// Gives the row of an ended thread back.
    pub fn destroy(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        self.rows[thread as usize].place = Place::Free;
    }

    /// Takes a thread from wherever it is, if that is no CPU.
    pub fn take(&mut self, thread: u32) -> Loose {
        match self.rows[thread as usize].place {
            Place::Queued => {
                self.unlink(thread);
                self.leave_turn(thread);
            }
            Place::Held | Place::Waiting => {}
            place => unreachable!("thread {thread} is {place:?}, which nobody can take it from (SCH-1)"),
        }
        self.rows[thread as usize].place = Place::Moving;
        self.loosen(thread)
    }

    /// Parks a thread that waits for something.
    pub fn park(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        self.rows[thread as usize].place = Place::Waiting;
    }

    /// Parks a thread that may not run.
    pub fn hold(&mut self, loose: Loose) {
        let thread = self.spend(loose);
        self.rows[thread as usize].place = Place::Held;
    }

    /// Queues a thread on the best CPU for it. `here` is the CPU that is in the kernel and will look anyway.
    #[inline]
    pub fn place(&mut self, loose: Loose, wake: Wake, here: CpuId) -> Option<Kick> {
        let thread = loose.thread();
        let context = self.rows[thread as usize].runs_on;
        if wake != Wake::Start {
            self.rows[context as usize].own.raise();
        }
        let cpu = self.choose_cpu(thread, self.level_of(thread));
        self.enqueue(loose, cpu, wake == Wake::Interrupt, here)
    }

    #[inline]
    fn enqueue(&mut self, loose: Loose, cpu: CpuId, front: bool, here: CpuId) -> Option<Kick> {
        let thread = self.spend(loose);
        let level = self.level_of(thread);
        let before = self.cpus[usize::from(cpu.0)].top();
        self.rows[thread as usize].cpu = cpu;
        let (turn, fresh) = self.join_turn(thread, cpu, level);
        self.link(thread, turn, front);
        if front && fresh {
            // A group that is present keeps its place: only one that was away may be first (SCH-5).
            self.turn_first(turn);
        }
        if cpu == here {
            return None;
        }
        // A less urgent thread changes nothing there, unless a boost must now end; an equal one ends a slice.
        let matters = before.is_none_or(|top| level >= top) || self.boost_of_current(cpu) > 0;
        if matters { self.kick(cpu, here) } else { None }
    }

    fn boost_of_current(&self, cpu: CpuId) -> u8 {
        let current = self.cpus[usize::from(cpu.0)].current;
        if current == NONE {
            return 0;
        }
        self.rows[self.rows[current as usize].runs_on as usize].own.boost
    }

    /// Asks a CPU to look, unless it is the one that looks now or has been asked already.
    pub fn kick(&mut self, cpu: CpuId, here: CpuId) -> Option<Kick> {
        if cpu == here || core::mem::replace(&mut self.queue(cpu).kicked, true) {
            return None;
        }
        Some(Kick(cpu))
    }

    /// Notes that a CPU has come in: a kick that was on its way has done its work.
    #[inline]
    pub fn entered(&mut self, cpu: CpuId) {
        self.queue(cpu).kicked = false;
    }

    /// Charges the running thread for the time since it was charged last.
    #[inline]
    pub fn charge(&mut self, cpu: CpuId, now: Instant) {
        let queue = self.queue(cpu);
        let spent = now.since(queue.since);
        queue.since = now;
        let current = queue.current;
        if current == NONE || spent.0 == 0 {
            return;
        }
        let row = &mut self.rows[current as usize];
        row.run_time.0 += spent.0;
        let (turn, context) = (row.turn, row.runs_on);
        let turn = &mut self.turns[turn as usize];
        turn.left = turn.left.minus(spent);
        let context = &mut self.rows[context as usize].own;
        context.slice_left = context.slice_left.minus(spent);
    }

    /// Takes the running thread off its CPU: it waits, ends or is held.
    #[inline]
    pub fn stop(&mut self, cpu: CpuId, now: Instant) -> Loose {
        self.charge(cpu, now);
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        assert_ne!(thread, NONE, "an idle CPU has nobody to stop");
        let turn = self.rows[thread as usize].turn;
        self.leave_turn(thread);
        if self.turns[turn as usize].members > 0 && self.rows[thread as usize].spare != turn {
            self.pass_on_if_over(turn);
        }
        self.rows[thread as usize].place = Place::Moving;
        self.loosen(thread)
    }

    /// Lets the others of the running thread's level go first. Precondition: it has been charged.
    #[inline]
    pub fn yield_now(&mut self, cpu: CpuId) {
        if !self.swap_with_next(cpu) {
            self.give_way(cpu);
        }
    }

    #[inline(never)]
    fn give_way(&mut self, cpu: CpuId) {
        // One that may not be here any more is not queued here: `settle` takes it elsewhere.
        if self.may_stay(self.cpus[usize::from(cpu.0)].current, cpu) {
            self.put_back(cpu, PutBack::Yielded);
        }
    }

    /// The common yield: the next thread of the same turn runs, and the running one takes the last place, which is
    /// the one that the next has left in the ring. Nothing else changes. False if it is not that simple.
    #[inline(always)]
    fn swap_with_next(&mut self, cpu: CpuId) -> bool {
        let queue = &mut self.cpus[usize::from(cpu.0)];
        let thread = queue.current;
        let row = &self.rows[thread as usize];
        let turn = &mut self.turns[row.turn as usize];
        let next = turn.first;
        let simple = next != NONE && turn.left.0 != 0 && row.unbound && queue.online && row.runs_on == thread;
        if !simple || row.own.slice_left.0 == 0 {
            return false;
        }
        let coming = &mut self.rows[next as usize];
        if !coming.unbound {
            return false;
        }
        coming.place = Place::Running;
        let (behind, last) = (coming.next, coming.previous);
        queue.current = next;
        let alone = behind == next;
        let (behind, last) = if alone { (thread, thread) } else { (behind, last) };
        turn.first = behind;
        if !alone {
            self.rows[behind as usize].previous = thread;
            self.rows[last as usize].next = thread;
        }
        let row = &mut self.rows[thread as usize];
        row.place = Place::Queued;
        (row.next, row.previous) = (behind, last);
        true
    }

    #[inline]
    fn pass_on_if_over(&mut self, turn: u32) {
        let record = &mut self.turns[turn as usize];
        if record.left.0 == 0 {
            self.pass_on(turn);
        }
    }

    #[inline]
    fn pass_on(&mut self, turn: u32) {
        let class = coldframe_abi::Class::ALL[self.turns[turn as usize].level().class_index()];
        self.turns[turn as usize].left = crate::slice_of(class);
        self.turn_last(turn);
    }

    /// Queues the running thread again on its own CPU.
    #[inline]
    fn put_back(&mut self, cpu: CpuId, why: PutBack) {
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        let context = self.rows[thread as usize].runs_on;
        let context = &mut self.rows[context as usize].own;
        let slice_over = context.slice_left.0 == 0;
        if slice_over {
            context.refill();
        }
        let mut turn = self.rows[thread as usize].turn;
        if slice_over && self.level_of(thread) != self.turns[turn as usize].level() {
            self.leave_turn(thread);
            (turn, _) = self.join_turn(thread, cpu, self.level_of(thread));
        }
        let alone = self.turns[turn as usize].first == NONE;
        self.link(thread, turn, !slice_over && !matches!(why, PutBack::Yielded));
        match why {
            PutBack::Yielded if alone => self.pass_on(turn),
            _ => self.pass_on_if_over(turn),
        }
    }

    /// Whether somebody else at the running thread's level waits for the end of its slice or of its group's turn.
    #[inline]
    fn rivals(&self, cpu: CpuId) -> (bool, bool) {
        let thread = self.cpus[usize::from(cpu.0)].current;
        let turn = self.rows[thread as usize].turn;
        let record = &self.turns[turn as usize];
        (record.next != turn, record.first != NONE)
    }

    /// When the scheduler wants this CPU back: nothing is armed that would change nothing (SCH-6).
    #[must_use]
    #[inline]
    pub fn next_event(&self, cpu: CpuId) -> Option<Instant> {
        let queue = &self.cpus[usize::from(cpu.0)];
        if queue.current == NONE {
            return None;
        }
        let row = &self.rows[queue.current as usize];
        let context = &self.rows[row.runs_on as usize].own;
        let (groups, threads) = self.rivals(cpu);
        let slice = queue.since.after(context.slice_left);
        if groups {
            Some(slice.min(queue.since.after(self.turns[row.turn as usize].left)))
        } else if threads || (context.boost > 0 && queue.queued() > 0) {
            Some(slice)
        } else {
            None
        }
    }

    /// Decides who runs on a CPU when the kernel is left. The CPUs in the set have to be kicked: they are given
    /// what this one has no time for.
    #[inline]
    #[must_use]
    pub fn settle(&mut self, cpu: CpuId, now: Instant) -> (Settled, CpuSet) {
        self.charge(cpu, now);
        let mut settled = Settled { preempted: None, current: None };
        let mut kicks = CpuSet::EMPTY;
        if self.cpus[usize::from(cpu.0)].current != NONE {
            let kick;
            (settled.preempted, kick) = self.review(cpu);
            if let Some(Kick(target)) = kick {
                kicks.insert(target);
            }
        }
        if self.cpus[usize::from(cpu.0)].current == NONE && self.cpus[usize::from(cpu.0)].online {
            self.dispatch(cpu, &mut kicks);
        }
        if let Some(class) = self.cpus[usize::from(cpu.0)].waiting_class()
            && self.state.is_less_urgent_cpu(class)
        {
            self.spread(cpu, class, &mut kicks);
        }
        settled.current = self.cpus[usize::from(cpu.0)].current();
        if settled.current == settled.preempted {
            settled.preempted = None;
        }
        (settled, kicks)
    }

    /// Looks whether the running thread may go on.
    #[inline]
    fn review(&mut self, cpu: CpuId) -> (Option<u32>, Option<Kick>) {
        let thread = self.cpus[usize::from(cpu.0)].current;
        let row = &self.rows[thread as usize];
        let (turn, context) = (row.turn, row.runs_on);
        if !self.may_stay(thread, cpu) {
            return (Some(thread), self.move_away(cpu));
        }
        let slice_over = self.rows[context as usize].own.slice_left.0 == 0;
        let turn_over = self.turns[turn as usize].left.0 == 0;
        if slice_over || turn_over {
            let (groups, threads) = self.rivals(cpu);
            let boosted = self.rows[context as usize].own.boost > 0;
            if (groups && turn_over) || (threads && slice_over) || (groups && slice_over) || boosted {
                self.put_back(cpu, PutBack::Exhausted);
                return (Some(thread), None);
            }
            // Nobody waits for it to end: what is over starts anew, and only that.
            let class = self.rows[context as usize].own.class;
            if slice_over {
                self.rows[context as usize].own.refill();
            }
            if turn_over {
                self.turns[turn as usize].left = crate::slice_of(class);
            }
        }
        let level = self.cpus[usize::from(cpu.0)].level;
        if let Some(better) = self.find_elsewhere_if_any(cpu, level) {
            self.pull(better, cpu);
        }
        if self.cpus[usize::from(cpu.0)].top().is_some_and(|top| top > level) {
            if self.choose_cpu(thread, self.level_of(thread)) != cpu {
                return (Some(thread), self.move_away(cpu));
            }
            self.put_back(cpu, PutBack::Preempted);
            return (Some(thread), None);
        }
        (None, None)
    }

    /// Whoever waits here goes to a CPU that idles or runs a lower class, if it may (SCH-3, SCH-4).
    fn spread(&mut self, cpu: CpuId, class: usize, kicks: &mut CpuSet) {
        for urgency in 0..=class {
            let mut targets = self.state.by_urgency[urgency].and(&self.state.online);
            targets.remove(cpu);
            for target in targets.iter() {
                let Some(thread) = self.find_here(cpu, target, urgency) else { continue };
                let loose = self.take(thread);
                if let Some(Kick(target)) = self.enqueue(loose, target, false, cpu) {
                    kicks.insert(target);
                }
            }
        }
    }

    #[inline]
    fn find_elsewhere_if_any(&self, cpu: CpuId, above: crate::Level) -> Option<u32> {
        if self.state.is_waiting_above(above.class_index()) {
            self.find_elsewhere(cpu, Some(above))
        } else {
            None
        }
    }

    /// The running thread goes to another CPU that has time for it.
    fn move_away(&mut self, cpu: CpuId) -> Option<Kick> {
        let thread = core::mem::replace(&mut self.queue(cpu).current, NONE);
        self.leave_turn(thread);
        self.rows[thread as usize].place = Place::Moving;
        let loose = self.loosen(thread);
        self.place(loose, Wake::Start, cpu)
    }

    /// Gives an empty CPU its most urgent thread, from here or from elsewhere.
    #[inline]
    fn dispatch(&mut self, cpu: CpuId, kicks: &mut CpuSet) {
        // A thread that was queued here while none of its own CPUs was on-line goes back once one is.
        for _ in 0..SEARCH_LIMIT {
            self.dispatch_top(cpu);
            let current = self.cpus[usize::from(cpu.0)].current;
            if current == NONE || self.may_stay(current, cpu) {
                return;
            }
            if let Some(Kick(target)) = self.move_away(cpu) {
                kicks.insert(target);
            }
        }
    }

    #[inline]
    fn dispatch_top(&mut self, cpu: CpuId) {
        let top = self.cpus[usize::from(cpu.0)].top();
        let elsewhere = match top {
            Some(level) => self.find_elsewhere_if_any(cpu, level),
            None => self.find_elsewhere(cpu, None),
        };
        if let Some(thread) = elsewhere {
            self.pull(thread, cpu);
        }
        let Some(level) = self.cpus[usize::from(cpu.0)].top() else { return };
        let turn = self.head(cpu, level);
        let thread = self.turns[turn as usize].first;
        self.unlink(thread);
        self.rows[thread as usize].place = Place::Running;
        let queue = self.queue(cpu);
        queue.current = thread;
        queue.level = level;
    }

    fn pull(&mut self, thread: u32, cpu: CpuId) {
        let loose = self.take(thread);
        let kick = self.enqueue(loose, cpu, false, cpu);
        assert!(kick.is_none(), "nobody is kicked for what this CPU takes itself");
    }

    /// Changes a thread's context and looks where it belongs now; the kick is for the CPU that has to look.
    pub fn change(
        &mut self,
        thread: u32,
        here: CpuId,
        now: Instant,
        change: impl FnOnce(&mut Context, &mut CpuSet),
    ) -> Option<Kick> {
        let place = self.rows[thread as usize].place;
        let cpu = self.rows[thread as usize].cpu;
        let requeue = (place == Place::Queued).then(|| self.take(thread));
        if place == Place::Running {
            self.charge(cpu, now);
            self.leave_turn(thread);
        }
        let row = &mut self.rows[thread as usize];
        change(&mut row.own, &mut row.affinity);
        row.unbound = row.affinity == CpuSet::ALL;
        row.own.boost = 0;
        row.own.slice_left = row.own.slice_left.min(crate::slice_of(row.own.class));
        if let Some(loose) = requeue {
            return self.place(loose, Wake::Start, here);
        }
        if place == Place::Running {
            let level = self.level_of(thread);
            let (turn, fresh) = self.join_turn(thread, cpu, level);
            if fresh {
                self.turn_first(turn);
            }
            self.queue(cpu).level = level;
            return self.kick(cpu, here);
        }
        None
    }

    /// Takes a CPU in.
    pub fn set_online(&mut self, cpu: CpuId, here: CpuId) -> Option<Kick> {
        self.state.online.insert(cpu);
        let queue = self.queue(cpu);
        let (was, busy) = (core::mem::replace(&mut queue.online, true), queue.busy);
        if !was {
            self.state.urgency_counts += 1 << (COUNT_BITS * u32::from(busy));
        }
        self.kick(cpu, here)
    }

    /// Takes a CPU out; it gives its threads away when it looks, in steps. The CPUs in the set have to be kicked:
    /// threads elsewhere whose mask has no CPU left may run on any of them now.
    #[must_use]
    pub fn set_offline(&mut self, cpu: CpuId, here: CpuId) -> CpuSet {
        let mut kicks = CpuSet::EMPTY;
        for other in self.state.online.iter() {
            if let Some(Kick(target)) = self.kick(other, here) {
                kicks.insert(target);
            }
        }
        self.state.online.remove(cpu);
        let queue = self.queue(cpu);
        let (was, busy) = (core::mem::replace(&mut queue.online, false), queue.busy);
        if was {
            self.state.urgency_counts -= 1 << (COUNT_BITS * u32::from(busy));
        }
        kicks
    }

    /// Moves one thread that is queued on an off-line CPU to another; `None` if none is left.
    pub fn evacuate_one(&mut self, cpu: CpuId) -> Option<Option<Kick>> {
        let queue = &self.cpus[usize::from(cpu.0)];
        let level = queue.top()?;
        let thread = self.turns[self.head(cpu, level) as usize].first;
        let loose = self.take(thread);
        Some(self.place(loose, Wake::Start, cpu))
    }
}
