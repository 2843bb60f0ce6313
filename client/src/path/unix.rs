//! To the node of this machine and user, by plain HTTP on its Unix socket. The system vouches for
//! both ends: the socket is in a directory of this user, and its owner is asked for.

use std::{io, path::Path};

use gantline_transport::LocalStream;
use tokio::net::UnixStream;

use super::PathError;

/// A connection to the node's API.
///
/// # Errors
/// [`PathError::Local`] when nobody listens, or somebody else does.
pub(crate) async fn connect(socket: &Path) -> Result<LocalStream, PathError> {
    let stream = UnixStream::connect(socket).await.map_err(PathError::Local)?;
    let owner = stream.peer_cred().map_err(PathError::Local)?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        let why = "the socket belongs to another user";
        return Err(PathError::Local(io::Error::new(io::ErrorKind::PermissionDenied, why)));
    }
    stream.try_into().map_err(PathError::Local)
}
