//! The proxies that the environment names, and a tunnel through one (RFC 9110 section 9.3.6).

use std::{io, net::SocketAddr};

use gantline_protocol::{HostName, RelayAddress};
use http::{
    HeaderValue, Request, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1, upgrade::Upgraded};
use hyper_util::{client::proxy::matcher::Matcher, rt::TokioIo};
use tokio::net::TcpStream;

use super::{DialError, addresses::race, resolve::is_this_machine, resolve::resolve};

/// What `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, have to say.
#[derive(Debug)]
pub(crate) struct Proxies {
    matcher: Matcher,
}

/// A proxy that speaks HTTP in clear.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    host: HostName,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxies {
    pub(crate) fn from_env() -> Self {
        Self { matcher: Matcher::from_env() }
    }

    /// The proxy `https`, but not to the hosts in `no`; both as in the environment.
    pub(crate) fn named(https: &str, no: &str) -> Self {
        Self { matcher: Matcher::builder().https(https).no(no).build() }
    }

    /// The proxy that leads to `relay`, if one is named. This machine is never reached through one.
    pub(crate) fn on_the_way_to(&self, relay: &RelayAddress) -> Result<Option<Proxy>, DialError> {
        if is_this_machine(relay.host.as_str()) {
            return Ok(None);
        }
        let Ok(target) = format!("https://{}/", relay.authority()).parse::<Uri>() else {
            return Ok(None);
        };
        let Some(proxy) = self.matcher.intercept(&target) else { return Ok(None) };
        let uri = proxy.uri();
        let refused = |reason: &str| DialError::Proxy {
            relay: relay.clone(),
            proxy: format!(
                "{}://{}:{}",
                uri.scheme_str().unwrap_or("http"),
                uri.host().unwrap_or_default(),
                uri.port_u16().unwrap_or(80)
            ),
            reason: reason.to_owned(),
        };
        if uri.scheme_str() != Some("http") {
            return Err(refused("only proxies that begin with http:// are supported"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let host = host.to_ascii_lowercase().parse().map_err(|_| refused("it has no host name"))?;
        let authorization = proxy.basic_auth().cloned();
        Ok(Some(Proxy { host, port: uri.port_u16().unwrap_or(80), authorization }))
    }
}

impl Proxy {
    /// A connection to `relay` through this proxy, and the proxy's address.
    pub(crate) async fn tunnel(
        &self,
        relay: &RelayAddress,
    ) -> Result<(TokioIo<Upgraded>, SocketAddr), DialError> {
        let refused = |reason: String| DialError::Proxy {
            relay: relay.clone(),
            proxy: format!("http://{}:{}", self.host, self.port),
            reason,
        };
        let addresses = resolve(&self.host, self.port).await;
        let addresses = addresses.map_err(|error| refused(error.to_string()))?;
        let connect = |address: SocketAddr| {
            let relay = relay.clone();
            async move {
                let broken = |error: io::Error| DialError::Broken {
                    relay,
                    by: "TCP",
                    reason: error.to_string(),
                };
                TcpStream::connect(address).await.map_err(broken)
            }
        };
        let stream = race(relay, "TCP", addresses, connect)
            .await
            .map_err(|error| refused(format!("it can't be reached itself: {error}")))?;
        let _ = stream.set_nodelay(true);
        let remote = stream.peer_addr().map_err(|error| refused(error.to_string()))?;
        let failed = |error: hyper::Error| refused(error.to_string());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Ends with the tunnel.
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(self.request(relay).map_err(refused)?).await;
        let response = response.map_err(failed)?;
        if !response.status().is_success() {
            return Err(refused(format!("it answers with status {}", response.status())));
        }
        let tunnel = hyper::upgrade::on(response).await.map_err(failed)?;
        Ok((TokioIo::new(tunnel), remote))
    }

    fn request(&self, relay: &RelayAddress) -> Result<Request<Empty<Bytes>>, String> {
        let target = format!("{}:{}", relay.bracketed_host(), relay.port);
        let mut request = Request::connect(&target).header(HOST, &target);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        request.body(Empty::new()).map_err(|error| error.to_string())
    }
}
