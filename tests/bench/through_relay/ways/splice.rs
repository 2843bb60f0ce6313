//! A client's end of a bare splice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use gantline_transport::{PipeReader, PipeWriter};
use tokio::runtime::Handle;

use super::{Direction, PACE, Way};
use crate::{
    bare::{Pipes, receive, send},
    part::nap,
    ways::tcp::{READY, Wish},
};

pub(crate) struct Splice<P> {
    pub(crate) pipes: P,
    pub(crate) runtime: Handle,
}

impl<P: Pipes> Splice<P> {
    fn ask(&self, wish: Wish) -> Result<(P::Writer, P::Reader)> {
        self.runtime.block_on(async {
            let (mut writer, mut reader) = self.pipes.open().await?;
            writer.write_chunk(Bytes::copy_from_slice(&wish.encode())).await?;
            let ready = reader.read_chunk(1).await?;
            ensure!(ready.as_deref() == Some(&[READY]), "the sink is not ready");
            Ok((writer, reader))
        })
    }
}

impl<P: Pipes> Way for Splice<P> {
    fn transfer(&mut self, streams: usize, each: u64, direction: Direction) -> Result<Duration> {
        let wish = match direction {
            Direction::Up => Wish::Send(each),
            Direction::Down => Wish::Receive(each),
        };
        let open = (0..streams).map(|_| self.ask(wish)).collect::<Result<Vec<_>>>()?;
        self.runtime.block_on(async {
            let began = Instant::now();
            let mut transfers = Vec::new();
            for (mut writer, mut reader) in open {
                transfers.push(tokio::spawn(async move {
                    match direction {
                        Direction::Up => {
                            send(&mut writer, each).await?;
                            receive(&mut reader, 1).await
                        }
                        Direction::Down => {
                            send(&mut writer, 1).await?;
                            receive(&mut reader, each).await
                        }
                    }
                }));
            }
            for transfer in transfers {
                transfer.await??;
            }
            Ok(began.elapsed())
        })
    }

    fn echo(&mut self, times: usize) -> Result<Vec<f64>> {
        let (mut writer, mut reader) = self.ask(Wish::Echo)?;
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            nap(PACE);
            let began = Instant::now();
            self.runtime.block_on(async {
                writer.write_chunk(Bytes::from_static(b"x")).await?;
                receive(&mut reader, 1).await
            })?;
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took)
    }

    fn connect(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.ask(Wish::Echo)?;
        Ok(began.elapsed())
    }
}
