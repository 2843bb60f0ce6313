//! What both ends agree to by using the same numbers.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use quinn::{
    AckFrequencyConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::socket::{LONGEST, longest_towards};

/// Pipes that the other end may have open on one link.
const MAX_PIPES: u32 = 256;
/// Bytes that may be under way on one pipe.
const PIPE_WINDOW: u32 = 1 << 20;
/// Bytes that may be under way on one link.
const LINK_WINDOW: u32 = 8 << 20;
/// Datagrams that the other end may leave without an acknowledgement for its usual delay (25 ms). With 1,
/// as without this extension (draft-ietf-quic-ack-frequency), every other key wakes its sender once more,
/// before it goes on. So few, as a link that loses much has windows of a few datagrams.
const UNACKNOWLEDGED: u32 = 2;

/// When a link shows that it lives, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The longest silence of this end. Less than half of `dead_after`.
    pub keep_alive: Duration,
    /// By then a silent other end is given up; sooner if it left something unanswered.
    pub dead_after: Duration,
}

impl Default for Timing {
    /// 8 s and 20 s.
    fn default() -> Self {
        Self { keep_alive: Duration::from_secs(8), dead_after: Duration::from_secs(20) }
    }
}

impl Timing {
    /// Settings of a connection to `remote`.
    pub(super) fn transport(self, remote: SocketAddr) -> Arc<TransportConfig> {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(longest_towards(remote));
        let mut acknowledgements = AckFrequencyConfig::default();
        // What is missing is told at once, as it is without this extension.
        acknowledgements
            .ack_eliciting_threshold(UNACKNOWLEDGED.into())
            .reordering_threshold(1u32.into());
        let mut config = TransportConfig::default();
        // The time begins anew with the first packet that wants an answer after those that had one
        // (RFC 9000 section 10.1): with the sign of life, that is.
        let idle = self.dead_after.saturating_sub(self.keep_alive);
        let idle = u64::try_from(idle.as_millis())
            .ok()
            .and_then(|millis| VarInt::from_u64(millis).ok())
            .map(IdleTimeout::from);
        config
            .mtu_discovery_config(Some(discovery))
            .enable_segmentation_offload(offloads_segmentation())
            .ack_frequency_config(Some(acknowledgements))
            .keep_alive_interval(Some(self.keep_alive))
            .max_idle_timeout(idle)
            .max_concurrent_bidi_streams(MAX_PIPES.into())
            .max_concurrent_uni_streams(0u32.into())
            .datagram_receive_buffer_size(None)
            .stream_receive_window(PIPE_WINDOW.into())
            .receive_window(LINK_WINDOW.into())
            .send_window(LINK_WINDOW.into());
        Arc::new(config)
    }
}

/// Settings of an endpoint that dials.
pub(super) fn endpoint() -> EndpointConfig {
    takes_long_datagrams(EndpointConfig::default())
}

fn takes_long_datagrams(mut config: EndpointConfig) -> EndpointConfig {
    // An error means a length that QUIC forbids, and what stands there then is good as well.
    let _ = config.max_udp_payload_size(LONGEST);
    config
}

/// Whether many datagrams go to the system in one call. Some network drivers promise that and fail;
/// quinn stops asking them when they say so, and this switch is for those that don't.
fn offloads_segmentation() -> bool {
    std::env::var_os("GANTLINE_GSO").is_none_or(|set| set != "off")
}

/// With the same key a listener that was restarted can tell the links of its former life at once
/// that they are gone (RFC 9000 section 10.3), instead of leaving them to find out. 32 random
/// bytes, kept in a file of mode 0600; wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ResetKey([u8; 32]);

impl ResetKey {
    /// The key with these bytes, as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Endpoint settings of a listener: connection ids have one fixed length and are recognised
    /// across restarts.
    pub(super) fn endpoint(&self) -> EndpointConfig {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, b"gantline/connection-id/1");
        let (first, _) = tag.as_ref().split_first_chunk().unwrap_or((&[0; 8], &[]));
        let id_key = u64::from_be_bytes(*first);
        let mut config = EndpointConfig::new(Arc::new(key));
        config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
        takes_long_datagrams(config)
    }
}

impl fmt::Debug for ResetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetKey(..)")
    }
}
