//! A packet ring between two threads; Miri runs these too.

use std::sync::atomic::AtomicU64;

use coldframe_sync::ring::{
    Atomics, Extent, Packet, Received, Ring, RingError, Shape, SharedWords, Side, at_once,
};

const PACKETS: u64 = if cfg!(miri) { 40 } else { 20_000 };

fn memory(shape: Shape) -> Vec<AtomicU64> {
    (0..shape.words()).map(|_| AtomicU64::new(0)).collect()
}

/// Takes what comes until the other side has closed.
fn consume<W: SharedWords>(mut ring: Ring<W>) -> u64 {
    let mut next = 0;
    loop {
        match at_once(ring.receive()).expect("the other side is honest") {
            Received::Packet(slot, packet) => {
                assert_eq!(packet, Packet::new(next, [next; 6]), "in order, and whole");
                next += 1;
                at_once(ring.give_back(slot)).expect("it has just come");
                let _ = at_once(ring.publish());
            }
            Received::Nothing => std::thread::yield_now(),
            Received::Closed => return next,
        }
    }
}

/// SYN-6, without anybody who sleeps: what is sent comes, in order and whole.
#[test]
fn packets_pass_between_threads() {
    let shape = Shape::new(8, 8, 0).expect("a power of two");
    let words = memory(shape);
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| {
            consume(Ring::new(Atomics::new(&words), shape, Side::Second).expect("it has room for the slots"))
        });
        let mut ring: Ring<_> = Ring::new(Atomics::new(&words), shape, Side::First).expect("it has room");
        let mut sent = 0;
        while sent < PACKETS {
            sent += u64::from(at_once(ring.send(Packet::new(sent, [sent; 6]))).expect("it has no data"));
            if ring.room() == 0 {
                let _ = at_once(ring.publish());
                assert_eq!(at_once(ring.receive()), Ok(Received::Nothing), "slots come back empty");
            }
        }
        let _ = at_once(ring.close());
        assert_eq!(taker.join().expect("the other side ends"), PACKETS);
    });
}

/// SYN-7: what makes no sense is refused, and nothing is taken.
#[test]
fn nonsense_is_refused() {
    let shape = Shape::new(4, 2, 16).expect("a power of two");
    let words = memory(shape);
    let mut ring: Ring<_> = Ring::new(Atomics::new(&words), shape, Side::First).expect("it has room");
    let mut other: Ring<_> = Ring::new(Atomics::new(&words), shape, Side::Second).expect("it has room");
    let beyond = Extent { start: 15, length: 2 };
    let packet = Packet { extent: beyond, ..Packet::default() };
    assert_eq!(at_once(ring.send(packet)), Err(RingError::OutOfData(beyond)));
    assert_eq!(at_once(ring.write(beyond, &[1, 2])), Err(RingError::OutOfData(beyond)));
    assert_eq!(ring.room(), 2);

    let inside = Extent { start: 14, length: 2 };
    at_once(ring.write(inside, &[5, 6])).expect("it fits");
    assert_eq!(at_once(ring.send(Packet { extent: inside, ..Packet::default() })), Ok(true));
    let _ = at_once(ring.publish());
    let Ok(Received::Packet(slot, packet)) = at_once(other.receive()) else { panic!("it has come") };
    let mut found = [0; 2];
    at_once(other.read(packet.extent, &mut found)).expect("it lies where it may");
    assert_eq!(found, [5, 6]);
    other.keep(slot).expect("it has just come");
    assert_eq!(other.room(), 3);

    // The other side says that it has sent more than there is.
    words[8].store(5, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(at_once(ring.receive()), Err(RingError::TooMany));
    // It sends a slot that it does not have: the first is this side's, or was when it began.
    words[8].store(1, std::sync::atomic::Ordering::Relaxed);
    words[18].store(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(at_once(ring.receive()), Err(RingError::NotTheirs(1)));
    words[18].store(9, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(at_once(ring.receive()), Err(RingError::NoSuchSlot(9)));

    let large = Shape::new(128, 0, 0).expect("a power of two");
    assert!(Ring::<_, 1>::new(Atomics::new(&words), large, Side::First).is_none());
}
