//! Every interleaving of threads that meet in a lock, with a kernel that wakes as ours does: `cargo loom`.
#![cfg(model = "loom")]

use std::sync::Arc;

use coldframe_runtime::locks::{Condition, Mutex, Park, ReadWrite, Semaphore, Word};
use loom::sync::Condvar;
use loom::sync::Mutex as KernelLock;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// A kernel: under its lock a word is looked at and whoever waits is queued, or whoever waited is woken.
#[derive(Clone)]
struct Kernel(Arc<(KernelLock<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    /// Where each thread waits, in the order in which they came.
    at: Vec<(usize, u64)>,
    came: u64,
}

impl Kernel {
    fn new() -> Self {
        Self(Arc::new((KernelLock::new(Waiting::default()), Condvar::new())))
    }
}

impl Park for Kernel {
    fn wait(&self, word: &Word, expected: u64) {
        let (lock, woken) = &*self.0;
        let mut waiting = lock.lock().expect("nobody panics in this kernel");
        if word.load(Ordering::Relaxed) != expected {
            return;
        }
        let me = waiting.came;
        waiting.came += 1;
        waiting.at.push((std::ptr::from_ref(word).addr(), me));
        while waiting.at.iter().any(|(_, thread)| *thread == me) {
            waiting = woken.wait(waiting).expect("nobody panics in this kernel");
        }
    }

    fn wake(&self, word: &Word, most: u64) {
        let (lock, woken) = &*self.0;
        let mut waiting = lock.lock().expect("nobody panics in this kernel");
        let mut left = most;
        waiting.at.retain(|(at, _)| {
            let goes = left > 0 && *at == std::ptr::from_ref(word).addr();
            left -= u64::from(goes);
            !goes
        });
        woken.notify_all();
    }
}

/// Adds one in two steps: whoever comes in between is lost.
fn add(number: &AtomicU32) {
    let found = number.load(Ordering::Relaxed);
    number.store(found + 1, Ordering::Relaxed);
}

#[test]
fn a_mutex_lets_one_in_and_everybody_in_the_end() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let mutex = Arc::new(Mutex::new(AtomicU32::new(0), Kernel::new()));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || add(&mutex.lock()))
            })
            .collect();
        add(&mutex.lock());
        for other in others {
            other.join().expect("a thread ends");
        }
        assert_eq!(mutex.lock().load(Ordering::Relaxed), 3);
    });
}

#[test]
fn who_waits_for_a_condition_is_told() {
    loom::model(|| {
        let shared = Arc::new({
            let kernel = Kernel::new();
            (Mutex::new(false, kernel.clone()), Condition::new(kernel))
        });
        let other = Arc::clone(&shared);
        let teller = thread::spawn(move || {
            let (mutex, condition) = &*other;
            *mutex.lock() = true;
            condition.tell_one();
        });
        let (mutex, condition) = &*shared;
        let mut guard = mutex.lock();
        while !*guard {
            guard = condition.wait(guard);
        }
        drop(guard);
        teller.join().expect("a thread ends");
    });
}

#[test]
fn a_permit_is_never_lost_and_never_taken_twice() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = Arc::new((Semaphore::new(1, Kernel::new()), AtomicU32::new(0)));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (semaphore, number) = &*shared;
                    semaphore.take();
                    add(number);
                    semaphore.give();
                })
            })
            .collect();
        for other in others {
            other.join().expect("a thread ends");
        }
        shared.0.take();
        assert_eq!(shared.1.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn readers_share_and_writers_are_alone() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let lock = Arc::new(ReadWrite::new((AtomicU32::new(0), AtomicU32::new(0)), Kernel::new()));
        let other = Arc::clone(&lock);
        let writer = thread::spawn(move || {
            let guard = other.write();
            add(&guard.0);
            add(&guard.1);
        });
        let other = Arc::clone(&lock);
        let reader = thread::spawn(move || {
            let guard = other.read();
            assert_eq!(guard.0.load(Ordering::Relaxed), guard.1.load(Ordering::Relaxed));
        });
        {
            let guard = lock.write();
            add(&guard.0);
            add(&guard.1);
        }
        writer.join().expect("a thread ends");
        reader.join().expect("a thread ends");
        assert_eq!(lock.read().0.load(Ordering::Relaxed), 2);
    });
}
