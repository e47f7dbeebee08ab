//! Does what it may not: its process has to end, and nothing else.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), forbid(unsafe_code))]

#[cfg(target_os = "none")]
mod metal {
    coldframe_runtime::program!(main);

    fn main() {
        coldframe_runtime::print("crash: about to write where nothing is\n");
        let nowhere = core::ptr::without_provenance_mut::<u8>(64);
        // SAFETY: none. That is the point: the MMU refuses, and the kernel ends this process.
        unsafe { nowhere.write_volatile(1) };
        coldframe_runtime::print("crash: still here\n");
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program runs on Coldframe: build it with `cargo run -p images -- build`");
    std::process::exit(2);
}
