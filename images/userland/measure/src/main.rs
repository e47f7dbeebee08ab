//! Counts what calls cost on metal, in instructions: the clock of a machine that counts them as nanoseconds.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), forbid(unsafe_code))]

#[cfg(target_os = "none")]
mod metal {
    use core::fmt::Write;
    use core::sync::atomic::AtomicU64;

    use coldframe_abi::{
        Call, Calls, CapabilityRights, Carries, Deadline, EndpointHandle, ExitCode, FaultAnswer, Message,
        Nanos, ObjectHandle, PageRights, Passage, Priority, ProcessHandle, Sys, ThreadHandle, UserAddress,
        UserRange, Word,
    };
    use coldframe_runtime::{Metal, block_on, print};
    use coldframe_scenarios::Ground;
    use coldframe_sync::ring::{Atomics, Packet, Received, Ring, Shape, Side};

    coldframe_runtime::program!(main);

    const PAGE: u64 = 4_096;
    const BASE: u64 = 0x10_0000_0000;
    const TIMES: u64 = 10_000;

    struct Console;

    impl Write for Console {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            print(text);
            Ok(())
        }
    }

    const fn pages(first: u64, count: u64) -> UserRange {
        UserRange { start: UserAddress(BASE + first * PAGE), length: count * PAGE }
    }

    async fn now() -> u64 {
        Metal.clock().await.map_or(0, |moment| moment.0)
    }

    /// Here a debugger stops that wants to see the rounds of an operation.
    #[inline(never)]
    fn rounds_begin(name: &str) {
        core::hint::black_box(name);
    }

    /// Repeats an operation and says what one of it takes. Each round is a function of its own, as in a program that waits
    /// for nothing else: what an executor would keep between two calls is not what is counted.
    fn count<F: AsyncFnMut(u64)>(name: &str, mut operation: F) {
        rounds_begin(name);
        let before = block_on(now());
        for round in 0..TIMES {
            block_on(operation(round));
        }
        let each = (block_on(now()) - before) / TIMES;
        let _ = writeln!(Console, "measure: {name} {each}");
    }

    async fn capabilities(object: ObjectHandle) {
        const RIGHTS: CapabilityRights = CapabilityRights::READ;
        count("mint_and_delete", async |_| {
            if let Ok(copy) = Metal.capability_copy(object.into(), RIGHTS, Word(0)).await {
                let _ = Metal.capability_delete(copy).await;
            }
        });
        rounds_begin("mint");
        let (start, mut made) = (now().await, 0);
        let mint = || block_on(Metal.capability_copy(object.into(), RIGHTS, Word(0))).is_ok();
        while made < TIMES && mint() {
            made += 1;
        }
        let minted = now().await;
        let _ = Metal.capability_revoke(object.into()).await;
        let revoked = now().await;
        let _ = writeln!(Console, "measure: mint {}", (minted - start) / made);
        let _ = writeln!(Console, "measure: revoke_each {}", (revoked - minted) / made);
    }

    /// A process with one page of program, from its making to what it ended with.
    async fn processes() {
        let Ok(code) = Metal.object_create(Word(PAGE)).await else { return };
        let Ok(mapping) = Metal.object_map(code, Word(0), pages(4, 1), PageRights::ReadWrite).await else {
            return;
        };
        for (at, word) in (0..).zip(Metal.small_program()) {
            Metal.store(UserAddress(BASE + 4 * PAGE + at * 8), word).await;
        }
        let _ = Metal.mapping_unmap(mapping).await;
        let mut ended = 0;
        count("process_make_run_and_wait", async |_| {
            let Ok(process) = Metal.process_create(Word(12)).await else { return };
            let _ = Metal.process_map(process, code, Word(0), pages(4, 1), PageRights::ReadExecute).await;
            let start = UserAddress(BASE + 4 * PAGE);
            let thread = Metal.process_thread(process, start, UserAddress(0), Word(start.0)).await;
            ended += u64::from(Metal.process_wait(process, Deadline::NEVER).await.is_ok());
            if let Ok(thread) = thread {
                let _ = Metal.capability_delete(thread.into()).await;
            }
            let _ = Metal.capability_delete(process.into()).await;
        });
        assert_eq!(ended, TIMES, "each process has run and ended");
    }

    /// A process of its own with one page of program, as yet without a thread.
    async fn process_with(program: &[u64]) -> Option<(ProcessHandle, UserAddress)> {
        let page = pages(5, 1);
        let code = Metal.object_create(Word(PAGE)).await.ok()?;
        let mapping = Metal.object_map(code, Word(0), page, PageRights::ReadWrite).await.ok()?;
        for (at, word) in (0..).zip(program) {
            Metal.store(UserAddress(page.start.0 + at * 8), *word).await;
        }
        let _ = Metal.mapping_unmap(mapping).await;
        let process = Metal.process_create(Word(12)).await.ok()?;
        let _ = Metal.process_map(process, code, Word(0), page, PageRights::ReadExecute).await;
        Some((process, page.start))
    }

    /// A process that does nothing but answer, and by which endpoint.
    async fn echo() -> Option<(EndpointHandle, ProcessHandle, ThreadHandle)> {
        answering(&Metal.echo_program(), UserAddress(0)).await
    }

    /// A process with a program that answers at an endpoint of its own.
    async fn answering(
        program: &[u64],
        stack: UserAddress,
    ) -> Option<(EndpointHandle, ProcessHandle, ThreadHandle)> {
        let endpoint = Metal.endpoint_create().await.ok()?;
        let (process, thread) = answering_at(endpoint, program, stack).await?;
        Some((endpoint, process, thread))
    }

    /// The same at one that there is.
    async fn answering_at(
        endpoint: EndpointHandle,
        program: &[u64],
        stack: UserAddress,
    ) -> Option<(ProcessHandle, ThreadHandle)> {
        let (process, start) = process_with(program).await?;
        let given =
            Metal.process_give(process, endpoint.into(), CapabilityRights::READ, Word(0)).await.ok()?;
        let thread = Metal.process_thread(process, start, stack, Word(given.to_word())).await.ok()?;
        Some((process, thread))
    }

    /// Calls to a process of its own that does nothing but answer.
    async fn messages() {
        let Some((endpoint, process, _)) = echo().await else { return };
        let late = Deadline(u64::MAX - 1);
        let mut another = None;
        for (name, deadline) in [
            ("call_and_reply", Deadline::NEVER),
            ("call_with_deadline_and_reply", late),
            ("slow_call_and_reply", Deadline::NEVER),
        ] {
            if name == "slow_call_and_reply" {
                // Where two wait to receive, neither call nor reply goes the fast way.
                another = answering_at(endpoint, &Metal.echo_program(), UserAddress(0)).await;
                let now = Metal.clock().await.unwrap_or_default();
                let _ = Metal.sleep(Deadline::at(now.after(Nanos::from_millis(1)))).await;
            }
            let mut answered = 0;
            count(name, async |round| {
                let message = Message::new(round, [1, 2, 3, 4]);
                let reply = Metal.call(endpoint, deadline, message).await;
                answered += u64::from(reply.is_ok_and(|((), reply)| reply.label == round));
            });
            assert_eq!(answered, TIMES, "each call is answered with what it said");
        }
        for process in another.map(|(process, _)| process).into_iter().chain([process]) {
            let _ = Metal.process_kill(process, ExitCode(0)).await;
        }
    }

    /// Calls with a capability or a page to a process of its own, which sends them back, or has only borrowed them.
    async fn parcels() {
        let (page, neighbour) = (pages(9, 1), pages(10, 1));
        // By the table and not by the stubs: what is counted elsewhere has its stub in place.
        let ask = async |call: Call| Metal.request(call.encode()).await.value;
        // The neighbour stays: the table is not made and freed each time.
        for range in [page, neighbour] {
            ask(Call::MemoryReserve { range, rights: PageRights::ReadWrite }).await;
        }
        let name = ask(Call::EndpointCreate {}).await;
        ask(Call::Accept { count: Word(1) }).await;
        ask(Call::AcceptPages { window: page }).await;
        for (what, first, carries) in [
            ("call_with_capability_and_back", name, Carries::new(1, 1)),
            ("call_with_page_and_back", page.start.0, Carries::NONE.and_pages(Passage::Moved, 1)),
            ("call_with_page_lent", page.start.0, Carries::NONE.and_pages(Passage::LentToWrite, 1)),
        ] {
            let gives_back = carries.range(0).is_none_or(|(passage, _)| !passage.is_lent());
            let program = Metal.taking_program(gives_back);
            let Some((endpoint, process, _)) = answering(program, pages(8, 1).start).await else { return };
            let (mut next, mut answered) = (first, 0);
            count(what, async |round| {
                let message = Message::new(round, [next, 2, 3, 4]).carrying(carries);
                let call = Call::Call { endpoint, deadline: Deadline::NEVER };
                let (_, reply) = Metal.exchange(call.encode(), message).await;
                next = if gives_back { reply.words[0] } else { first };
                answered += u64::from(reply.label == round);
            });
            assert_eq!(answered, TIMES, "each call is answered with what it said");
            let _ = Metal.process_kill(process, ExitCode(0)).await;
        }
    }

    /// Signals to a process that is more urgent, which receives each and waits again.
    async fn waiters() {
        let program = Metal.listening_program();
        let Some((endpoint, process, thread)) = answering(&program, UserAddress(0)).await else { return };
        let _ = Metal.set_priority(thread, Priority(200)).await;
        count("signal_to_waiter", async |_| {
            let _ = Metal.signal(endpoint, Word(1)).await;
        });
        let left = Metal.receive(endpoint, Deadline::NOW).await;
        assert!(left.is_err(), "each signal was received at once");
        let _ = Metal.process_kill(process, ExitCode(0)).await;
    }

    /// Yields to a process that yields back: two changes a round.
    async fn yields() {
        let Some((process, start)) = process_with(&Metal.yield_program()).await else { return };
        let _ = Metal.process_thread(process, start, UserAddress(0), Word(0)).await;
        count("yield_there_and_back", async |_| {
            let _ = Metal.yield_now().await;
        });
        let _ = Metal.process_kill(process, ExitCode(0)).await;
    }

    /// Faults of a process that tries again each time that it is told to.
    async fn faults() {
        let Ok(endpoint) = Metal.endpoint_create().await else { return };
        let Some((process, start)) = process_with(&Metal.small_program()).await else { return };
        let _ = Metal.process_handler(process, endpoint).await;
        let nothing = pages(7, 1).start;
        let _ = Metal.process_thread(process, start, UserAddress(0), Word(nothing.0)).await;
        let mut found = u64::from(Metal.receive(endpoint, Deadline::NEVER).await.is_ok());
        count("fault_and_resume", async |_| {
            let again = FaultAnswer::Resume.to_message();
            let next = Metal.reply_receive(endpoint, Deadline::NEVER, again).await;
            found += u64::from(next.is_ok_and(|(_, message)| message.words[1] == nothing.0));
        });
        assert_eq!(found, TIMES + 1, "each fault is told, with its address");
        let _ = Metal.reply(FaultAnswer::End.to_message()).await;
    }

    const SHAPE: Shape = Shape::new(64, 32, 0).unwrap();
    static SHARED: [AtomicU64; SHAPE.words()] = [const { AtomicU64::new(0) }; SHAPE.words()];

    /// Packets from one side of a ring to the other, 32 at once, and their slots back. Both sides are awake.
    async fn rings() {
        let side = |side| Ring::<_, 1>::new(Atomics::new(&SHARED), SHAPE, side);
        let (Some(mut one), Some(mut other)) = (side(Side::First), side(Side::Second)) else { return };
        let mut received = 0;
        count("ring_batch_of_32", async |round| {
            for packet in 0..32 {
                let _ = one.send(Packet::new(packet, [round; 6])).await;
            }
            let _ = one.publish().await;
            while let Ok(Received::Packet(slot, packet)) = other.receive().await {
                received += u64::from(packet.words[5] == round);
                let _ = other.give_back(slot).await;
            }
            let _ = other.publish().await;
            let _ = one.receive().await;
        });
        assert_eq!(received, 32 * TIMES, "each packet is received");
    }

    /// Signals raised where nobody waits, and received.
    async fn signals() {
        let Ok(endpoint) = Metal.endpoint_create().await else { return };
        count("signal", async |_| {
            let _ = Metal.signal(endpoint, Word(1)).await;
        });
        let mut received = 0;
        count("signal_and_receive", async |_| {
            let _ = Metal.signal(endpoint, Word(1)).await;
            received += u64::from(Metal.receive(endpoint, Deadline::NOW).await.is_ok());
        });
        assert_eq!(received, TIMES, "what is raised is received");
    }

    fn main() {
        block_on(async {
            messages().await;
            parcels().await;
            signals().await;
            waiters().await;
            yields().await;
            faults().await;
            rings().await;
            count("null", async |_| {
                let _ = Metal.null().await;
            });
            // A neighbour that stays: the table is not made and freed each time.
            let _ = Metal.memory_reserve(pages(1, 1), PageRights::ReadWrite).await;
            count("reserve_and_unmap", async |_| {
                let _ = Metal.memory_reserve(pages(0, 1), PageRights::ReadWrite).await;
                let _ = Metal.memory_unmap(pages(0, 1)).await;
            });
            count("reserve_fill_and_unmap", async |_| {
                let _ = Metal.memory_reserve(pages(0, 1), PageRights::ReadWrite).await;
                let _ = Metal.memory_fill(pages(0, 1)).await;
                let _ = Metal.memory_unmap(pages(0, 1)).await;
            });
            count("reserve_touch_and_unmap", async |_| {
                let _ = Metal.memory_reserve(pages(0, 1), PageRights::ReadWrite).await;
                Metal.store(UserAddress(BASE), 1).await;
                let _ = Metal.memory_unmap(pages(0, 1)).await;
            });
            let _ = Metal.memory_reserve(pages(1_024, 2_048), PageRights::ReadWrite).await;
            let before = now().await;
            for page in 0..2_048 {
                Metal.store(UserAddress(BASE + (1_024 + page) * PAGE), 1).await;
            }
            let each = (now().await - before) / 2_048;
            let _ = writeln!(Console, "measure: first_touch {each}");
            count("protect_and_back", async |_| {
                let _ = Metal.memory_protect(pages(1_024, 1), PageRights::Read).await;
                let _ = Metal.memory_protect(pages(1_024, 1), PageRights::ReadWrite).await;
            });
            let Ok(object) = Metal.object_create(Word(PAGE)).await else { return };
            count("map_and_unmap", async |_| {
                if let Ok(mapping) =
                    Metal.object_map(object, Word(0), pages(2, 1), PageRights::ReadWrite).await
                {
                    let _ = Metal.mapping_unmap(mapping).await;
                }
            });
            capabilities(object).await;
            processes().await;
        });
        coldframe_runtime::power_off(0);
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program runs on Coldframe: run it with `cargo run -p images -- measure`");
    std::process::exit(2);
}
