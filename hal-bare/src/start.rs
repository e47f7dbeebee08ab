//! From what firmware said to a running kernel, the same on both architectures.

use core::sync::atomic::{AtomicU64, Ordering};

use coldframe_abi::{CpuId, UserAddress};
use coldframe_hal::paging::Rights;
use coldframe_hal::{FRAME_BYTES, Frame, FrameRun, MAX_CPUS};
use coldframe_kernel::{Kernel, Segment};
use coldframe_memory::MemoryMap;

use crate::boot::{CpuList, FirmwareTexts, Program, programs};
use crate::console::say;
use crate::machine::{BareCpu, BareMachine, FLUSHES};
use crate::{arch, cpu_loop};

/// Where the stack of a program's first thread ends, and how long it is.
const USER_STACK_TOP: u64 = 0x7000_0000;
const USER_STACK_BYTES: u64 = 64 * 1024;

/// A program may have a quarter of what there is, and not more than this.
const PROGRAM_FRAMES: u64 = 8_192;

/// The stack of each CPU, in frames.
const CPU_STACK_FRAMES: u64 = 8;

/// The top of the stack with which each CPU starts.
#[unsafe(no_mangle)]
static CPU_STACKS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// What the first CPU has learned from firmware.
pub(crate) struct Boot {
    pub(crate) ram: MemoryMap,
    /// What no driver may reach.
    pub(crate) kept: MemoryMap,
    pub(crate) cpus: CpuList,
    pub(crate) archive: Option<&'static [u8]>,
    /// What it says of the machine.
    pub(crate) firmware: FirmwareTexts<'static>,
    /// What nobody can guess.
    pub(crate) seed: Option<[u64; 4]>,
}

/// Makes the kernel, loads the programs, starts the other CPUs, and goes on as the first of them.
pub(crate) fn start(mut boot: Boot) -> ! {
    let cpus = boot.cpus.ids().len() as u16;
    for cpu in 1..cpus {
        let stack = carve(&mut boot.ram, CPU_STACK_FRAMES);
        let top = arch::DIRECT_WINDOW + (stack.0 + CPU_STACK_FRAMES) * FRAME_BYTES;
        CPU_STACKS[usize::from(cpu)].store(top, Ordering::SeqCst);
    }
    say!("coldframe: {cpus} CPUs, {} MiB of RAM", boot.ram.frames() * FRAME_BYTES / (1 << 20));
    if boot.seed.is_none() {
        say!(
            "coldframe: neither firmware nor CPU has a source of entropy; random words are made of jitter alone"
        );
    }
    // SAFETY: the first CPU comes here once, after the architecture has set up window and tables.
    let mut machine = unsafe { BareMachine::new(boot.kept, boot.seed) };
    if boot.firmware.frames() > 0 {
        let count = boot.firmware.frames();
        let run = FrameRun { start: carve(&mut boot.ram, count), count };
        machine.keep_firmware(&boot.firmware, run);
    }
    let mut kernel = match Kernel::new(machine, cpus, boot.ram) {
        Ok(kernel) => kernel,
        Err(error) => panic!("the machine cannot carry the kernel: {error:?}"),
    };
    load_programs(&mut kernel, boot.archive);
    *cpu_loop::KERNEL.lock() = Some(kernel);
    for (cpu, id) in (0..cpus).zip(boot.cpus.ids()).skip(1) {
        if !arch::start_cpu(CpuId(cpu), *id) {
            say!("{} (hardware id {id}) does not start; going on without it", CpuId(cpu));
        }
    }
    run(CpuId(0))
}

/// Where each CPU goes once it can run Rust.
pub(crate) fn run(id: CpuId) -> ! {
    arch::set_up_cpu(id);
    cpu_loop::run(BareCpu {
        id,
        windows_seen: 0,
        flush_bell: FLUSHES.bell(usize::from(id.0)),
        registers: arch::Registers::default(),
        call: arch::Call::default(),
    })
}

/// Takes frames that follow each other out of the map, for good.
fn carve(ram: &mut MemoryMap, frames: u64) -> Frame {
    let Some(run) = ram.runs().iter().rev().find(|run| run.count >= frames).copied() else {
        panic!("there is no memory to start with: start with fewer CPUs or more memory");
    };
    let start = Frame(run.end().0 - frames);
    match ram.remove(FrameRun { start, count: frames }) {
        Ok(()) => start,
        Err(_) => unreachable!("taking the end of a run needs no new one"),
    }
}

fn load_programs(kernel: &mut Kernel<BareMachine>, archive: Option<&'static [u8]>) {
    let Some(archive) = archive else {
        panic!("there is no boot archive: pass one with -initrd (cargo run -p images -- qemu does)");
    };
    let Ok(files) = programs(archive) else { panic!("the boot archive is no tar file") };
    let mut count = 0;
    for file in files {
        if let Err(problem) = load(kernel, file) {
            panic!("program {count} of the boot archive cannot be started: {problem}");
        }
        count += 1;
    }
    say!("coldframe: {count} programs");
}

fn load(kernel: &mut Kernel<BareMachine>, file: &[u8]) -> Result<(), &'static str> {
    let program = Program::read(file).map_err(|_| "it is no program for this machine")?;
    let limit = kernel.unspent_frames().min(PROGRAM_FRAMES * 4) / 4;
    let process = kernel.create_process_with(limit).map_err(|_| "no memory for a process")?;
    for segment in program.segments() {
        let segment = segment.map_err(|_| "a segment is damaged, or writable and executable")?;
        kernel
            .load(process, segment)
            .map_err(|_| "a segment does not fit into the user half, or no memory")?;
    }
    let stack = Segment {
        start: UserAddress(USER_STACK_TOP - USER_STACK_BYTES),
        bytes: &[],
        length: USER_STACK_BYTES,
        rights: Rights::ReadWrite,
    };
    kernel.load(process, stack).map_err(|_| "no memory for a stack")?;
    let stack = UserAddress(USER_STACK_TOP);
    kernel.start_process(process, program.entry(), stack, 0).map(|_| ()).map_err(|_| "no memory for a thread")
}
