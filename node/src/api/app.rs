//! What the API's handlers work with, and the router made of it.

use std::{fmt, net::SocketAddr, sync::Arc, time::Instant};

use axum::{Extension, Router, middleware};
use gantline_protocol::{Alias, MachineId, Name, RelayAddress, Timestamp, api::LinkStatus};
use tokio_util::sync::CancellationToken;

use super::{
    Mutations,
    idempotency::{self, Idempotency},
    listen::OneTimeTokens,
    problem,
    routes::{self, machines::Here},
};
use crate::{
    access, door::Devices, events::Events, gateway::Gateway, history::History, supervisor::Agents,
    vitals::Monitor,
};

/// What the API speaks about. Clones are the same.
#[derive(Debug, Clone)]
pub struct App {
    /// The machine.
    pub machine: Arc<MachineInfo>,
    /// What happens on it.
    pub events: Events,
    /// Its links to relays.
    pub links: Links,
    /// The agents that run on it.
    pub agents: Agents,
    /// What has become of them.
    pub history: History,
    /// What it and they use.
    pub vitals: Monitor,
    /// Who may reach it.
    pub devices: Devices,
    /// Whatever changes it.
    pub mutations: Mutations,
    /// Where the API is on 127.0.0.1, if it is there.
    pub loopback: Option<SocketAddr>,
    /// Tokens by which its own page is let in.
    pub one_time_tokens: OneTimeTokens,
    /// Reaches other machines for its own user.
    pub gateway: Gateway,
    /// Ends the answers that would go on for ever.
    pub closing: CancellationToken,
}

/// Tells how the links to relays are doing. Clones tell the same.
#[derive(Clone)]
pub struct Links(Arc<dyn Fn() -> Vec<LinkStatus> + Send + Sync>);

impl Links {
    /// Asks `read` each time.
    pub fn new(read: impl Fn() -> Vec<LinkStatus> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(super) fn list(&self) -> Vec<LinkStatus> {
        (self.0)()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

/// What stays the same of a machine as long as its node runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineInfo {
    /// Its name for ever.
    pub machine_id: MachineId,
    /// Its subdomain, if it wants one.
    pub alias: Option<Alias>,
    /// What people call it.
    pub name: Name,
    /// The relays that reach it.
    pub relays: Vec<RelayAddress>,
    /// When the node was started.
    pub started_at: Timestamp,
    /// The same, on the clock that is never set.
    pub started: Instant,
}

/// The router that answers every request to this machine. A request without a
/// [`access::Principal`] is refused.
pub fn router(app: App) -> Router {
    let keys = Idempotency::default();
    let own = routes::own().fallback(problem::no_such_path).with_state(app.clone());
    let own = guarded(own, &keys);
    let gateway = routes::gateway().with_state(app).layer(Extension(Here(own.clone())));
    own.merge(guarded(gateway, &keys))
}

fn guarded(router: Router, keys: &Idempotency) -> Router {
    router
        .layer(middleware::from_fn_with_state(keys.clone(), idempotency::once))
        .layer(middleware::from_fn(problem::catch_panics))
        .layer(middleware::from_fn(access::guard))
}
