//! The files in which the node keeps what must outlive it.

mod access_check;
mod error;
mod files;
mod home;
pub mod identity;
mod lock;

pub use error::{StateError, Unsafety};
pub use files::{MAX_FILE, StateFiles};
pub(crate) use files::{read_config, read_private, write_config};
pub use home::Home;
pub use lock::InstanceLock;
