//! The `images` command.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use images::boot::{BootError, Options, boot};
use images::build::{Image, build};
use images::target::Arch;
use images::{check, doctor, measure, steps};

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 a check or the machine failed, 2 usage, 3 the machine went silent, 5 something is missing,
130 interrupted. 'qemu' ends with the status that the machine was turned off with.

Examples:
  images doctor                          what is here and what is missing
  images qemu                            build for RISC-V and boot it with 4 CPUs
  images qemu --arch x86_64 --cpus 8     the same kernel on another machine
  images measure                         what calls cost on both, in instructions
  images steps call_and_reply            where the instructions of a call and its reply are";

/// Builds, checks and boots images of the kernel.
#[derive(Debug, Parser)]
#[command(name = "images", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArchName {
    Riscv64,
    #[value(name = "x86_64")]
    X86_64,
}

impl From<ArchName> for Arch {
    fn from(name: ArchName) -> Self {
        match name {
            ArchName::Riscv64 => Self::Riscv64,
            ArchName::X86_64 => Self::X86_64,
        }
    }
}

#[derive(Debug, Args)]
struct What {
    /// The architecture; both for 'build' and 'check', RISC-V for 'qemu' if not given.
    #[arg(long)]
    arch: Option<ArchName>,
    /// Fetch nothing.
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build kernel and programs, and pack the boot archive.
    Build(What),
    /// Build, and check the files: no writable code, no undefined symbol, entry and notes where the loader looks.
    Check(What),
    /// Build, check, and boot, with the machine's serial line on this terminal. Ctrl-C quits.
    Qemu {
        #[command(flatten)]
        what: What,
        /// How many CPUs.
        #[arg(long, default_value_t = 4)]
        cpus: u16,
        /// How much memory (64M, 4G).
        #[arg(long, default_value = "128M", value_parser = memory)]
        memory: String,
        /// Stop when the serial line has been silent for so many seconds.
        #[arg(long, default_value_t = 60)]
        timeout: u64,
        /// Count instructions as nanoseconds: slow, and the same every time.
        #[arg(long)]
        icount: bool,
        /// Wait for a debugger before the first instruction.
        #[arg(long)]
        gdb: bool,
    },
    /// Count guest instructions of calls on booted machines, and compare them with images/measured.txt.
    #[command(visible_alias = "bench")]
    Measure {
        #[command(flatten)]
        what: What,
        /// Write what was counted to the file.
        #[arg(long)]
        write: bool,
    },
    /// Step through one round of an operation that 'measure' counts, and say which functions its instructions are in, and what memory
    /// the kernel touches.
    Steps {
        #[command(flatten)]
        what: What,
        /// The operation, as 'measure' calls it.
        operation: String,
        /// Write each instruction to a file, with its address and function.
        #[arg(long, requires = "arch")]
        write: Option<PathBuf>,
    },
    /// Say what is here and what is missing.
    Doctor,
}

/// At least 64 MiB, as QEMU writes it.
fn memory(text: &str) -> Result<String, String> {
    let problem = || format!("'{text}' is no amount of memory: give one like 64M or 4G");
    let (digits, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let number: u64 = digits.parse().map_err(|_| problem())?;
    let mebibytes = match unit {
        "M" => number,
        "G" => number.saturating_mul(1024),
        _ => return Err(problem()),
    };
    if mebibytes < 64 { Err(format!("{text} is too little: give at least 64M")) } else { Ok(text.to_owned()) }
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const SILENT: u8 = 3;
const MISSING: u8 = 5;
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match arguments.command {
        Command::Build(what) => for_each(&what, |_| true),
        Command::Check(what) => for_each(&what, |image| {
            let fine = report(image);
            if fine {
                println!("{}: every check passed", image.arch);
            }
            fine
        }),
        Command::Qemu { what, cpus, memory, timeout, icount, gdb } => {
            let arch = what.arch.map_or(Arch::Riscv64, Arch::from);
            if cpus == 0 || cpus > arch.most_cpus() {
                eprintln!("error: --cpus {cpus}: QEMU's {arch} machine has 1 to {}", arch.most_cpus());
                return ExitCode::from(USAGE);
            }
            let options = Options { cpus, memory, silence: Duration::from_secs(timeout), icount, gdb };
            qemu(arch, what.offline, &options)
        }
        Command::Measure { what, write } => measure_all(&what, write),
        Command::Steps { what, operation, write } => step_all(&what, &operation, write.as_deref()),
        Command::Doctor => examine(),
    }
}

fn measure_all(what: &What, write: bool) -> ExitCode {
    let archs: Vec<Arch> = what.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch.into()]);
    let mut problems = Vec::new();
    for arch in archs {
        let outcome = measure::measure(arch, what.offline).and_then(|counts| {
            if write {
                measure::write(arch, &counts)?;
            }
            let before = measure::baselines(arch)?;
            for (name, count) in &counts {
                let old = before.get(name).map_or_else(|| "new".to_owned(), u64::to_string);
                println!("{arch:<8} {name:<26} {count:>7}  before {old}");
            }
            Ok(measure::worse(arch, &counts, &before))
        });
        match outcome {
            Ok(more) => problems.extend(more),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(MISSING);
            }
        }
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    ExitCode::from(if problems.is_empty() { 0 } else { FAILED })
}

fn step_all(what: &What, operation: &str, write: Option<&Path>) -> ExitCode {
    let archs: Vec<Arch> = what.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch.into()]);
    for arch in archs {
        let outcome = steps::steps(arch, what.offline, operation).and_then(|steps| {
            println!("{arch}: {operation} takes {} instructions", steps.len());
            print!("{}", steps.summary());
            write.map_or(Ok(()), |file| std::fs::write(file, steps.listing()))
        });
        if let Err(error) = outcome {
            eprintln!("error: {error}");
            let asked_wrongly = error.kind() == std::io::ErrorKind::InvalidInput;
            return ExitCode::from(if asked_wrongly { USAGE } else { MISSING });
        }
    }
    ExitCode::SUCCESS
}

fn for_each(what: &What, act: impl Fn(&Image) -> bool) -> ExitCode {
    let archs: Vec<Arch> = what.arch.map_or_else(|| Arch::ALL.to_vec(), |arch| vec![arch.into()]);
    let mut fine = true;
    for arch in archs {
        match build(arch, what.offline) {
            Ok(image) => {
                println!("{}", image.kernel.display());
                fine &= act(&image);
            }
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(MISSING);
            }
        }
    }
    ExitCode::from(if fine { 0 } else { FAILED })
}

/// Prints what the checks have found; says whether that was nothing.
fn report(image: &Image) -> bool {
    let faults = check::check(image);
    for (file, fault) in &faults {
        eprintln!("error: {}: {file}: {fault}", image.arch);
    }
    faults.is_empty()
}

fn qemu(arch: Arch, offline: bool, options: &Options) -> ExitCode {
    let image = match build(arch, offline) {
        Ok(image) => image,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(MISSING);
        }
    };
    if !report(&image) {
        return ExitCode::from(FAILED);
    }
    // The emulator is in the same process group: Ctrl-C ends it as well.
    let handler = ctrlc::set_handler(|| {
        eprintln!("\nimages: interrupted");
        std::process::exit(INTERRUPTED);
    });
    if let Err(error) = handler {
        eprintln!("error: cannot listen for Ctrl-C: {error}");
        return ExitCode::from(MISSING);
    }
    if options.gdb {
        let (debugger, kernel) = (image.arch.debugger(), image.kernel.display());
        println!("{debugger} {kernel} -ex 'target remote localhost:1234'");
    }
    let mut out = std::io::stdout().lock();
    let result = boot(&image, options, |line| {
        // Nobody listens any more: there is nobody to tell.
        let _ = writeln!(out, "{line}");
    });
    match result {
        Ok(0) => {
            eprintln!("images: the machine was turned off with status 0");
            ExitCode::SUCCESS
        }
        Ok(status) => {
            eprintln!("error: the machine was turned off with status {status}");
            ExitCode::from(u8::try_from(status).unwrap_or(FAILED))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(match error {
                BootError::Silent(_) => SILENT,
                BootError::NoEmulator(_) => MISSING,
                BootError::Io(_) | BootError::Died(_) => FAILED,
            })
        }
    }
}

fn examine() -> ExitCode {
    let mut complete = true;
    for finding in doctor::examine() {
        match finding.answer {
            Ok(found) => println!("ok       {:<22} {found}", finding.what),
            Err(remedy) => {
                complete = false;
                println!("missing  {:<22} {remedy}", finding.what);
            }
        }
    }
    ExitCode::from(if complete { 0 } else { MISSING })
}
