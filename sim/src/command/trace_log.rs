//! `--log`: what the harness and, with `kernel=trace`, the kernel under glass say.

use coldframe_hal::Event;
use hal_host::Stamped;
use tracing_subscriber::EnvFilter;

/// Installs the filter; a filter that cannot be read is a mistake of the user.
pub(crate) fn install(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("--log: {error}; give a level (info) or a filter (kernel=trace,sim=debug)")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init()
        .map_err(|error| format!("--log: {error}"))
}

/// Passes the kernel's events on to whoever listens to `kernel=trace`.
pub(crate) fn emit(events: &[Stamped]) {
    if !tracing::enabled!(target: "kernel", tracing::Level::TRACE) {
        return;
    }
    for Stamped { cpu, at, event } in events {
        match event {
            Event::Call(number) => {
                tracing::trace!(target: "kernel", at = at.0, cpu = cpu.0, call = number.description().name);
            }
            event => tracing::trace!(target: "kernel", at = at.0, cpu = cpu.0, ?event),
        }
    }
}
