//! Gantline as a whole, for scenarios: relays and nodes as real processes with state of their own,
//! devices that pair and watch through the client library, and a wire between them that loses and
//! delays. Whatever a scenario starts ends with it.

// A harness fails a scenario by panicking, and says so on stderr.
#![allow(clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

pub mod canary;
pub mod device;
pub mod hostile_relay;
pub mod lossy;
pub mod network;
pub mod node;
pub mod page;
pub mod page_viewer;
pub mod program;
pub mod relay;
pub mod typist;
pub mod viewer;
pub mod witness;

use std::time::Duration;

pub use canary::Canary;
pub use device::TestDevice;
pub use hostile_relay::HostileRelay;
pub use lossy::LossyPipe;
pub use network::Network;
pub use node::TestNode;
pub use page::{Page, PageEvents, PageTerminal};
pub use page_viewer::PageViewer;
pub use relay::TestRelay;
pub use typist::Typist;
pub use viewer::TestViewer;
pub use witness::Witness;

/// Longer than anything in a scenario takes, shorter than a person's patience.
pub const SOON: Duration = Duration::from_secs(30);

/// Waits for `what`, and fails the scenario if it does not come.
///
/// # Panics
/// After [`SOON`].
pub async fn soon<T>(what: &str, waited_for: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, waited_for).await {
        Ok(value) => value,
        Err(_) => panic!("waited for {SOON:?} for {what}"),
    }
}
