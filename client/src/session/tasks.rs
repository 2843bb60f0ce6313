//! The two tasks of a session: one reads the pipe, one writes it.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use gantline_crypto::session::Session as Core;
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, sleep_until, timeout},
};

use super::shared::{Arrivals, Session, Shared};

/// How many sealed bytes go into one write: enough to make a write cheap, little enough that a key
/// press does not wait long behind a flood.
const BATCH: usize = 64 * 1024;
/// How many pieces are read at once: with those of a QUIC stream, two records and more.
const PIECES: usize = 32;
/// How long the last words may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Lets `core` speak over a pipe. The handshake is done; `rest` are bytes that were read with it.
/// Needs a Tokio runtime. The tasks end with the session, and the pipe with them.
pub fn drive(
    core: Core,
    reader: impl PipeReader,
    writer: impl PipeWriter,
    rest: BytesMut,
) -> (Session, Arrivals) {
    let (session, arrivals) = Session::new(core);
    let reading = tokio::spawn(read(session.shared.clone(), reader, rest));
    let shared = session.shared.clone();
    tokio::spawn(async move {
        write(&shared, writer).await;
        shared.finished.cancel();
        // Whatever the peer still has to say, nobody will answer.
        reading.abort();
    });
    (session, arrivals)
}

async fn read(shared: Arc<Shared>, mut reader: impl PipeReader, mut input: BytesMut) {
    let mut pieces = [const { Bytes::new() }; PIECES];
    loop {
        if !input.is_empty() {
            match shared.receive(&mut input) {
                Ok((taken, speaks)) => {
                    let _ = input.split_to(taken);
                    if speaks {
                        shared.speak.notify_one();
                    }
                }
                Err(_) => break,
            }
        }
        match reader.read_chunks(&mut pieces).await {
            Ok(Some(read)) => {
                for piece in pieces.iter_mut().take(read) {
                    input.extend_from_slice(&std::mem::take(piece));
                }
            }
            Ok(None) | Err(_) => break,
        }
    }
    shared.end_of_input();
    shared.speak.notify_one();
    reader.stop();
}

async fn write(shared: &Arc<Shared>, mut writer: impl PipeWriter) {
    // A peer that reads nothing any more can't hold up the end.
    let mut farewell = pin!(farewell(shared));
    loop {
        let (out, spoken) = shared.transmit(BATCH);
        if !out.is_empty() {
            let written = tokio::select! {
                written = writer.write_chunk(Bytes::from(out)) => written,
                () = &mut farewell => return,
            };
            if written.is_err() {
                shared.end_of_input();
                return;
            }
        } else if spoken.is_over {
            break;
        } else {
            let due = async {
                match spoken.deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.speak.notified() => {}
                () = due => {}
            }
        }
    }
    let _ = timeout(FAREWELL, writer.shutdown()).await;
}

/// Waits until the session is over and its last words had their time.
async fn farewell(shared: &Arc<Shared>) {
    Session { shared: shared.clone() }.ended().await;
    sleep(FAREWELL).await;
}
