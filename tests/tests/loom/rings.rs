//! Two sides of a packet ring, each on a CPU of its own.

use coldframe_sync::ring::{
    Atomics, Doorbell, Packet, Received, Rest, Ring, Shape, SharedWords, Side, at_once,
};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

const SLOTS: u16 = 4;
/// Words before those of the packets.
const CONTROL: usize = 16 + 2 * 2;

/// The words of packets in no order of their own: what a side finds there is new only if control has said so.
struct Memory {
    control: Vec<AtomicU64>,
    packets: Vec<AtomicU64>,
    /// A doorbell a side, which stays rung until it is heard.
    bells: [(Mutex<bool>, Condvar); 2],
}

impl Memory {
    fn new() -> Self {
        let packets = usize::from(SLOTS) * 8;
        Self {
            control: (0..CONTROL).map(|_| AtomicU64::new(0)).collect(),
            packets: (0..packets).map(|_| AtomicU64::new(0)).collect(),
            bells: std::array::from_fn(|_| (Mutex::new(false), Condvar::new())),
        }
    }

    fn bell(&self, side: Side) -> &(Mutex<bool>, Condvar) {
        &self.bells[usize::from(side == Side::Second)]
    }

    fn tell(&self, side: Side, doorbell: Doorbell) {
        if doorbell == Doorbell::Ring {
            let (rung, heard) = self.bell(side);
            *rung.lock().expect("nobody panics with it") = true;
            heard.notify_one();
        }
    }

    fn sleep(&self, side: Side) {
        let (rung, heard) = self.bell(side);
        let mut rung = rung.lock().expect("nobody panics with it");
        while !*rung {
            rung = heard.wait(rung).expect("nobody panics with it");
        }
        *rung = false;
    }
}

struct Words<'a>(&'a Memory);

impl SharedWords for Words<'_> {
    async fn load(&self, word: usize) -> u64 {
        match word.checked_sub(CONTROL) {
            None => Atomics::new(&self.0.control).load(word).await,
            Some(word) => self.0.packets[word].load(Ordering::Relaxed),
        }
    }

    async fn store(&self, word: usize, value: u64) {
        match word.checked_sub(CONTROL) {
            None => Atomics::new(&self.0.control).store(word, value).await,
            Some(word) => self.0.packets[word].store(value, Ordering::Relaxed),
        }
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

    fn fence(&self) {
        Atomics::new(&self.0.control).fence();
    }
}

fn one_side(memory: &Memory, side: Side) -> Ring<Words<'_>> {
    let shape = Shape::new(SLOTS, SLOTS, 0).expect("a power of two");
    Ring::new(Words(memory), shape, side).expect("it has room for the slots")
}

/// Waits until something comes, as a program does that has nothing else to do.
fn awaited(memory: &Memory, ring: &mut Ring<Words<'_>>, side: Side) -> Received {
    loop {
        match at_once(ring.receive()).expect("the other side is honest") {
            Received::Nothing => {}
            received => return received,
        }
        if at_once(ring.rest()) == Rest::Sleep {
            memory.sleep(side);
            at_once(ring.woken());
        }
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// SYN-6: who sleeps is told of what comes, and reads what was written.
#[test]
fn no_doorbell_is_lost() {
    check(|| {
        let memory = Arc::new(Memory::new());
        let other = Arc::clone(&memory);
        let sender = thread::spawn(move || {
            let mut ring = one_side(&other, Side::First);
            for label in 1..=2 {
                assert!(at_once(ring.send(Packet::new(label, [label; 6]))).expect("it has no data"));
                other.tell(Side::Second, at_once(ring.publish()));
            }
        });
        let mut ring = one_side(&memory, Side::Second);
        for label in 1..=2 {
            let Received::Packet(slot, packet) = awaited(&memory, &mut ring, Side::Second) else {
                panic!("nobody has closed");
            };
            assert_eq!(packet, Packet::new(label, [label; 6]));
            ring.keep(slot).expect("it has just come");
        }
        sender.join().expect("the other side ends");
    });
}

/// SYN-6: an answer in the slot of the question is told to who sleeps for it, and what came before the end is not lost.
#[test]
fn an_answer_comes_before_the_end() {
    check(|| {
        let memory = Arc::new(Memory::new());
        let other = Arc::clone(&memory);
        let server = thread::spawn(move || {
            let mut ring = one_side(&other, Side::Second);
            let Received::Packet(slot, packet) = awaited(&other, &mut ring, Side::Second) else {
                panic!("nobody has closed");
            };
            at_once(ring.send_in(slot, Packet::new(packet.label + 1, [0; 6]))).expect("it has just come");
            other.tell(Side::First, at_once(ring.close()));
        });
        let mut ring = one_side(&memory, Side::First);
        assert!(at_once(ring.send(Packet::new(6, [0; 6]))).expect("it has no data"));
        memory.tell(Side::Second, at_once(ring.publish()));
        let Received::Packet(slot, packet) = awaited(&memory, &mut ring, Side::First) else {
            panic!("the answer was lost");
        };
        assert_eq!(packet.label, 7);
        ring.keep(slot).expect("it has just come");
        assert_eq!(awaited(&memory, &mut ring, Side::First), Received::Closed);
        assert_eq!(ring.room(), u32::from(SLOTS));
        server.join().expect("the other side ends");
    });
}
