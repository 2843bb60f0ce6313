//! A client's end of a bare splice of the same links: the floor.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use gantline_protocol::RelayAddress;
use gantline_transport::{Link, PipeReader, PipeWriter, QuicDialer, QuicLink, quic::Timing};
use tokio::io::AsyncWriteExt;

use crate::{CHUNK, ECHOES, transfer_bytes};

pub(crate) struct Bare {
    link: QuicLink,
    _dialer: QuicDialer,
}

impl Bare {
    pub(crate) async fn new(address: &str) -> Result<Self> {
        let dialer = QuicDialer::new(Timing::default())?;
        let link = dialer.dial(&address.parse::<RelayAddress>()?).await?;
        Ok(Self { link, _dialer: dialer })
    }

    pub(crate) async fn transfer(&self, streams: usize, down: bool) -> Result<f64> {
        let began = Instant::now();
        let bytes = transfer_bytes() / streams;
        let mut transfers = Vec::new();
        for _ in 0..streams {
            let (mut writer, mut reader) = self.link.open_pipe().await?;
            transfers.push(tokio::spawn(async move {
                writer.write_u8(if down { b'd' } else { b'u' }).await?;
                writer.write_u64(bytes as u64).await?;
                if !down {
                    let chunk = Bytes::from(vec![7; CHUNK]);
                    for _ in 0..bytes / CHUNK {
                        writer.write_chunk(chunk.clone()).await?;
                    }
                }
                writer.shutdown().await?;
                let mut total = 0;
                while let Some(chunk) = reader.read_chunk(CHUNK).await? {
                    total += chunk.len();
                }
                ensure!(total == if down { bytes } else { 1 }, "{total} of {bytes} arrived");
                Ok(())
            }));
        }
        for transfer in transfers {
            transfer.await??;
        }
        Ok(transfer_bytes() as f64 / began.elapsed().as_secs_f64())
    }

    pub(crate) async fn echo(&self) -> Result<Vec<f64>> {
        let (mut writer, mut reader) = self.link.open_pipe().await?;
        writer.write_u8(b'e').await?;
        writer.write_u64(0).await?;
        let mut took = Vec::new();
        for _ in 0..ECHOES {
            let began = Instant::now();
            writer.write_chunk(Bytes::from_static(b"x")).await?;
            ensure!(reader.read_chunk(1).await?.is_some(), "no echo");
            took.push(began.elapsed().as_secs_f64() * 1e6);
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Ok(took)
    }
}
