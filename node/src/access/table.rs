//! What each route asks of whoever calls it. There is no route without an entry here and no entry
//! without a route; a test holds both to it, and the guard lets nothing else through.

use gantline_protocol::Role;
use http::Method;

/// What a route asks of whoever calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The method. HEAD counts as GET.
    pub method: Method,
    /// The path, as the router has it.
    pub path: &'static str,
    /// The least role that may call it.
    pub least: Role,
    /// From where it may be called.
    pub from: From,
    /// What it does to the machine.
    pub effect: Effect,
}

/// From where a route may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// From everywhere that a request can come from.
    Anywhere,
    /// On the machine itself, by its own user. Not in a session, whatever its role.
    Here,
}

/// What a route does to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; it takes no body.
    Reads,
    /// It changes something, with a body of at most so many bytes. It takes an `Idempotency-Key`.
    Changes {
        /// The greatest body, in bytes.
        body: usize,
    },
    /// It is a conversation, whose messages have bounds of their own. What each side may say there
    /// follows from its role.
    Converses,
}

/// A command with its environment, as JSON.
const COMMAND: Effect = Effect::Changes { body: 8 * 1024 * 1024 };
const SMALL: Effect = Effect::Changes { body: 64 * 1024 };

/// Every route.
pub const TABLE: &[Access] = &[
    entry(Method::GET, "/metrics", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/agents", Role::Observer, Effect::Reads),
    entry(Method::POST, "/v1/agents", Role::Operator, COMMAND),
    entry(Method::GET, "/v1/agents/{id}", Role::Observer, Effect::Reads),
    entry(Method::PATCH, "/v1/agents/{id}", Role::Operator, COMMAND),
    entry(Method::DELETE, "/v1/agents/{id}", Role::Operator, SMALL),
    entry(Method::POST, "/v1/agents/{id}/env/compare", Role::Operator, COMMAND),
    entry(Method::GET, "/v1/agents/{id}/metrics", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/agents/{id}/output", Role::Observer, Effect::Reads),
    entry(Method::POST, "/v1/agents/{id}/restart", Role::Operator, SMALL),
    entry(Method::POST, "/v1/agents/{id}/signal", Role::Operator, SMALL),
    entry(Method::POST, "/v1/agents/{id}/start", Role::Operator, SMALL),
    entry(Method::POST, "/v1/agents/{id}/stop", Role::Operator, SMALL),
    entry(Method::GET, "/v1/agents/{id}/terminal", Role::Observer, Effect::Converses),
    entry(Method::GET, "/v1/devices", Role::Owner, Effect::Reads),
    entry(Method::DELETE, "/v1/devices/{id}", Role::Owner, SMALL),
    entry(Method::GET, "/v1/events", Role::Observer, Effect::Reads),
    entry(Method::POST, "/v1/exec", Role::Operator, COMMAND),
    entry(Method::GET, "/v1/history", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/history/{agentId}/{epoch}", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/invitations", Role::Owner, Effect::Reads),
    entry(Method::POST, "/v1/invitations", Role::Owner, SMALL),
    entry(Method::DELETE, "/v1/invitations/{id}", Role::Owner, SMALL),
    entry(Method::GET, "/v1/machine", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/machine/metrics", Role::Observer, Effect::Reads),
    here(Method::GET, "/v1/machines", Effect::Reads),
    here(Method::POST, "/v1/machines", SMALL),
    here(Method::GET, "/v1/machines/events", Effect::Reads),
    here(Method::GET, "/v1/machines/{id}", Effect::Reads),
    here(Method::PATCH, "/v1/machines/{id}", SMALL),
    here(Method::DELETE, "/v1/machines/{id}", SMALL),
    // What each of these is allowed to be, the other machine says.
    here(Method::GET, "/v1/machines/{id}/{*rest}", Effect::Converses),
    here(Method::POST, "/v1/machines/{id}/{*rest}", Effect::Converses),
    here(Method::PUT, "/v1/machines/{id}/{*rest}", Effect::Converses),
    here(Method::PATCH, "/v1/machines/{id}/{*rest}", Effect::Converses),
    here(Method::DELETE, "/v1/machines/{id}/{*rest}", Effect::Converses),
    here(Method::POST, "/v1/one-time-tokens", SMALL),
    entry(Method::GET, "/v1/openapi.json", Role::Observer, Effect::Reads),
    entry(Method::POST, "/v1/pairing-codes", Role::Owner, SMALL),
    entry(Method::GET, "/v1/status", Role::Observer, Effect::Reads),
    entry(Method::GET, "/v1/vitals", Role::Observer, Effect::Reads),
];

const fn entry(method: Method, path: &'static str, least: Role, effect: Effect) -> Access {
    Access { method, path, least, from: From::Anywhere, effect }
}

const fn here(method: Method, path: &'static str, effect: Effect) -> Access {
    Access { method, path, least: Role::Owner, from: From::Here, effect }
}

/// The entry of a route.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Access> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    TABLE.iter().find(|access| access.method == *method && access.path == path)
}

/// The methods that a path has, for `Allow`.
pub(super) fn methods(path: &str) -> String {
    let methods = TABLE.iter().filter(|access| access.path == path);
    methods.map(|access| access.method.as_str()).collect::<Vec<_>>().join(", ")
}
