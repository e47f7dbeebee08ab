//! The `images` command as a user meets it, on machines that have less than this one.

use std::process::Command;

#[track_caller]
fn expect(command: &mut Command, code: i32, words: &str) {
    let output = command.output().expect("the command runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(words), "nothing of '{words}': {text}");
}

fn images(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.args(arguments);
    command
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    expect(&mut images(&["--help"]), 0, "Exit codes");
    expect(&mut images(&["qemu", "--cpus", "0"]), 2, "1 to 512");
    expect(&mut images(&["qemu", "--arch", "x86_64", "--cpus", "256"]), 2, "1 to 255");
    expect(&mut images(&["qemu", "--memory", "1M"]), 2, "at least 64M");
    expect(&mut images(&["qemu", "--memory", "lots"]), 2, "64M or 4G");
    expect(&mut images(&["qemu", "--arch", "vax"]), 2, "riscv64");
}

#[test]
fn a_machine_without_tools_is_told_what_to_do() {
    // Nothing on the path: no rustup, no compiler, no emulator.
    expect(images(&["doctor"]).env("PATH", "").env_remove("RUSTC"), 5, "without rustup: apt-get");
    expect(images(&["doctor"]).env("PATH", "").env_remove("RUSTC"), 5, "apt-get install");
    expect(
        images(&["build", "--arch", "riscv64"]).env("PATH", "").env_remove("RUSTC"),
        5,
        "rustup target add",
    );
}
