//! What a relay is told when it starts, checked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use gantline_protocol::{HostName, Name};
use gantline_transport::quic::Timing;

use crate::limits::Limits;

/// The port for UDP and TCP if nobody says otherwise.
pub const PORT: u16 = 8443;
/// The longest time that open pipes may be given when a relay stops.
pub const MAX_DRAIN: Duration = Duration::from_secs(3600);

/// How a relay runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it keeps its state. Made if it isn't there.
    pub state_dir: PathBuf,
    /// Where it listens, UDP and TCP. Port 0 takes one that is free for both.
    pub listen: SocketAddr,
    /// The names that it serves; the first is the one in join links. Never empty.
    pub domains: Vec<HostName>,
    /// A proxy in front ends TLS: plain HTTP is served to anybody, and the client's address is
    /// what the proxy says in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Who operates the relay, in their own words: whoever opens a page that it serves trusts them
    /// for the page's code.
    pub operator: Option<Name>,
    /// How long open pipes may go on when the relay stops.
    pub drain: Duration,
    /// Signs of life on links.
    pub timing: Timing,
    /// How much it bears.
    pub limits: Limits,
}

impl Config {
    /// A relay for this machine's own name, `localhost`, on port 8443 of every IPv4 interface.
    #[must_use]
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            listen: (Ipv4Addr::UNSPECIFIED, PORT).into(),
            domains: Vec::from_iter("localhost".parse()),
            behind_proxy: false,
            operator: None,
            drain: Duration::from_secs(10),
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }
}
