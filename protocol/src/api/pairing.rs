//! Codes and invitations by which a new device is paired. The code and the link are shown to a
//! person once, when they are minted; their `Debug` forms hide them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{InvitationId, Role, WireError, time::Timestamp};

/// Asks for a pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PairingCodeRequest {
    /// What the device will be allowed to do.
    pub role: Role,
}

/// A pairing code, just minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MintedCode {
    /// What to type on the device.
    pub code: PairingCode,
    /// What the device will be allowed to do.
    pub role: Role,
    /// When the code stops working, unless it is burnt before.
    pub expires_at: Timestamp,
    /// Where it is to be typed, one for each relay that the machine has joined: `gantline add` takes
    /// an address behind the code.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The same for browsers: the machine's own page at each of these relays.
    #[serde(default)]
    pub pages: Vec<String>,
}

/// Eight decimal digits, shown as `1234 5678`.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode([u8; 8]);

impl PairingCode {
    /// The code with this number, padded with zeros; `None` from 100,000,000 on.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        format!("{number:08}").into_bytes().try_into().ok().map(Self)
    }

    /// The eight ASCII digits: a secret, for the handshake.
    #[must_use]
    pub const fn digits(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, digit) in self.0.iter().enumerate() {
            let gap = if place == 4 { " " } else { "" };
            write!(f, "{gap}{}", char::from(*digit))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(hidden)")
    }
}

impl FromStr for PairingCode {
    type Err = WireError;

    /// Reads what a person typed: spaces and hyphens between the digits are ignored.
    fn from_str(text: &str) -> Result<Self, WireError> {
        let digits: Vec<u8> =
            text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')).take(9).collect();
        digits
            .try_into()
            .ok()
            .filter(|digits: &[u8; 8]| digits.iter().all(u8::is_ascii_digit))
            .map(Self)
            .ok_or(WireError::invalid("pairing code", "it does not have 8 digits"))
    }
}

impl Serialize for PairingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PairingCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Asks for an invitation: `POST /v1/invitations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", try_from = "UncheckedRequest")]
pub struct InvitationRequest {
    /// What each device will be allowed to do.
    pub role: Role,
    /// For how many milliseconds it works: 1 second to 30 days.
    #[cfg_attr(feature = "openapi", schema(minimum = 1000, maximum = 2_592_000_000_u32))]
    pub valid_for_ms: u32,
    /// How many devices it may pair: 1 to 1,000.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub uses: u32,
}

impl InvitationRequest {
    /// The shortest validity, in milliseconds.
    pub const MIN_VALID_FOR_MS: u32 = 1000;
    /// The longest validity, in milliseconds.
    pub const MAX_VALID_FOR_MS: u32 = 30 * 24 * 3600 * 1000;
    /// The greatest number of devices.
    pub const MAX_USES: u32 = 1000;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UncheckedRequest {
    role: Role,
    valid_for_ms: u32,
    uses: u32,
}

impl TryFrom<UncheckedRequest> for InvitationRequest {
    type Error = WireError;

    fn try_from(request: UncheckedRequest) -> Result<Self, WireError> {
        let UncheckedRequest { role, valid_for_ms, uses } = request;
        if !(Self::MIN_VALID_FOR_MS..=Self::MAX_VALID_FOR_MS).contains(&valid_for_ms) {
            return Err(WireError::invalid("validForMs", "it is not within 1 s and 30 days"));
        }
        if !(1..=Self::MAX_USES).contains(&uses) {
            return Err(WireError::invalid("uses", "it is not within 1 and 1,000"));
        }
        Ok(Self { role, valid_for_ms, uses })
    }
}

/// An invitation: an entry of `GET /v1/invitations`. Its token is never read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Its name on this machine.
    pub invitation_id: InvitationId,
    /// What each device will be allowed to do.
    pub role: Role,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// How many more devices it may pair.
    pub uses_left: u32,
}

/// An invitation, just minted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MintedInvitation {
    /// What will be listed; its members stand beside the link.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// What to give to the invited, shown this once.
    pub link: InvitationLink,
}

/// A link that pairs whoever has it. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvitationLink(String);

impl InvitationLink {
    /// The link with this URL.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL: a secret, to be shown to a person.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InvitationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationLink(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::tests::{complaint, is_written_as};

    #[test]
    fn a_code_is_shown_in_two_groups_and_read_as_people_type_it() {
        let code = PairingCode::from_number(1_234_567).unwrap();
        assert_eq!((code.to_string().as_str(), code.digits()), ("0123 4567", b"01234567"));
        for typed in ["0123 4567", "01234567", "0123-4567", " 01 23 45 67 "] {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed:?}");
        }
        for bad in ["", "0123 456", "0123 45678", "0123 456a", "٠١٢٣٤٥٦٧"] {
            assert!(bad.parse::<PairingCode>().is_err(), "{bad:?} was accepted");
        }
        assert!(PairingCode::from_number(99_999_999).is_some());
        assert_eq!(PairingCode::from_number(100_000_000), None);
    }

    #[test]
    fn what_is_minted_has_the_documented_json() {
        let code = MintedCode {
            code: "12345678".parse().unwrap(),
            role: Role::Owner,
            expires_at: Timestamp::from_millis(9),
            addresses: vec!["aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example".to_owned()],
            pages: vec!["https://aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example/".to_owned()],
        };
        is_written_as(
            &code,
            r#"{"code":"1234 5678","role":"owner","expiresAt":9,"addresses":["aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example"],"pages":["https://aaaaaaaaaaaaaaaaaaaaaaaaaa.relay.example/"]}"#,
        );
        is_written_as(&PairingCodeRequest { role: Role::Owner }, r#"{"role":"owner"}"#);
        let minted = MintedInvitation {
            invitation: Invitation {
                invitation_id: InvitationId(3),
                role: Role::Observer,
                created_at: Timestamp::from_millis(1),
                expires_at: Timestamp::from_millis(9),
                uses_left: 2,
            },
            link: InvitationLink::new("https://relay.example/#x".to_owned()),
        };
        is_written_as(
            &minted,
            r#"{"invitationId":3,"role":"observer","createdAt":1,"expiresAt":9,"usesLeft":2,"link":"https://relay.example/#x"}"#,
        );
    }

    #[test]
    fn a_code_or_a_link_never_reaches_a_log() {
        let code: PairingCode = "12345678".parse().unwrap();
        let link = InvitationLink::new("https://relay.example/#secret".to_owned());
        let shown = format!("{code:?} {link:?}");
        assert!(!shown.contains("5678") && !shown.contains("secret"), "{shown}");
        assert!(link.reveal().ends_with("#secret"));
    }

    #[test]
    fn an_invitation_for_ever_or_for_everybody_says_which_bound_it_breaks() {
        let request = InvitationRequest { role: Role::Operator, valid_for_ms: 3_600_000, uses: 1 };
        is_written_as(&request, r#"{"role":"operator","validForMs":3600000,"uses":1}"#);
        let complaints = [
            (r#"{"role":"operator","validForMs":999,"uses":1}"#, "within 1 s and 30 days"),
            (r#"{"role":"operator","validForMs":2592000001,"uses":1}"#, "within 1 s and 30 days"),
            (r#"{"role":"operator","validForMs":1000,"uses":0}"#, "within 1 and 1,000"),
            (r#"{"role":"operator","validForMs":1000,"uses":1001}"#, "within 1 and 1,000"),
            (r#"{"role":"root","validForMs":1000,"uses":1}"#, "unknown variant"),
        ];
        for (json, expected) in complaints {
            let complaint = complaint::<InvitationRequest>(json);
            assert!(complaint.contains(expected), "{json}: {complaint}");
        }
    }

    proptest! {
        #[test]
        fn every_code_reads_back(number in 0..100_000_000u32) {
            let code = PairingCode::from_number(number).unwrap();
            prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
        }

        #[test]
        fn any_text_is_a_code_or_an_error(text: String) {
            let _ = text.parse::<PairingCode>();
        }
    }
}
