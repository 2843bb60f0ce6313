//! Joins two pipes. The relay's only work on a session's bytes: they go on as they came, by
//! reference, and each direction ends as it ended.

use std::{io, time::Duration};

use bytes::Bytes;
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{io::AsyncWriteExt, pin, select, time::timeout};

use crate::limits::PIECES;

/// How two joined pipes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both directions ended in order.
    Orderly,
    /// One was given up, or stood still for too long.
    Aborted,
}

/// How patient a splice is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a writer may take for what was read at once.
    pub stalled: Duration,
    /// How long one direction may go on after the other was given up.
    pub after_abort: Duration,
}

/// Joins two pipes until both directions are over. It holds a few pieces of each direction at most,
/// so a reader that stops stops the writer at the other end. An end is passed on as an end and an
/// abort as an abort, each in its own direction: what was under way in the other still arrives.
pub async fn splice<W1, R1, W2, R2>(a: (W1, R1), b: (W2, R2), patience: Patience) -> End
where
    W1: PipeWriter,
    R1: PipeReader,
    W2: PipeWriter,
    R2: PipeReader,
{
    let there = forward(a.1, b.0, patience.stalled);
    let back = forward(b.1, a.0, patience.stalled);
    pin!(there, back);
    select! {
        over = &mut there => rest(over, back, patience).await,
        over = &mut back => rest(over, there, patience).await,
    }
}

/// How one direction ended.
enum Over {
    InOrder,
    GivenUp,
    /// The whole pipe is gone at one end, and the other direction with it.
    Gone,
}

impl Over {
    fn of(error: &io::Error) -> Self {
        match error.kind() == io::ErrorKind::ConnectionReset {
            true => Self::GivenUp,
            false => Self::Gone,
        }
    }
}

/// Waits for the other direction, if anything can still come of it. What is left when time is up
/// is dropped, and so given up.
async fn rest(first: Over, other: impl Future<Output = Over>, patience: Patience) -> End {
    match first {
        Over::InOrder => match other.await {
            Over::InOrder => End::Orderly,
            Over::GivenUp | Over::Gone => End::Aborted,
        },
        Over::GivenUp => {
            let _ = timeout(patience.after_abort, other).await;
            End::Aborted
        }
        Over::Gone => End::Aborted,
    }
}

async fn forward<R: PipeReader, W: PipeWriter>(
    mut reader: R,
    mut writer: W,
    stalled: Duration,
) -> Over {
    let mut pieces = [const { Bytes::new() }; PIECES];
    loop {
        let written = match reader.read_chunks(&mut pieces).await {
            Ok(Some(read)) => {
                let pieces = pieces.get_mut(..read).unwrap_or_default();
                timeout(stalled, writer.write_chunks(pieces)).await
            }
            Ok(None) => match timeout(stalled, writer.shutdown()).await {
                Ok(Ok(())) => return Over::InOrder,
                failed => failed,
            },
            Err(error) => {
                writer.abort();
                return Over::of(&error);
            }
        };
        let over = match written {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => Over::of(&error),
            Err(_) => Over::GivenUp,
        };
        writer.abort();
        reader.stop();
        return over;
    }
}
