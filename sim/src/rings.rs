//! The packet ring between two programs whose every access to memory is a step, and beside a peer that writes nonsense.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use coldframe_sync::ring::{
    Doorbell, Extent, Packet, Received, Rest, Ring, RingError, Shape, SharedWords, Side, Slot, at_once,
};

use crate::source::Source;

/// Words of data beside the packets.
const DATA: u32 = 64;
/// How many accesses a run may take before it counts as one that will not end.
const PATIENCE: u32 = 200_000;
/// How many turns one side has in a row at most, while the other has something to do.
const UNFAIR: u32 = 8;

/// Lets the other side have its turn.
async fn turn() {
    let mut given = false;
    poll_fn(|_| {
        let ready = if given { Poll::Ready(()) } else { Poll::Pending };
        given = true;
        ready
    })
    .await;
}

/// Memory in which each access is a step. What is outside of it must not be touched: the index says so.
struct Steps<'a> {
    words: &'a [Cell<u64>],
    /// How often something was stored.
    stores: &'a Cell<u64>,
}

impl SharedWords for Steps<'_> {
    async fn load(&self, word: usize) -> u64 {
        turn().await;
        self.words[word].get()
    }

    async fn store(&self, word: usize, value: u64) {
        turn().await;
        self.stores.set(self.stores.get() + 1);
        self.words[word].set(value);
    }

    async fn load_run(&self, first: usize, values: &mut [u64]) {
        for (word, value) in (first..).zip(values) {
            *value = self.load(word).await;
        }
    }

    async fn store_run(&self, first: usize, values: &[u64]) {
        for (word, value) in (first..).zip(values) {
            self.store(word, *value).await;
        }
    }

    fn fence(&self) {}
}

fn zeroes(shape: Shape) -> Vec<Cell<u64>> {
    (0..shape.words()).map(|_| Cell::new(0)).collect()
}

fn drawn_shape(source: &mut impl Source) -> Shape {
    let slots = 4 << source.choose(4);
    let firsts = 1 + source.choose(u32::from(slots) - 1) as u16;
    Shape::new(slots, firsts, DATA).unwrap_or_else(|| unreachable!("a power of two, and some of them"))
}

/// What a packet says that a side sends as its so-and-so-manieth.
fn told(count: u64, is_answer: bool) -> Packet {
    let word = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let extent = Extent { start: (word >> 32) as u32 % DATA, length: 1 };
    Packet {
        extent,
        ..Packet::new(count, [u64::from(is_answer), word, !word, word >> 7, count, word ^ count])
    }
}

/// One of two honest programs: it sends so many packets, answers some of those that come, and gives all slots back.
struct Program<'a, S> {
    source: &'a RefCell<&'a mut S>,
    words: &'a [Cell<u64>],
    stores: &'a Cell<u64>,
    shape: Shape,
    side: Side,
    quota: u64,
    /// Doorbells that have rung, by side.
    bells: &'a [Cell<bool>; 2],
}

const fn index(side: Side) -> usize {
    match side {
        Side::First => 0,
        Side::Second => 1,
    }
}

impl<S: Source> Program<'_, S> {
    /// One time in so many; never, where decisions have run out, so that the program comes to its end.
    fn seldom(&self, of: u32) -> bool {
        self.source.borrow_mut().choose(of) == of - 1
    }

    fn tell(&self, doorbell: Doorbell) {
        if doorbell == Doorbell::Ring {
            self.bells[index(self.side.other())].set(true);
        }
    }

    async fn sleep(&self) {
        let bell = &self.bells[index(self.side)];
        // Now and then it wakes for nothing, as programs do.
        poll_fn(|_| if bell.take() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    async fn run(self) -> Result<(), String> {
        let ring = Ring::<_, 1>::new(Steps { words: self.words, stores: self.stores }, self.shape, self.side);
        let mut ring = ring.ok_or("the shape has more slots than the ring")?;
        let home = ring.room();
        let (mut fresh, mut sent, mut heard, mut fresh_heard) = (0, 0, 0, 0);
        let mut closed = false;
        loop {
            while fresh < self.quota && !self.seldom(3) {
                if !ring.send(told(sent, false)).await.map_err(text)? {
                    break;
                }
                (fresh, sent) = (fresh + 1, sent + 1);
            }
            match ring.receive().await.map_err(text)? {
                Received::Packet(slot, packet) => {
                    let is_answer = packet.words[0] == 1;
                    if packet != told(heard, is_answer) {
                        return Err(format!("packet {heard} came as {packet:?}"));
                    }
                    heard += 1;
                    if is_answer {
                        ring.keep(slot).map_err(text)?;
                        continue;
                    }
                    fresh_heard += 1;
                    if self.seldom(2) {
                        ring.send_in(slot, told(sent, true)).await.map_err(text)?;
                        sent += 1;
                    } else {
                        ring.give_back(slot).await.map_err(text)?;
                    }
                    if self.seldom(2) {
                        self.tell(ring.publish().await);
                    }
                    continue;
                }
                Received::Closed if closed => return Ok(()),
                Received::Closed if ring.room() < home => {
                    return Err("closed before all came home".to_owned());
                }
                Received::Closed | Received::Nothing => {}
            }
            let done = fresh == self.quota && ring.room() == home && fresh_heard == self.quota;
            if done && !closed {
                closed = true;
                self.tell(ring.close().await);
                continue;
            }
            match ring.rest().await {
                Rest::Publish => self.tell(ring.publish().await),
                Rest::Look => {}
                Rest::Sleep => {
                    if fresh < self.quota && ring.room() > 0 {
                        // There is something to do, it only was not in the mood.
                        ring.woken().await;
                        continue;
                    }
                    self.sleep().await;
                    ring.woken().await;
                }
            }
        }
    }
}

fn text(error: RingError) -> String {
    format!("{error:?} between honest sides")
}

/// Two honest programs in an order that is drawn: all that is sent comes, once, in order, and nobody sleeps for ever.
///
/// # Errors
/// What goes wrong.
pub fn between_two(source: &mut impl Source) -> Result<(), String> {
    let shape = drawn_shape(source);
    let quota = 1 + u64::from(source.choose(60));
    let words = zeroes(shape);
    let (bells, stores) = ([Cell::new(false), Cell::new(false)], Cell::new(0));
    let source = RefCell::new(source);
    let program = |side| {
        Program { source: &source, words: &words, stores: &stores, shape, side, quota, bells: &bells }.run()
    };
    let (mut first, mut second) = (pin!(program(Side::First)), pin!(program(Side::Second)));
    let (mut ended, mut turns) = ([false; 2], [0; 2]);
    let (mut context, mut idle) = (Context::from_waker(Waker::noop()), 0);
    for _ in 0..PATIENCE {
        if ended == [true; 2] {
            return Ok(());
        }
        let mut side = source.borrow_mut().choose(2) as usize;
        // A program whose peer never has its turn waits for ever, and is right.
        if ended[side] || (turns[side] >= UNFAIR && !ended[1 - side]) {
            side = 1 - side;
        }
        turns[side] += 1;
        turns[1 - side] = 0;
        let before = stores.get();
        let polled =
            if side == 0 { first.as_mut().poll(&mut context) } else { second.as_mut().poll(&mut context) };
        if let Poll::Ready(result) = polled {
            result?;
            ended[side] = true;
        }
        idle = if stores.get() == before { idle + 1 } else { 0 };
        if idle > 5_000 {
            return Err("both sides sleep, or look again and again: a doorbell was lost".to_owned());
        }
    }
    Err("it does not end".to_owned())
}

/// Memory that somebody else writes to between the accesses of an honest side.
struct Vandalised<'a> {
    words: &'a [Cell<u64>],
    /// When what is written where, in accesses from now.
    plans: &'a RefCell<Vec<(u32, usize, u64)>>,
    accesses: &'a Cell<u32>,
}

impl Vandalised<'_> {
    fn pass(&self) {
        self.accesses.set(self.accesses.get() + 1);
        self.plans.borrow_mut().retain_mut(|(delay, word, value)| {
            if *delay == 0 {
                self.words[*word].set(*value);
                return false;
            }
            *delay -= 1;
            true
        });
    }
}

impl SharedWords for Vandalised<'_> {
    async fn load(&self, word: usize) -> u64 {
        self.pass();
        self.words[word].get()
    }

    async fn store(&self, word: usize, value: u64) {
        self.pass();
        self.words[word].set(value);
    }

    async fn load_run(&self, first: usize, values: &mut [u64]) {
        for (word, value) in (first..).zip(values) {
            *value = self.load(word).await;
        }
    }

    async fn store_run(&self, first: usize, values: &[u64]) {
        for (word, value) in (first..).zip(values) {
            self.store(word, *value).await;
        }
    }

    fn fence(&self) {}
}

/// Values that mean something to somebody who reads them: counts, slots with and without contents, extents.
fn nonsense(source: &mut impl Source, before: u64) -> u64 {
    match source.choose(6) {
        0 => before.wrapping_add(u64::from(source.choose(8))),
        1 => u64::from(source.choose(80)) * 0x0001_0001_0001_0001,
        2 => u64::from(source.choose(1 << 16)) | u64::from(source.choose(1 << 16)) << 32,
        3 => u64::MAX - u64::from(source.choose(3)),
        4 => u64::from(source.choose(64)) | 0x8000,
        _ => u64::from(source.choose(3)),
    }
}

/// An honest side beside one that writes anything anywhere at any time: what it finds is an error or can be used.
///
/// # Errors
/// What goes wrong.
pub fn beside_a_vandal(source: &mut impl Source, rounds: u32) -> Result<(), String> {
    let shape = drawn_shape(source);
    let words = zeroes(shape);
    let (plans, accesses) = (RefCell::new(Vec::new()), Cell::new(0));
    let memory = Vandalised { words: &words, plans: &plans, accesses: &accesses };
    let side = if source.choose(2) == 0 { Side::First } else { Side::Second };
    let mut ring = Ring::<_, 1>::new(memory, shape, side).ok_or("the shape has more slots than the ring")?;
    let mut held: Vec<Slot> = Vec::new();
    // Most of what is written hits what the reader looks at first.
    let control = shape.words() - DATA as usize - usize::from(shape.slots()) * 8;
    for _ in 0..rounds {
        for _ in 0..source.choose(4) {
            let within = if source.choose(4) == 0 { shape.words() } else { control };
            let word = source.choose(within as u32) as usize;
            let value = nonsense(source, words[word].get());
            plans.borrow_mut().push((source.choose(24), word, value));
        }
        accesses.set(0);
        match source.choose(8) {
            0 => {
                let extent =
                    Extent { start: source.choose(80), length: source.choose(3) * source.choose(70) };
                let packet = Packet { extent, ..Packet::new(1, [2; 6]) };
                let sent = at_once(ring.send(packet));
                if sent.is_ok() != extent.lies_in(DATA) {
                    return Err(format!("{extent:?} was judged wrongly"));
                }
            }
            1 => {
                let _ = at_once(ring.publish());
            }
            2 if let Rest::Sleep = at_once(ring.rest()) => at_once(ring.woken()),
            3 if !held.is_empty() => {
                let slot = held.swap_remove(source.choose(held.len() as u32) as usize);
                ring.keep(slot).map_err(|error| format!("{error:?} of a slot that is held"))?;
            }
            4 if !held.is_empty() => {
                let slot = held.swap_remove(source.choose(held.len() as u32) as usize);
                at_once(ring.give_back(slot)).map_err(|error| format!("{error:?} of a slot that is held"))?;
            }
            5 => {
                let extent = Extent { start: source.choose(80), length: source.choose(80) };
                let mut found = [0; 8];
                let _ = at_once(ring.read(extent, &mut found));
            }
            _ => {
                if let Ok(Received::Packet(slot, packet)) = at_once(ring.receive()) {
                    if !packet.extent.lies_in(DATA) {
                        return Err(format!("{packet:?} has data outside of the memory for it"));
                    }
                    held.push(slot);
                }
            }
        }
        if ring.room() as usize + held.len() > usize::from(shape.slots()) {
            return Err(format!("{} free and {} held of {} slots", ring.room(), held.len(), shape.slots()));
        }
        if accesses.get() > 4 * u32::from(shape.slots()) + 40 {
            return Err(format!("{} accesses in one operation", accesses.get()));
        }
    }
    Ok(())
}
