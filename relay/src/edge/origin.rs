//! Which pages may open a session: those of the relay's apex, and those of the machine's own host.
//! A pure core.

use gantline_protocol::HostName;

use super::host::Authority;

/// What carried a request to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// TLS that the relay ends.
    Tls,
    /// Plain TCP: on loopback, or from a proxy that ended TLS.
    Plain,
}

/// Whether a page of `origin` may open a session at `asked`, a machine's host below `domain`. A
/// request without an origin comes from no browser, and those have QUIC. The port has to be the
/// same: another port is another program.
pub(super) fn may_open(
    origin: Option<&str>,
    asked: &Authority,
    domain: &HostName,
    carrier: Carrier,
) -> bool {
    let page = match (origin.and_then(|origin| origin.split_once("://")), carrier) {
        (Some(("https", authority)), _) | (Some(("http", authority)), Carrier::Plain) => {
            Authority::read(authority)
        }
        _ => None,
    };
    page.is_some_and(|page| {
        page.port == asked.port && (page.host == asked.host || page.host == domain.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_relay_and_of_the_machine_itself_may_open_a_session() {
        let asked = Authority::read("aaaaaaaaaaaaaaaaaaaaaaaaaa.localhost:8443").unwrap();
        let domain: HostName = "localhost".parse().unwrap();
        let may = |origin: Option<&str>, carrier| may_open(origin, &asked, &domain, carrier);
        for good in [
            "http://localhost:8443",
            "https://localhost:8443",
            "http://aaaaaaaaaaaaaaaaaaaaaaaaaa.localhost:8443",
        ] {
            assert!(may(Some(good), Carrier::Plain), "{good}");
        }
        assert!(may(Some("https://localhost:8443"), Carrier::Tls));
        assert!(!may(Some("http://localhost:8443"), Carrier::Tls), "a page that anybody can alter");
        for bad in [
            None,
            Some(""),
            Some("null"),
            Some("localhost:8443"),
            Some("http://localhost"),
            Some("http://localhost:8444"),
            Some("http://baaaaaaaaaaaaaaaaaaaaaaaaa.localhost:8443"),
            Some("http://pi4.localhost:8443"),
            Some("http://evil.test:8443"),
            Some("http://localhost.evil.test:8443"),
            Some("ws://localhost:8443"),
            Some("http://localhost:8443/"),
            Some("http://user@localhost:8443"),
        ] {
            assert!(!may(bad, Carrier::Plain), "{bad:?}");
        }
    }
}
