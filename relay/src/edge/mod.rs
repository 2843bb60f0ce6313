//! The TCP side: pages, HTTP and WebSockets, with the relay's own TLS or behind a proxy's.

mod host;
mod listener;
mod origin;
mod page;
mod patience;
mod routes;
mod session;
mod stream;

pub(crate) use listener::{Places, accept};
