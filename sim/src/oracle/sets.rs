//! `authority`: sets of endpoints, and who comes by their members.

use coldframe_abi::Instant;
use coldframe_kernel::Inspection;
use hal_host::{HardwareFormat, HostMachine};

use super::{AUTHORITY, Violation, demand};

/// Whether each endpoint that stands for a set counts its members, and who may come by them.
pub(super) fn fit<F: HardwareFormat>(
    view: &Inspection<'_, HostMachine<F>>,
    found: &mut Vec<(u32, u32)>,
    now: Instant,
) -> Result<(), Violation> {
    let is_there = |row: u32, generation: u32| {
        let endpoint = &view.endpoints[row as usize];
        endpoint.generation() == generation && endpoint.names().0 > 0
    };
    found.clear();
    found.resize(view.endpoints.len(), (0, 0));
    for (number, endpoint) in view.endpoints.iter().enumerate() {
        if let Some((set, generation)) = endpoint.membership()
            && endpoint.names().0 > 0
            && is_there(set, generation)
        {
            let stands = &view.endpoints[set as usize];
            let nests = stands.membership().is_some_and(|(above, generation)| is_there(above, generation));
            let is_used = endpoint.senders().root().or(endpoint.receivers().root()).is_some();
            demand(!nests && !is_used && endpoint.signals() == 0, AUTHORITY, now, || {
                format!("endpoint {number} is a member of {set}; one of them is used as if it were not")
            })?;
            let (members, writers) = &mut found[set as usize];
            *members += 1;
            *writers += endpoint.names().2;
        }
    }
    for (number, (endpoint, found)) in view.endpoints.iter().zip(found.iter()).enumerate() {
        demand(endpoint.names().0 == 0 || endpoint.of_members() == *found, AUTHORITY, now, || {
            format!(
                "endpoint {number} counts {:?} members and who comes by them, and has {found:?}",
                endpoint.of_members()
            )
        })?;
    }
    Ok(())
}
