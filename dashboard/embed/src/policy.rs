//! What a page may load, run and connect to, by where it is served.

/// Where a page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The host, and the port if one was named, that the browser asked.
    pub authority: &'a str,
    /// Where the page's sessions and conversations lead.
    pub sockets: Sockets,
    /// Whether the browser came by TLS, as far as that is known.
    pub scheme: Scheme,
}

/// Where a page's WebSockets lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// To the page's own host.
    Own,
    /// To hosts below the page's own: a relay's machines.
    Below,
}

/// By what a browser came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// TLS.
    Secure,
    /// Plain HTTP, on loopback.
    Plain,
    /// Whatever a proxy in front ended.
    Unknown,
}

/// The names that the page's code may give to its makers of scripts' addresses.
pub const TRUSTED_TYPES: &str = "gantline";

impl Place<'_> {
    /// The content security policy of the page: nothing is loaded or run but its own files, no
    /// style or script stands in the page, and no text becomes code.
    #[must_use]
    pub fn policy(&self) -> String {
        let hosts = match self.sockets {
            Sockets::Own => String::new(),
            Sockets::Below => "*.".to_owned(),
        };
        let schemes: &[_] = match self.scheme {
            Scheme::Secure => &["wss"],
            Scheme::Plain => &["ws"],
            // In a page that came by TLS the browser allows no plain WebSocket anyway.
            Scheme::Unknown => &["wss", "ws"],
        };
        let sockets: String =
            schemes.iter().map(|scheme| format!(" {scheme}://{hosts}{}", self.authority)).collect();
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'{sockets}; font-src 'self'; worker-src 'self'; \
             manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types {TRUSTED_TYPES}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_connects_to_its_own_place_and_nowhere_else() {
        let place = |sockets, scheme| Place { authority: "relay.example:8443", sockets, scheme };
        let connects = |place: Place<'_>| {
            let policy = place.policy();
            let start = policy.find("connect-src ").unwrap();
            policy[start..].split(';').next().unwrap().to_owned()
        };
        assert_eq!(
            connects(place(Sockets::Below, Scheme::Secure)),
            "connect-src 'self' wss://*.relay.example:8443"
        );
        assert_eq!(
            connects(place(Sockets::Own, Scheme::Plain)),
            "connect-src 'self' ws://relay.example:8443"
        );
        assert_eq!(
            connects(place(Sockets::Below, Scheme::Unknown)),
            "connect-src 'self' wss://*.relay.example:8443 ws://*.relay.example:8443"
        );
    }

    #[test]
    fn no_policy_lets_a_page_run_what_is_not_its_own_file() {
        let place =
            Place { authority: "localhost", sockets: Sockets::Below, scheme: Scheme::Plain };
        let policy = place.policy();
        for hole in ["unsafe", "*;", " * ", "http:", "https:", "blob:", "strict-dynamic"] {
            assert!(!policy.contains(hole), "{hole}: {policy}");
        }
        for wall in [
            "default-src 'none';",
            "script-src 'self';",
            "base-uri 'none';",
            "form-action 'none';",
            "frame-ancestors 'none';",
            "require-trusted-types-for 'script';",
        ] {
            assert!(policy.contains(wall), "{wall}: {policy}");
        }
    }
}
