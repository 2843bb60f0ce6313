//! Whom a request means, by its host name. A pure core.

use std::fmt;

use gantline_protocol::{Alias, HostName, MachineId};

/// Whom a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// The relay itself.
    Apex(HostName),
    /// A machine, by its id, below one of the relay's names.
    Machine(MachineId, HostName),
    /// A machine, by its friendly name, below one of the relay's names.
    Alias(Alias, HostName),
    /// Nobody here.
    Nobody,
}

/// An authority as a request names it: a host in lower case, and a port if one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Reads `host[:port]`; `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_number = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = match port {
            Some(port) if is_number(port) => Some(port.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        let host = host.to_ascii_lowercase();
        host.parse::<HostName>().ok()?;
        Some(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Whom `host`, in lower case, means at a relay with the names `domains`.
    pub(super) fn of(host: &str, domains: &[HostName]) -> Self {
        if let Some(apex) = domains.iter().find(|domain| domain.as_str() == host) {
            return Self::Apex(apex.clone());
        }
        let below = domains.iter().find_map(|domain| {
            let label = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
            (!label.contains('.')).then_some((label, domain))
        });
        let Some((label, domain)) = below else { return Self::Nobody };
        if let Ok(machine) = label.parse() {
            return Self::Machine(machine, domain.clone());
        }
        match label.parse() {
            Ok(alias) => Self::Alias(alias, domain.clone()),
            Err(_) => Self::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domains() -> Vec<HostName> {
        ["localhost", "relay.example", "example"].map(|name| name.parse().unwrap()).to_vec()
    }

    #[test]
    fn a_host_name_leads_to_the_relay_to_a_machine_or_nowhere() {
        let id = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
        let of = |host: &str| Target::of(host, &domains());
        let [local, relay, example] =
            ["localhost", "relay.example", "example"].map(|name| name.parse::<HostName>().unwrap());
        assert_eq!(of("localhost"), Target::Apex(local.clone()));
        assert_eq!(of("relay.example"), Target::Apex(relay.clone()));
        let machine: MachineId = id.parse().unwrap();
        assert_eq!(of(&format!("{id}.localhost")), Target::Machine(machine, local));
        assert_eq!(of("pi4.relay.example"), Target::Alias("pi4".parse().unwrap(), relay));
        assert_eq!(of("pi4.example"), Target::Alias("pi4".parse().unwrap(), example));
        for nobody in [
            "",
            "127.0.0.1",
            "evil.test",
            "localhost.evil.test",
            "xlocalhost",
            ".localhost",
            "a.b.localhost",
            "xn--a.localhost",
            // Not canonical: its last character has spare bits.
            "aaaaaaaaaaaaaaaaaaaaaaaaab.localhost",
        ] {
            assert_eq!(of(nobody), Target::Nobody, "{nobody:?}");
        }
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        let read = |text: &str| Authority::read(text).map(|found| (found.host, found.port));
        assert_eq!(read("LocalHost:8443"), Some(("localhost".into(), Some(8443))));
        assert_eq!(read("relay.example"), Some(("relay.example".into(), None)));
        assert_eq!(read("[::1]:1"), Some(("::1".into(), Some(1))));
        for bad in
            ["", ":1", "a:", "a:b", "a:1:2", "a:99999", "a@b", "a/b", "a b", "[::1", "[::1]1"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_authority_or_none(text in any::<String>(), ascii in "[ -~]{0,80}") {
            for text in [text, ascii] {
                if let Some(found) = Authority::read(&text) {
                    prop_assert_eq!(Authority::read(&found.to_string()), Some(found.clone()));
                    let _ = Target::of(&found.host, &domains());
                }
            }
        }
    }
}
