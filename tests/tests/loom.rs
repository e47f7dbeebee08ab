//! Every interleaving of what `core/sync` owns, and of two CPUs around the lock of one kernel: `cargo loom`.

/// A run of the model checker that was silently native would prove nothing.
#[test]
fn this_build_is_what_it_seems() {
    assert_eq!(coldframe_sync::IS_MODEL, cfg!(model = "loom"));
    let path = std::env::current_exe().expect("a test has a path");
    let in_loom_folder = path.components().any(|part| part.as_os_str() == "loom");
    assert_eq!(
        in_loom_folder,
        cfg!(model = "loom"),
        "does RUSTFLAGS in the environment override the alias' flags?"
    );
}

#[cfg(model = "loom")]
#[path = "loom/rings.rs"]
mod rings;

#[cfg(model = "loom")]
mod models {
    use coldframe_abi::{Call, CpuId, Deadline, PageRights, ThreadHandle, UserAddress, UserRange, Word};
    use coldframe_hal::paging::Sv39;
    use coldframe_hal::{Access, Cpu, Frame, Trap};
    use coldframe_kernel::{Kernel, Life, Resume};
    use coldframe_scheduler::Place;
    use coldframe_sync::{FlushBoard, KickWord, Lock, SeqWords};
    use hal_host::{HostCpu, HostMachine};
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicU32, Ordering};
    use loom::thread;

    #[test]
    fn the_lock_lets_one_in() {
        loom::model(|| {
            let lock: Arc<Lock<u32>> = Arc::new(Lock::new(0));
            let other = Arc::clone(&lock);
            let handle = thread::spawn(move || *other.lock() += 1);
            *lock.lock() += 1;
            handle.join().expect("the other CPU ends");
            assert_eq!(*lock.lock(), 2);
        });
    }

    struct Turn;

    impl coldframe_sync::Relax for Turn {
        fn relax() {
            thread::yield_now();
        }
    }

    /// SYN-5: whoever reads reads what was written together.
    #[test]
    fn words_are_read_as_they_were_written() {
        loom::model(|| {
            let words: Arc<SeqWords<2, Turn>> = Arc::new(SeqWords::new());
            let other = Arc::clone(&words);
            let writer = thread::spawn(move || {
                other.write([1, 10]);
                other.write([2, 20]);
            });
            let [one, ten] = words.read();
            assert_eq!(one * 10, ten);
            writer.join().expect("the other CPU ends");
            assert_eq!(words.read(), [2, 20]);
        });
    }

    /// SYN-3: what is written before a kick is seen after it, and no kick is lost.
    #[test]
    fn a_kick_is_never_lost() {
        loom::model(|| {
            let state = Arc::new((KickWord::new(), AtomicU32::new(0), AtomicU32::new(0)));
            let other = Arc::clone(&state);
            let kicker = thread::spawn(move || {
                let (word, news, interrupts) = &*other;
                for piece in 1..=2 {
                    news.store(piece, Ordering::Relaxed);
                    if word.set() {
                        interrupts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let (word, news, interrupts) = &*state;
            let mut seen = 0;
            if word.take() {
                seen = news.load(Ordering::Relaxed);
                assert!(seen > 0, "the news came with the kick");
            }
            kicker.join().expect("the other CPU ends");
            // An interrupt is on its way whenever the word is set again.
            if seen < 2 {
                assert!(word.take() && interrupts.load(Ordering::Relaxed) > 0, "a kick was lost");
                assert_eq!(news.load(Ordering::Relaxed), 2);
            }
        });
    }

    /// SYN-3: the interrupt of a kick to a CPU that is not up yet is lost; those that follow are not.
    #[test]
    fn a_kick_to_a_cpu_that_is_not_up_silences_no_other() {
        loom::model(|| {
            let state = Arc::new((KickWord::new(), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)));
            let other = Arc::clone(&state);
            let kicker = thread::spawn(move || {
                let (word, news, up, interrupts) = &*other;
                for piece in 1..=2 {
                    news.store(piece, Ordering::Relaxed);
                    if word.set() {
                        interrupts.fetch_add(up.load(Ordering::Acquire), Ordering::Relaxed);
                    }
                }
            });
            let (word, news, up, interrupts) = &*state;
            up.store(1, Ordering::Release);
            // As the loop around the kernel does, before its first entry.
            let _ = word.take();
            let seen = news.load(Ordering::Relaxed);
            kicker.join().expect("the other CPU ends");
            assert!(seen == 2 || interrupts.load(Ordering::Relaxed) > 0, "a kick was lost");
        });
    }

    /// SYN-4: who answers a flush sees the page table as it was when the flush was asked for; one answer is the last.
    #[test]
    fn a_flush_ends_with_the_last_answer() {
        const REQUEST: [u64; 3] = [7, 8, 9];
        loom::model(|| {
            let state = Arc::new((FlushBoard::<2, 1>::new(), AtomicU32::new(1)));
            let answer = |state: &(FlushBoard<2, 1>, AtomicU32), cpu: usize| {
                let (board, entry) = state;
                let mut asked = 0;
                let last = board.answer(cpu, |request| {
                    assert_eq!(request, REQUEST);
                    assert_eq!(entry.load(Ordering::Relaxed), 0, "the CPU would find the page again");
                    asked += 1;
                });
                (asked, u32::from(last))
            };
            let cpus = [0, 1].map(|cpu| {
                let state = Arc::clone(&state);
                thread::spawn(move || answer(&state, cpu))
            });
            let (board, entry) = &*state;
            entry.store(0, Ordering::Relaxed);
            board.ask(0, REQUEST, [0, 1].into_iter(), |_| {});
            let (mut asked, mut last) = (0, 0);
            for (cpu, handle) in cpus.into_iter().enumerate() {
                let early = handle.join().expect("the CPU ends");
                // A CPU that was asked after its trap takes the interrupt.
                let late = answer(&state, cpu);
                asked += early.0 + late.0;
                last += early.1 + late.1;
            }
            assert_eq!((asked, last), (2, 1), "each answers once, and one of them is the last");
            assert_eq!((board.take_done(), board.take_done()), (1, 0));
        });
    }

    /// A kernel, in a box: loom's stacks are small.
    type Boxed = Box<Kernel<HostMachine<Sv39>>>;

    /// What each model starts from: made once, outside of loom, and cloned for each interleaving.
    struct TwoCpus {
        kernel: Boxed,
        cpus: [HostCpu<Sv39>; 2],
    }

    impl TwoCpus {
        fn again(&self) -> (Arc<Lock<Boxed>>, [HostCpu<Sv39>; 2]) {
            (Arc::new(Lock::new(self.kernel.clone())), self.cpus.clone())
        }
    }

    /// Two CPUs in user mode: thread 1 runs on the first, thread 2 on the second.
    fn two_cpus() -> TwoCpus {
        let machine = HostMachine::<Sv39>::new(2, 256, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 2, map).expect("there is memory");
        let process = kernel.create_process().expect("there is memory");
        for _ in 0..2 {
            kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        }
        let mut cpus = [HostCpu::new(CpuId(0)), HostCpu::new(CpuId(1))];
        for cpu in &mut cpus {
            assert_eq!(kernel.enter(cpu, Trap::Again), Resume::User);
        }
        TwoCpus { kernel: Box::new(kernel), cpus }
    }

    impl TwoCpus {
        /// What the process calls one of its threads.
        fn name_of(&self, thread: usize) -> ThreadHandle {
            let view = self.kernel.inspect();
            let slot = view.threads[thread].capability().expect("it came with a name");
            ThreadHandle { slot, generation: view.capabilities[slot as usize].generation() }
        }
    }

    fn call(kernel: &Lock<Boxed>, cpu: &mut HostCpu<Sv39>, call: Call) -> Resume {
        cpu.registers().request = call.encode();
        kernel.lock().enter(cpu, Trap::Syscall)
    }

    /// One joins while the other ends: the joiner gets the result, whoever is first (rows W1, W5).
    #[test]
    fn a_join_meets_an_exit() {
        let start = two_cpus();
        let target = start.name_of(2);
        loom::model(move || {
            let (kernel, [mut first, mut second]) = start.again();
            let other = Arc::clone(&kernel);
            let ends = thread::spawn(move || {
                let _ = call(&other, &mut second, Call::ThreadExit { result: Word(42) });
            });
            let resume =
                call(&kernel, &mut first, Call::ThreadJoin { thread: target, deadline: Deadline::NEVER });
            ends.join().expect("the other CPU ends");
            let mut kernel = kernel.lock();
            if resume == Resume::Idle {
                assert!(
                    kernel.machine().kick_pending(CpuId(0))
                        || kernel.inspect().rows[1].place() == Place::Running
                );
                kernel.machine_mut().take_kick(CpuId(0));
                let _ = kernel.enter(&mut first, Trap::Kick);
            }
            let view = kernel.inspect();
            assert_ne!(view.rows[1].place(), Place::Waiting, "the joiner was woken");
            assert_eq!(view.threads[2].life(), Life::Free, "the joined thread is forgotten");
        });
    }

    /// Each suspends the other: neither order leaves a suspended thread running after its CPU has looked.
    #[test]
    fn a_suspend_meets_a_suspend() {
        let start = two_cpus();
        let names = [1, 2].map(|thread| start.name_of(thread));
        loom::model(move || {
            let (kernel, [mut first, mut second]) = start.again();
            let other = Arc::clone(&kernel);
            let handle = thread::spawn(move || {
                let _ = call(&other, &mut second, Call::ThreadSuspend { thread: names[0] });
                second
            });
            let _ = call(&kernel, &mut first, Call::ThreadSuspend { thread: names[1] });
            let mut second = handle.join().expect("the other CPU ends");
            let mut kernel = kernel.lock();
            for cpu in [&mut first, &mut second] {
                if kernel.machine_mut().take_kick(cpu.id()) {
                    let _ = kernel.enter(cpu, Trap::Kick);
                }
            }
            let view = kernel.inspect();
            assert!(
                [1, 2].iter().any(|thread| view.threads[*thread].is_suspended()),
                "one of them is stopped"
            );
            for thread in [1, 2] {
                let stopped = view.rows[thread].place() == Place::Held;
                assert_eq!(stopped, view.threads[thread].is_suspended(), "thread {thread}");
            }
        });
    }

    const PAGE: u64 = 0x4000_0000;

    /// As `two_cpus`, and both remember a page.
    fn two_cpus_with_a_page() -> (TwoCpus, Frame) {
        let mut both = two_cpus();
        let TwoCpus { kernel, cpus } = &mut both;
        let range = UserRange { start: UserAddress(PAGE), length: 4_096 };
        cpus[0].registers().request = Call::MemoryReserve { range, rights: PageRights::ReadWrite }.encode();
        assert_eq!(kernel.enter(&mut cpus[0], Trap::Syscall), Resume::User);
        let mut frame = Frame(0);
        for cpu in cpus {
            if let Err(fault) = cpu.translate(kernel.machine().ram(), PAGE, Access::Load) {
                let trap = Trap::PageFault { cause: 13, address: fault.address, access: fault.access };
                assert_eq!(kernel.enter(cpu, trap), Resume::User);
            }
            let place = cpu.translate(kernel.machine().ram(), PAGE, Access::Load).expect("it is there");
            frame = place.frame();
        }
        (both, frame)
    }

    /// One takes a page away while the other makes a call: the frame is free once the other has forgotten, and the
    /// call returns then (rows V1, V2, V3).
    #[test]
    fn an_unmap_meets_a_call() {
        let (start, frame) = two_cpus_with_a_page();
        loom::model(move || {
            let (kernel, [mut first, mut second]) = start.again();
            let other = Arc::clone(&kernel);
            let handle = thread::spawn(move || {
                // At a trap a CPU answers before it enters.
                let _ = other.lock().machine().answer(&mut second);
                let _ = call(&other, &mut second, Call::Null {});
                second
            });
            let range = UserRange { start: UserAddress(PAGE), length: 4_096 };
            let resume = call(&kernel, &mut first, Call::MemoryUnmap { range });
            let mut second = handle.join().expect("the other CPU ends");
            let mut kernel = kernel.lock();
            let free =
                |kernel: &Kernel<HostMachine<Sv39>>| kernel.inspect().frames.is_free(kernel.machine(), frame);
            let remembers = |cpu: &HostCpu<Sv39>| cpu.remembered().any(|(page, ..)| page == PAGE >> 12);
            if remembers(&second) {
                assert!(!free(&kernel) && resume != Resume::User, "the frame is free and can be reached");
                assert!(kernel.machine().is_asked(CpuId(1)), "nobody tells the other CPU to forget");
            }
            // The tables that led to the page go in a second round.
            for cpu in [&mut second, &mut first] {
                if kernel.machine().answer(cpu) {
                    let _ = kernel.enter(cpu, Trap::Kick);
                }
            }
            assert!(!remembers(&first) && !remembers(&second));
            if kernel.machine_mut().take_kick(CpuId(0)) {
                let _ = kernel.enter(&mut first, Trap::Kick);
            }
            assert!(free(&kernel), "the frame has come back");
            assert_eq!(kernel.inspect().rows[1].place(), Place::Running, "the caller goes on");
        });
    }
}
