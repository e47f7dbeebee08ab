//! The kernel binary of the images. All of it is in `hal-bare`; here it is linked to its addresses.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use hal_bare as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("the kernel runs on bare machines: build it with `cargo run -p images -- build`");
    std::process::exit(2);
}
