//! Plays all scenarios, one after the other, and turns the machine off.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(not(target_os = "none"), forbid(unsafe_code))]

#[cfg(target_os = "none")]
mod metal {
    use coldframe_scenarios::{Part, SCENARIOS};

    coldframe_runtime::program!(main);

    fn main() {
        for scenario in 0..SCENARIOS.len() {
            coldframe_runtime::play_part(Part { scenario: scenario as u8, role: 0, seat: 0 });
        }
        coldframe_runtime::print("conformance: all scenarios played\n");
        coldframe_runtime::power_off(0);
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this program runs on Coldframe: build it with `cargo run -p images -- build`");
    std::process::exit(2);
}
