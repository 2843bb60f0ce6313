//! The Unix socket, by which the user's own programs reach the node. Its directory and mode keep
//! other users out, and each peer is asked for its user as well.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use axum::{Router, extract::Request};
use gantline_transport::LocalStream;
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ListenError, connections::Connections};
use crate::{
    access::{Entrance, Principal},
    state::Home,
};

/// The greatest length of a Unix socket's path, in bytes, on every system that has them.
const MAX_PATH: usize = 103;

/// The Unix socket, open. The file goes when this is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl UnixSocket {
    /// The name of the socket in [`Home::run_dir`].
    pub const NAME: &str = "node.sock";

    /// Opens the socket of `home`. One that is left over from a node that was killed is replaced.
    ///
    /// # Errors
    /// [`ListenError`] if another program answers there, or the system refuses.
    pub async fn bind(home: &Home) -> Result<Self, ListenError> {
        let path = home.run_dir().join(Self::NAME);
        if path.as_os_str().len() > MAX_PATH {
            return Err(ListenError::PathTooLong(path));
        }
        remove_stale(&path).await?;
        let failed = |source| ListenError::Io { place: path.display().to_string(), source };
        // Until its mode is set the directory, which is ours alone, keeps others away.
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let file = SocketFile(path.clone());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// Answers with `router` until `closing` is cancelled and the last answer is given.
    pub async fn serve(self, router: Router, closing: CancellationToken) {
        let Self { listener, file } = self;
        let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
        Connections::new(closing)
            .run(accept, |connections, place, stream: UnixStream| {
                if !is_ours(&stream) {
                    tracing::warn!("a program of another user was refused at the Unix socket");
                    return;
                }
                let stream = match LocalStream::try_from(stream) {
                    Ok(stream) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a program at the Unix socket could not be served");
                        return;
                    }
                };
                let router = router.clone();
                connections.serve(place, stream, move |mut request: Request| {
                    request.extensions_mut().insert(Principal::local(Entrance::UnixSocket));
                    let answered = router.clone().oneshot(request);
                    async move {
                        let Ok(response) = answered.await;
                        response
                    }
                });
            })
            .await;
        drop(file);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == geteuid().as_raw())
}

/// Takes away the socket of a node that is no more; leaves alone whatever else is there.
async fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Io { place: path.display().to_string(), source };
    match path.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(ListenError::SocketTaken(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Ok(_) | Err(_) => Err(ListenError::SocketTaken(path.to_owned())),
    }
}
