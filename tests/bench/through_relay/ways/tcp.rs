//! A TCP connection, to the service itself or into a tunnel that leads to it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Direction, PACE, Way};
use crate::part::nap;

/// Bytes that are read and written at once.
pub(crate) const BUFFER: usize = 256 * 1024;
/// What the service says when it is there, and when everything has arrived.
pub(crate) const READY: u8 = b'x';
/// No tunnel may make the benchmark wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client wants of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// To send so many bytes.
    Send(u64),
    /// To receive so many bytes.
    Receive(u64),
    /// To have everything back.
    Echo,
}

impl Wish {
    pub(crate) const LENGTH: usize = 9;

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let (kind, bytes) = match self {
            Self::Send(bytes) => (b's', bytes),
            Self::Receive(bytes) => (b'r', bytes),
            Self::Echo => (b'e', 0),
        };
        let mut out = [kind; Self::LENGTH];
        out[1..].copy_from_slice(&bytes.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: [u8; Self::LENGTH]) -> Result<Self> {
        let (kind, rest) = bytes.split_first().context("it has a length")?;
        let bytes = u64::from_be_bytes(rest.try_into()?);
        Ok(match kind {
            b's' => Self::Send(bytes),
            b'r' => Self::Receive(bytes),
            b'e' => Self::Echo,
            _ => bail!("no such wish"),
        })
    }
}

pub(crate) struct Tcp {
    pub(crate) address: SocketAddr,
}

impl Tcp {
    fn ask(&self, wish: Wish) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&wish.encode())?;
        let mut ready = [0];
        stream.read_exact(&mut ready)?;
        ensure!(ready == [READY], "something else answers at {}", self.address);
        Ok(stream)
    }
}

impl Way for Tcp {
    fn transfer(&mut self, streams: usize, each: u64, direction: Direction) -> Result<Duration> {
        let wish = match direction {
            Direction::Up => Wish::Send(each),
            Direction::Down => Wish::Receive(each),
        };
        let open = (0..streams).map(|_| self.ask(wish)).collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        let threads: Vec<_> = open
            .into_iter()
            .map(|stream| {
                std::thread::spawn(move || match direction {
                    Direction::Up => send(stream, each as usize),
                    Direction::Down => receive(stream, each as usize),
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a transfer does not panic")?;
        }
        Ok(began.elapsed())
    }

    fn echo(&mut self, times: usize) -> Result<Vec<f64>> {
        let mut stream = self.ask(Wish::Echo)?;
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            nap(PACE);
            let began = Instant::now();
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])?;
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

fn send(mut stream: TcpStream, mut left: usize) -> Result<()> {
    let buffer = vec![7; BUFFER];
    while left > 0 {
        let piece = left.min(BUFFER);
        stream.write_all(&buffer[..piece])?;
        left -= piece;
    }
    Ok(stream.read_exact(&mut [0])?)
}

fn receive(mut stream: TcpStream, mut left: usize) -> Result<()> {
    stream.write_all(&[READY])?;
    let mut buffer = vec![0; BUFFER];
    while left > 0 {
        let room = left.min(BUFFER);
        let read = stream.read(&mut buffer[..room])?;
        ensure!(read > 0, "{left} bytes are missing");
        left -= read;
    }
    Ok(())
}
