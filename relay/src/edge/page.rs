//! The dashboard as a relay serves it: for all machines at the relay's own host, confined to one at
//! that machine's host. Whether such a machine exists is not looked at, so nobody learns it here.

use axum::{
    body::Body,
    http::{Request, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use gantline_dashboard::{Dashboard, Place, Scheme, Sockets};
use gantline_protocol::api::PagePlace;

use super::{
    host::{Authority, Target},
    origin::Carrier,
};
use crate::{config::Config, exchange::Exchange};

/// A page or a file of the dashboard; none for hosts that are not the relay's.
pub(super) fn answer(
    exchange: &Exchange,
    target: &Target,
    asked: &Authority,
    carrier: Carrier,
    request: &Request<Body>,
) -> Option<Response> {
    let sockets = match target {
        Target::Apex(_) => Sockets::Below,
        Target::Machine(..) => Sockets::Own,
        Target::Alias(..) | Target::Nobody => return None,
    };
    let path = request.uri().path();
    if path == "/v1" || path.starts_with("/v1/") {
        return None;
    }
    let authority = asked.to_string();
    let scheme = scheme(&exchange.config, carrier);
    let place = Place { authority: &authority, sockets, scheme };
    let dashboard = Dashboard::embedded();
    Some(dashboard.answer(request.method(), request.uri(), request.headers(), &place))
}

/// What a page is told of where it is; none for hosts that are not the relay's.
pub(super) fn place(config: &Config, target: &Target) -> Option<Response> {
    let (domain, machine_id) = match target {
        Target::Apex(domain) => (domain.clone(), None),
        Target::Machine(machine, domain) => (domain.clone(), Some(*machine)),
        Target::Alias(..) | Target::Nobody => return None,
    };
    let place = PagePlace::Relay {
        domain,
        machine_id,
        operator: config.operator.as_ref().map(ToString::to_string),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let json = serde_json::to_vec(&place).ok()?;
    Some(([(CONTENT_TYPE, "application/json")], json).into_response())
}

const fn scheme(config: &Config, carrier: Carrier) -> Scheme {
    match carrier {
        Carrier::Tls => Scheme::Secure,
        Carrier::Plain if config.behind_proxy => Scheme::Unknown,
        Carrier::Plain => Scheme::Plain,
    }
}
