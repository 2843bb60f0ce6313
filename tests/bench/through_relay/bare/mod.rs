//! A bare splice: two hops of the same links, joined by nothing but a copy, without a session. What
//! it moves is the floor for sessions on that carrier.

pub(crate) mod quic;
pub(crate) mod websocket;

use anyhow::{Result, ensure};
use bytes::Bytes;
use gantline_transport::{PipeReader, PipeWriter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::ways::{
    CHUNK,
    tcp::{READY, Wish},
};

/// Opens pipes that a bare splice leads to its sink.
pub(crate) trait Pipes: Clone + Send + Sync + 'static {
    type Reader: PipeReader;
    type Writer: PipeWriter;

    fn open(&self) -> impl Future<Output = Result<(Self::Writer, Self::Reader)>> + Send;
}

/// Joins two pipes, as the relay does.
pub(crate) fn join(
    (to_one, from_one): (impl PipeWriter, impl PipeReader),
    (to_other, from_other): (impl PipeWriter, impl PipeReader),
) {
    tokio::spawn(copy(from_one, to_other));
    tokio::spawn(copy(from_other, to_one));
}

async fn copy(mut from: impl PipeReader, mut to: impl PipeWriter) -> Result<()> {
    while let Some(chunk) = from.read_chunk(CHUNK).await? {
        to.write_chunk(chunk).await?;
    }
    Ok(to.shutdown().await?)
}

/// What the client wants of the sink behind the splice.
pub(crate) async fn wish_of(reader: &mut impl PipeReader) -> Result<Wish> {
    let mut wish = [0; Wish::LENGTH];
    reader.read_exact(&mut wish).await?;
    Wish::decode(wish)
}

/// The sink does it.
pub(crate) async fn serve(
    wish: Wish,
    mut writer: impl PipeWriter,
    mut reader: impl PipeReader,
) -> Result<()> {
    writer.write_chunk(Bytes::from_static(&[READY])).await?;
    match wish {
        Wish::Send(bytes) => {
            receive(&mut reader, bytes).await?;
            writer.write_chunk(Bytes::from_static(&[READY])).await?;
        }
        Wish::Receive(bytes) => {
            reader.read_u8().await?;
            send(&mut writer, bytes).await?;
        }
        Wish::Echo => {
            while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                writer.write_chunk(chunk).await?;
            }
        }
    }
    Ok(writer.shutdown().await?)
}

pub(crate) async fn send(writer: &mut impl PipeWriter, bytes: u64) -> Result<()> {
    let chunk = Bytes::from(vec![7; CHUNK]);
    let mut left = bytes as usize;
    while left > 0 {
        let piece = left.min(CHUNK);
        writer.write_chunk(chunk.slice(..piece)).await?;
        left -= piece;
    }
    Ok(())
}

pub(crate) async fn receive(reader: &mut impl PipeReader, bytes: u64) -> Result<()> {
    let mut left = bytes as usize;
    while left > 0 {
        let chunk = reader.read_chunk(left.min(CHUNK)).await?;
        ensure!(chunk.is_some(), "{left} bytes are missing");
        left -= chunk.map_or(0, |chunk| chunk.len());
    }
    Ok(())
}
