//! Texts that people type, paste or choose, and that other people see.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use gantline_crypto::pairing::{PairingCode, PairingLink};
use gantline_protocol::{
    AgentId, Alias, DeviceId, HostName, MachineId, Name, RelayAddress, SpkiPin, Ticket, ViewerId,
    WireError,
};

/// Ids and names have one spelling; nothing that reads as a name can rearrange a line on a screen.
/// Codes and links keep what they say, and `Debug` never shows them.
pub fn texts(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    has_one_spelling::<MachineId>(text);
    has_one_spelling::<DeviceId>(text);
    has_one_spelling::<ViewerId>(text);
    has_one_spelling::<Ticket>(text);
    has_one_spelling::<AgentId>(text);
    has_one_spelling::<Name>(text);
    has_one_spelling::<Alias>(text);
    has_one_spelling::<HostName>(text);
    has_one_spelling::<RelayAddress>(text);
    has_one_spelling::<SpkiPin>(text);

    if let Ok(name) = text.parse::<Name>() {
        assert!((1..=Name::MAX).contains(&name.as_str().len()));
        assert!(!name.as_str().chars().any(|c| c.is_control() || "\u{202e}\u{2028}".contains(c)));
    }
    if text.parse::<Alias>().is_ok() {
        assert!((1..=Alias::MAX).contains(&text.len()));
        assert!(is_subdomain(text));
        assert!(text.parse::<MachineId>().is_err(), "an alias is taken for a machine id");
    }
    if text.parse::<MachineId>().is_ok() {
        assert!(is_subdomain(text));
    }
    if text.parse::<HostName>().is_ok() {
        assert!((1..=HostName::MAX).contains(&text.len()) && text.is_ascii());
    }
    if let Ok(relay) = text.parse::<RelayAddress>() {
        assert!(text.len() <= RelayAddress::MAX && text.is_ascii());
        assert_eq!(relay.host.as_str().parse(), Ok(relay.host));
    }
    if let Ok(code) = text.parse::<PairingCode>() {
        let shown = code.reveal();
        assert_eq!(shown.parse(), Ok(code.clone()));
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        assert_eq!((digits(text), shown.len()), (digits(&shown), PairingCode::DIGITS + 1));
        assert!(!format!("{code:?}").contains(|c: char| c.is_ascii_digit()));
    }
    if let Ok(link) = text.parse::<PairingLink>() {
        let fragment = link.reveal();
        assert!(fragment.len() <= PairingLink::MAX && text.ends_with(&fragment));
        assert_eq!(fragment.parse(), Ok(link.clone()));
        assert_eq!(format!("https://a/#{fragment}").parse(), Ok(link.clone()));
        let token = fragment.split('.').nth(2).expect("a fragment has four parts");
        assert!(!format!("{link:?}").contains(token));
    }
}

fn is_subdomain(label: &str) -> bool {
    format!("{label}.localhost").parse::<HostName>().is_ok()
}

fn has_one_spelling<T>(text: &str)
where
    T: FromStr<Err = WireError> + Display + Debug + PartialEq,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
        assert_eq!(value.to_string().parse(), Ok(value));
    }
}
