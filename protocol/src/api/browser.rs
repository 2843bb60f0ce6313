//! What the dashboard's page asks before it knows anybody: where it is, and on a machine itself for
//! the token of the API.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvitationLink;
use crate::{HostName, MachineId, time::Timestamp};

/// Where a page is, and so whom it trusts for its code: `GET /v1/place`, at a node's 127.0.0.1 and
/// at a relay, without a credential. The answer depends on the host that was asked alone: a
/// relay says the same of a machine that it knows and of one that it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "servedBy", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PagePlace {
    /// At a node, on its own machine: no stranger is trusted.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Node {
        /// The node's software version.
        version: String,
    },
    /// At a relay: its operator is trusted for the page's code.
    #[cfg_attr(feature = "openapi", schema(rename_all = "camelCase"))]
    Relay {
        /// The relay's name under which the page was asked for.
        domain: HostName,
        /// The one machine that the page is confined to; at the relay's own host there is none, and
        /// the page is the one of all machines.
        #[serde(skip_serializing_if = "Option::is_none")]
        machine_id: Option<MachineId>,
        /// Who operates the relay, in their own words, if they say so: show it as text.
        #[serde(skip_serializing_if = "Option::is_none")]
        operator: Option<String>,
        /// The relay's software version.
        version: String,
    },
    /// A place that a later version gave a name; written as `other`.
    #[serde(other)]
    Other,
}

/// Lets one page of the machine's own user in, once: `POST /v1/one-time-tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OneTimeToken {
    /// The address of the page with the token in its fragment: a secret for its user's browser. The
    /// page takes the fragment away at once, and sends the token to `POST /v1/page-token`.
    pub url: InvitationLink,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Trades a one-time token for the token of the API: `POST /v1/page-token`, on 127.0.0.1 only,
/// without any other credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageTokenRequest {
    /// What stood behind `#once=` in the address.
    pub one_time_token: String,
}

/// The token of the API for this start of the node, for a page to keep as long as its tab is open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageToken {
    /// What stands behind `Bearer ` in `authorization`, and behind `gantline.bearer.` among the
    /// subprotocols of a WebSocket.
    pub token: String,
}

impl fmt::Debug for PageTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageTokenRequest(hidden)")
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::is_written_as;

    #[test]
    fn a_page_learns_whom_it_trusts() {
        let version = || "0.1.0".to_owned();
        is_written_as(
            &PagePlace::Node { version: version() },
            r#"{"servedBy":"node","version":"0.1.0"}"#,
        );
        let mut relay = PagePlace::Relay {
            domain: "relay.example".parse().unwrap(),
            machine_id: None,
            operator: None,
            version: version(),
        };
        is_written_as(&relay, r#"{"servedBy":"relay","domain":"relay.example","version":"0.1.0"}"#);
        if let PagePlace::Relay { machine_id, operator, .. } = &mut relay {
            *machine_id = Some(MachineId::from_bytes([0; 16]));
            *operator = Some("Ada".to_owned());
        }
        is_written_as(
            &relay,
            r#"{"servedBy":"relay","domain":"relay.example","machineId":"aaaaaaaaaaaaaaaaaaaaaaaaaa","operator":"Ada","version":"0.1.0"}"#,
        );
        let newer: PagePlace = serde_json::from_str(r#"{"servedBy":"moon","x":1}"#).unwrap();
        assert_eq!(newer, PagePlace::Other);
    }

    #[test]
    fn a_token_of_a_page_never_reaches_a_log() {
        let request = PageTokenRequest { one_time_token: "hunter2".to_owned() };
        let token = PageToken { token: "hunter2".to_owned() };
        let once = OneTimeToken {
            url: InvitationLink::new("http://127.0.0.1:1/#once=hunter2".to_owned()),
            expires_at: Timestamp::from_millis(1),
        };
        assert!(!format!("{request:?} {token:?} {once:?}").contains("hunter2"));
        is_written_as(&request, r#"{"oneTimeToken":"hunter2"}"#);
        is_written_as(&token, r#"{"token":"hunter2"}"#);
        is_written_as(&once, r#"{"url":"http://127.0.0.1:1/#once=hunter2","expiresAt":1}"#);
    }
}
