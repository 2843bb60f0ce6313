//! Where a relay is and how it is recognised, in one piece of text.

use std::{borrow::Cow, fmt, net::IpAddr, num::NonZeroU16, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{HostName, MachineId, WireError};

const WHAT: &str = "relay address";
/// The port of HTTPS, which is left out of the text.
const DEFAULT_PORT: NonZeroU16 = NonZeroU16::new(443).unwrap();
const PIN_TEXT: usize = 43;

/// A relay as nodes and native devices dial it: `host[:port][~pin]`. The host is that of its
/// certificate and of the login; an IPv6 address stands in brackets. The port is left out when it
/// is 443. A relay without a pin is recognised by the Web PKI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    /// The relay's domain.
    pub host: HostName,
    /// UDP and TCP port.
    pub port: NonZeroU16,
    /// The only key that its certificate may have.
    pub pin: Option<SpkiPin>,
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4), written as 43
/// characters of base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpkiPin(pub [u8; 32]);

impl RelayAddress {
    /// The greatest length of the text, in bytes.
    pub const MAX: usize = "[]".len() + HostName::MAX + ":65535".len() + "~".len() + PIN_TEXT;

    /// The host as it stands in a URL: an IPv6 address in brackets.
    #[must_use]
    pub fn bracketed_host(&self) -> Cow<'_, str> {
        match self.host.as_str() {
            address if address.contains(':') => Cow::Owned(format!("[{address}]")),
            name => Cow::Borrowed(name),
        }
    }

    /// Host and port as they stand in a URL of HTTPS: `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            DEFAULT_PORT => self.bracketed_host().into_owned(),
            port => format!("{}:{port}", self.bracketed_host()),
        }
    }

    /// The address at which a browser finds one machine: its own host below the relay's, by plain
    /// HTTP where that does not leave this machine. A relay without a name has no hosts below it,
    /// and so the address is that of its page of all machines.
    #[must_use]
    pub fn page(&self, machine: MachineId) -> String {
        let host = self.host.as_str();
        if host.parse::<IpAddr>().is_ok() {
            return format!("https://{}/", self.authority());
        }
        if host == "localhost" || host.ends_with(".localhost") {
            return format!("http://{machine}.{host}:{}/", self.port);
        }
        format!("https://{machine}.{}/", self.authority())
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())?;
        match &self.pin {
            Some(pin) => write!(f, "~{pin}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for SpkiPin {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let mut pin = [0; 32];
        if text.len() != PIN_TEXT || BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut pin) != Ok(32)
        {
            return Err(WireError::invalid(WHAT, "its pin is not 32 bytes in base64url"));
        }
        Ok(Self(pin))
    }
}

impl FromStr for RelayAddress {
    type Err = WireError;

    /// Only the canonical form is accepted, so that one relay has one text.
    fn from_str(text: &str) -> Result<Self, WireError> {
        if text.len() > Self::MAX {
            return Err(WireError::TooLong { what: WHAT, length: text.len(), limit: Self::MAX });
        }
        let (place, pin) = match text.split_once('~') {
            Some((place, pin)) => (place, Some(pin.parse()?)),
            None => (text, None),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, "")) => (address, None),
            Some((address, port)) => (address, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| WireError::invalid(WHAT, "its port is none"))?,
            None => DEFAULT_PORT,
        };
        let address = Self { host: host.parse()?, port, pin };
        if address.to_string() != text {
            return Err(WireError::invalid(WHAT, "it is not host[:port][~pin]"));
        }
        Ok(address)
    }
}

impl Serialize for RelayAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RelayAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIN: &str = "~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_browser_is_sent_to_the_host_of_the_machine() {
        let machine = MachineId::from_bytes([0; 16]);
        let page = |relay: &str| relay.parse::<RelayAddress>().unwrap().page(machine);
        let id = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
        assert_eq!(page("relay.example"), format!("https://{id}.relay.example/"));
        assert_eq!(
            page(&format!("relay.example:8443{PIN}")),
            format!("https://{id}.relay.example:8443/")
        );
        assert_eq!(page("localhost:8443"), format!("http://{id}.localhost:8443/"));
        assert_eq!(page("192.0.2.1:8443"), "https://192.0.2.1:8443/");
        assert_eq!(page("[2001:db8::1]:8443"), "https://[2001:db8::1]:8443/");
    }

    #[test]
    fn a_relay_has_one_text_and_no_other() {
        let pinned = format!("localhost:8443{PIN}");
        for good in
            ["relay.example", "relay.example:8443", "[::1]", "[::1]:8443", "10.0.0.1:1", &pinned]
        {
            assert_eq!(good.parse::<RelayAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            ":8443",
            "relay.example:443",
            "relay.example:0",
            "relay.example:",
            "a:99999",
            "a:+1",
            "a:08443",
            "::1",
            "::1:8443",
            "[::1",
            "[::1]8443",
            "[relay.example]",
            "a~",
            "a~AAAA",
            "A",
            "a/",
            "https://a",
            &format!("a{PIN}A"),
            &"a".repeat(400),
        ] {
            assert!(bad.parse::<RelayAddress>().is_err(), "{bad:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn an_address_reads_back(host in "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}", port: NonZeroU16, pin: Option<[u8; 32]>) {
            let address = RelayAddress { host: host.parse().unwrap(), port, pin: pin.map(SpkiPin) };
            let text = address.to_string();
            prop_assert!(text.len() <= RelayAddress::MAX);
            prop_assert_eq!(text.parse(), Ok(address));
        }

        #[test]
        fn any_text_is_an_address_or_an_error(text in any::<String>()) {
            let _ = text.parse::<RelayAddress>();
        }
    }
}
