//! The gateway: it reaches other machines for this node's own user.

pub(crate) mod book;
