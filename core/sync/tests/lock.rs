//! The real lock and the kick word under contention; Miri runs these too.

use coldframe_sync::{KickWord, Lock, Pause, Relax};

#[derive(Debug)]
struct HostYield;

impl Relax for HostYield {
    fn relax() {
        std::thread::yield_now();
    }
}

/// SYN-1: nobody sees the value half changed. SYN-2: everybody gets his turn.
#[test]
fn the_value_is_one_cpus_at_a_time() {
    const ROUNDS: u64 = 100;
    let lock: Lock<(u64, u64), HostYield> = Lock::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut pair = lock.lock();
                    pair.0 += 1;
                    assert_eq!(pair.0, pair.1 + 1);
                    pair.1 += 1;
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), (4 * ROUNDS, 4 * ROUNDS));
}

/// SYN-3: what was written before the kick is seen after it.
#[test]
fn news_come_with_the_kick() {
    let word = KickWord::new();
    let mut news = Lock::<u64>::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            *news.lock() = 7;
            assert!(word.set(), "the first kick needs an interrupt");
            let _ = word.set();
        });
        while !word.take() {
            std::thread::yield_now();
        }
        assert_eq!(*news.lock(), 7);
    });
    assert_eq!(*news.get_mut(), 7);
    Pause::relax();
}
