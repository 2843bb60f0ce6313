//! Who asks, and what they may do.

mod guard;
mod principal;
mod table;

pub(crate) use guard::guard;
pub use principal::{Entrance, Principal, Subject};
pub use table::{Access, Effect, From, TABLE};
