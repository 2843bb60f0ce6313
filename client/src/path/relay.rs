//! Through a relay, over QUIC.

use gantline_protocol::{
    MachineId, RelayAddress,
    link::{PipeReply, PipeRequest},
};
use gantline_transport::{
    Link, QuicDialer,
    quic::{QuicReader, QuicWriter},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::PathError;

/// A pipe to the machine's door.
pub(super) async fn open(
    dialer: &QuicDialer,
    relay: &RelayAddress,
    machine: MachineId,
) -> Result<(QuicWriter, QuicReader), PathError> {
    let link = dialer.dial(relay).await?;
    let broken = |error| PathError::Broken(error);
    let (mut writer, mut reader) =
        link.open_pipe().await.map_err(|end| PathError::Broken(std::io::Error::other(end)))?;
    let mut request = Vec::new();
    PipeRequest { machine }.encode(&mut request);
    writer.write_all(&request).await.map_err(broken)?;
    let reply = reader.read_u8().await.map_err(broken)?;
    match PipeReply::from_byte(reply)
        .map_err(|error| PathError::Broken(std::io::Error::other(error)))?
    {
        PipeReply::Spliced => Ok((writer, reader)),
        refusal @ (PipeReply::Offline
        | PipeReply::Unknown
        | PipeReply::Rate
        | PipeReply::Busy
        | PipeReply::Version
        | PipeReply::Other(_)) => Err(PathError::Refused(refusal)),
    }
}
