//! All addresses of one host, tried one after the other with a head start (RFC 8305).

use std::{net::SocketAddr, time::Duration};

use gantline_protocol::RelayAddress;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::DialError;

/// How long a relay may take to answer, on all its addresses together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long the other addresses may still take once one of them has given a clear answer; less than
/// the time after which another carrier is tried.
const GRACE: Duration = Duration::from_millis(500);
/// How long one address is tried alone before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What the first address that succeeds gives; else the most telling error of all.
pub(crate) async fn race<T, F>(
    relay: &RelayAddress,
    by: &'static str,
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<T, DialError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, DialError>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut error = DialError::Silent { relay: relay.clone(), by };
    let mut deadline = Instant::now() + PATIENCE;
    let mut addresses = addresses.into_iter();
    let mut next = addresses.next();
    while next.is_some() || !attempts.is_empty() {
        if let Some(address) = next.take() {
            attempts.spawn(connect(address));
        }
        let until = match addresses.len() {
            0 => deadline,
            _ => deadline.min(Instant::now() + HEAD_START),
        };
        match timeout_at(until, attempts.join_next()).await {
            Ok(Some(Ok(Ok(connected)))) => return Ok(connected),
            Ok(Some(Ok(Err(failure)))) => {
                error = error.more_telling(failure);
                deadline = deadline.min(Instant::now() + GRACE);
            }
            Err(_) if Instant::now() >= deadline => break,
            // An attempt that panicked is a bug of ours; the others may still succeed.
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
        next = addresses.next();
    }
    Err(error)
}
