//! What is behind the bare splice: counts, sends or echoes.

use anyhow::{Result, ensure};
use bytes::Bytes;
use gantline_protocol::RelayAddress;
use gantline_transport::{Link, PipeReader, PipeWriter, QuicDialer, quic::Timing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{CHUNK, part::ready};

pub(crate) async fn sink(address: &str) -> Result<()> {
    let dialer = QuicDialer::new(Timing::default())?;
    let link = dialer.dial(&address.parse::<RelayAddress>()?).await?;
    tokio::spawn(async move {
        while let Ok((writer, reader)) = link.accept_pipe().await {
            tokio::spawn(serve_bare(writer, reader));
        }
    });
    ready("sink").await
}

async fn serve_bare(mut writer: impl PipeWriter, mut reader: impl PipeReader) -> Result<()> {
    let (what, bytes) = (reader.read_u8().await?, reader.read_u64().await?);
    match what {
        b'u' => {
            let mut total = 0;
            while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                total += chunk.len() as u64;
            }
            ensure!(total == bytes, "{total} of {bytes} arrived");
            writer.write_u8(1).await?;
        }
        b'd' => {
            let chunk = Bytes::from(vec![7; CHUNK]);
            for _ in 0..bytes as usize / CHUNK {
                writer.write_chunk(chunk.clone()).await?;
            }
        }
        _ => {
            while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                writer.write_chunk(chunk).await?;
            }
        }
    }
    Ok(writer.shutdown().await?)
}
