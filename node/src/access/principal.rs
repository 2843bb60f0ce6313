//! Whoever a request comes from. Every request that reaches the router has one, put there by the
//! door or listener that let it in, never by the request itself.

use gantline_protocol::{
    DeviceId, Name, Role,
    api::{Actor, Way, Who},
};

/// Whoever a request comes from, and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Who it is.
    pub subject: Subject,
    /// What they may do on this machine.
    pub role: Role,
    /// The way they came.
    pub entrance: Entrance,
}

/// Who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The user that the node runs as: the Unix socket says so, or the token of the local page.
    LocalUser,
    /// A paired device, which its session has proved.
    Device(DeviceId),
}

/// The way a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entrance {
    /// The Unix socket.
    UnixSocket,
    /// HTTP on 127.0.0.1.
    Loopback,
    /// A stream of a session.
    Session,
}

impl Principal {
    /// The user that the node runs as, who is its owner.
    #[must_use]
    pub const fn local(entrance: Entrance) -> Self {
        Self { subject: Subject::LocalUser, role: Role::Owner, entrance }
    }

    /// The same for the history, with what people call the device now.
    pub fn actor(&self, name_of: impl FnOnce(DeviceId) -> Option<Name>) -> Actor {
        let who = match self.subject {
            Subject::LocalUser => Who::LocalUser,
            Subject::Device(device_id) => Who::Device { device_id, name: name_of(device_id) },
        };
        let path = match self.entrance {
            Entrance::UnixSocket => Way::Unix,
            Entrance::Loopback => Way::Loopback,
            Entrance::Session => Way::Session,
        };
        Actor { who, path: Some(path) }
    }

    /// Whether it is the user that the node runs as, and not somebody in a session.
    #[must_use]
    pub const fn is_local_user(&self) -> bool {
        match (self.subject, self.entrance) {
            (Subject::LocalUser, Entrance::UnixSocket | Entrance::Loopback) => true,
            (Subject::LocalUser, Entrance::Session) | (Subject::Device(_), _) => false,
        }
    }
}
