//! How much a relay bears: every length, queue, wait and count that a stranger can push at, in one
//! place.

use std::time::Duration;

/// So many at once, and so many a second after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many a second in the long run; at least 1.
    pub per_second: u32,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

impl Rate {
    /// `per_second` in the long run, `burst` at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// What a relay bears. The defaults suit a small server; an operator changes some by flags.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Logins of nodes, all together. Above it a node is told to come back later.
    pub logins: Rate,
    /// Logins from one address.
    pub logins_per_ip: Rate,
    /// Pipes that clients of one address ask for.
    pub pipe_requests_per_ip: Rate,
    /// Pipes that clients ask for to one machine.
    pub pipe_requests_per_machine: Rate,
    /// Pipes open at once, all together.
    pub pipes: u32,
    /// Pipes open at once of clients of one address.
    pub pipes_per_ip: u32,
    /// Pipes open at once of clients of one address to one machine; less than the machine bears,
    /// so that no address can have it all.
    pub pipes_per_ip_and_machine: u32,
    /// Pipes open at once to one machine. A node takes 256 streams on its link.
    pub pipes_per_machine: u32,
    /// Connections open at once, QUIC and TCP together.
    pub connections: u32,
    /// Connections open at once from one address.
    pub connections_per_ip: u32,
    /// QUIC handshakes that run at once; more are refused. One address has a quarter of them.
    pub handshakes: u32,
    /// QUIC handshakes that run at once before a newcomer has to show that its address is its own.
    pub handshakes_unvalidated: u32,
    /// TCP connections open at once. Each needs a file descriptor.
    pub tcp_connections: u32,
    /// Streams of one connection that have not said yet what they are for. More wait.
    pub pending_streams: usize,
    /// How long a handshake of TLS or QUIC may take.
    pub handshake: Duration,
    /// How long the first bytes of a stream or of a TCP connection may take.
    pub first_bytes: Duration,
    /// How long a login may take, from the hello to its answer.
    pub login: Duration,
    /// How long a connection may have no stream at all.
    pub idle: Duration,
    /// How long the header of an HTTP request may take.
    pub http_header: Duration,
    /// The greatest size of the header of an HTTP request, in bytes.
    pub http_header_bytes: usize,
    /// The greatest number of fields in it.
    pub http_header_fields: usize,
    /// How long a node may take to give room for another stream.
    pub pipe_open: Duration,
    /// How long a node on a WebSocket link may take to come for a pipe that it was invited to.
    pub invitation: Duration,
    /// Invitations to one node that wait to be sent. Beyond that the machine is busy.
    pub invitations: usize,
    /// How long a control message may take to be written.
    pub control_write: Duration,
    /// How long the other end has to take note of a farewell before the link is closed.
    pub farewell: Duration,
    /// How long the reader of a pipe may take nothing while there is something for it. A pipe that
    /// stands still holds credit of the link that others share.
    pub stalled: Duration,
    /// How long one direction of a pipe may go on after the other was given up.
    pub after_abort: Duration,
    /// How often a WebSocket is asked for a sign of life.
    pub websocket_ping: Duration,
    /// How long a WebSocket may be silent.
    pub websocket_silence: Duration,
    /// How long the registry may take for one question.
    pub registry: Duration,
    /// How many addresses and machines are told apart by the rate limits; beyond that they share.
    pub tracked: usize,
    /// Notes that a machine was seen, waiting to be written. Beyond that they are dropped: the
    /// time is for people to read and no more.
    pub sightings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            logins: Rate::new(100, 100),
            logins_per_ip: Rate::new(50, 100),
            pipe_requests_per_ip: Rate::new(50, 200),
            pipe_requests_per_machine: Rate::new(200, 400),
            pipes: 16_384,
            pipes_per_ip: 1_024,
            pipes_per_ip_and_machine: 128,
            pipes_per_machine: 200,
            connections: 16_384,
            connections_per_ip: 2_048,
            handshakes: 1_024,
            handshakes_unvalidated: 64,
            tcp_connections: 4_096,
            pending_streams: 16,
            handshake: Duration::from_secs(10),
            first_bytes: Duration::from_secs(5),
            login: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            http_header: Duration::from_secs(10),
            http_header_bytes: 16 << 10,
            http_header_fields: 64,
            pipe_open: Duration::from_secs(5),
            invitation: Duration::from_secs(10),
            invitations: 64,
            control_write: Duration::from_secs(10),
            farewell: Duration::from_secs(2),
            stalled: Duration::from_secs(60),
            after_abort: Duration::from_secs(10),
            websocket_ping: Duration::from_secs(20),
            websocket_silence: Duration::from_secs(60),
            registry: Duration::from_secs(5),
            tracked: 65_536,
            sightings: 1_024,
        }
    }
}

/// Pieces that one direction of a spliced pipe takes from its reader at once: of a QUIC stream each
/// is what came in one datagram, of a WebSocket one message.
pub const PIECES: usize = 16;
