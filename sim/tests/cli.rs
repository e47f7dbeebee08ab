//! The `sim` command as a user meets it: exit codes, and messages that say what to do.

use std::path::PathBuf;
use std::process::{Command, Output};

fn sim(arguments: &[&str], folder: &str) -> Output {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command runs")
}

#[track_caller]
fn expect(arguments: &[&str], code: i32, words: &str) -> String {
    let output = sim(arguments, "cli");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(words), "{arguments:?} says nothing of '{words}': {text}");
    text
}

#[test]
fn what_can_be_asked_is_answered() {
    expect(&["--help"], 0, "Exit codes");
    expect(&["--version"], 0, "sim");
    expect(&["list"], 0, "work-conserving");
    expect(&["list", "--json"], 0, "\"oracles\"");
    expect(&["syscalls"], 0, "thread_create");
    expect(&["syscalls", "--json"], 0, "\"thread_create\"");
    expect(&["run", "threads", "--cpus", "2"], 0, "all results arrived");
    expect(&["run", "scheduler", "--seed", "0x1f", "--steps", "500"], 0, "seed 0x1f");
    expect(&["run", "time", "--log", "kernel=trace"], 0, "kernel");
    let report = expect(&["explore", "waits", "--seeds", "0..20", "--jobs", "1", "--json"], 0, "\"fine\"");
    assert!(report.trim_end().ends_with('}'), "one object: {report}");
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    expect(&[], 2, "Usage");
    expect(&["run", "nonsense"], 2, "there are: scheduler");
    expect(&["explore", "nonsense"], 2, "there are: scheduler");
    expect(&["run", "threads", "--cpus", "0"], 2, "give 1 to 256");
    expect(&["run", "threads", "--cpus", "257"], 2, "give 1 to 256");
    expect(&["run", "threads", "--seed", "18446744073709551616"], 2, "no seed");
    expect(&["explore", "--seeds", "9..3"], 2, "empty");
    expect(&["explore", "--seeds", "nine"], 2, "0..1000");
    expect(&["explore", "--time", "soon"], 2, "90s");
    expect(&["explore", "--jobs", "0"], 2, "at least 1");
    expect(&["run", "threads", "--log", "kernel=loud"], 2, "--log");
    expect(&["replay", "there-is-no-such-file"], 2, "failures/");
}

#[test]
fn run_files_of_other_kernels_and_damaged_ones_are_refused() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli");
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let text = "coldframe-run 1\nsubject waits\ncpus drawn\nseed 0x7\nkernel 0123456789abcdef\noracle none\ndecisions 2\n1 2\n";
    std::fs::write(folder.join("other.run"), text).expect("written");
    std::fs::write(folder.join("cut.run"), text.replace("1 2\n", "1\n")).expect("written");
    std::fs::write(folder.join("noise.run"), [0xff, 0xfe, 0x00]).expect("written");
    expect(&["replay", "other.run"], 2, "--other-kernel");
    expect(&["replay", "other.run", "--other-kernel"], 0, "kernel entries");
    expect(&["replay", "cut.run"], 2, "announces 2 decisions and has 1");
    expect(&["replay", "noise.run"], 2, "noise.run");
}
