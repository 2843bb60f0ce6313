//! How a node is doing, and how its relays reach it: `GET /v1/status`.

use serde::{Deserialize, Serialize};

use super::HistoryStatus;
use crate::{HostName, time::Timestamp};

/// How a node is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The node's software version.
    pub version: String,
    /// For how long it has run, in milliseconds.
    pub uptime_ms: u64,
    /// Where its own page and API are on this machine, as `address:port`, if they are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback: Option<String>,
    /// Its links, one for each relay.
    pub links: Vec<LinkStatus>,
    /// How the keeping of history is doing.
    #[serde(default)]
    pub history: HistoryStatus,
}

/// How the link to one relay is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// The relay.
    pub host: HostName,
    /// Whether it is up.
    pub state: LinkState,
    /// Since when it is so.
    pub since: Timestamp,
    /// What carries it, while it is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// The round trip to the relay in microseconds, while it is up and once it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u64>,
    /// Why it last failed or ended, for people; it may quote the relay: show it as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error_at: Option<Timestamp>,
    /// When the node dials next, while the link is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
}

/// What carries bytes to a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// QUIC, over UDP.
    Quic,
    /// WebSockets, over TLS and TCP.
    WebSocket,
    /// A carrier that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

/// Whether a link is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// It is being made.
    Connecting,
    /// It is up.
    Up,
    /// It is down; the node tries again by itself.
    Down,
    /// The relay refuses this machine; a person has to do something.
    Refused,
    /// A state that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn a_status_has_the_documented_json() {
        let link = LinkStatus {
            host: "relay.example".parse().unwrap(),
            state: LinkState::Up,
            since: Timestamp::from_millis(5),
            carrier: Some(Carrier::WebSocket),
            rtt_us: Some(350),
            last_error: None,
            last_error_at: None,
            next_try_at: None,
        };
        let refused = LinkStatus {
            state: LinkState::Refused,
            carrier: None,
            rtt_us: None,
            last_error: Some("the token is used up".to_owned()),
            last_error_at: Some(Timestamp::from_millis(4)),
            next_try_at: Some(Timestamp::from_millis(9)),
            ..link.clone()
        };
        let mut status = Status {
            version: "0.1.0".to_owned(),
            uptime_ms: 7,
            loopback: Some("127.0.0.1:33120".to_owned()),
            links: vec![link, refused],
            history: HistoryStatus { bytes: 4096, ..HistoryStatus::default() },
        };
        is_written_as(
            &status,
            r#"{"version":"0.1.0","uptimeMs":7,"loopback":"127.0.0.1:33120","links":[{"host":"relay.example","state":"up","since":5,"carrier":"websocket","rttUs":350},{"host":"relay.example","state":"refused","since":5,"lastError":"the token is used up","lastErrorAt":4,"nextTryAt":9}],"history":{"dropped":0,"bytes":4096}}"#,
        );
        (status.loopback, status.links) = (None, Vec::new());
        status.history = HistoryStatus {
            problem: Some("full".to_owned()),
            dropped: 3,
            set_aside: Some("node.db.damaged-7".to_owned()),
            bytes: 0,
        };
        is_written_as(
            &status,
            r#"{"version":"0.1.0","uptimeMs":7,"links":[],"history":{"problem":"full","dropped":3,"setAside":"node.db.damaged-7","bytes":0}}"#,
        );
        assert_eq!(serde_json::from_str::<LinkState>(r#""asleep""#).unwrap(), LinkState::Other);
    }
}
