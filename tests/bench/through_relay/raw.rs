//! A client's end of raw loopback TCP.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{CHUNK, ECHOES, transfer_bytes};

pub(crate) fn raw_transfer(port: u16, streams: usize) -> Result<f64> {
    let began = Instant::now();
    let transfers: Vec<_> = (0..streams)
        .map(|_| {
            std::thread::spawn(move || -> Result<()> {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                stream.write_all(b"u")?;
                let chunk = vec![7; CHUNK];
                for _ in 0..transfer_bytes() / streams / CHUNK {
                    stream.write_all(&chunk)?;
                }
                stream.shutdown(std::net::Shutdown::Write)?;
                Ok(stream.read_exact(&mut [0])?)
            })
        })
        .collect();
    for transfer in transfers {
        transfer.join().expect("a transfer panicked")?;
    }
    Ok(transfer_bytes() as f64 / began.elapsed().as_secs_f64())
}

pub(crate) fn raw_echo(port: u16) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.write_all(b"e")?;
    let mut took = Vec::new();
    for _ in 0..ECHOES {
        let began = Instant::now();
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
        // The pace, not a wait for anything: an echo of a hot loop is no key press.
        #[allow(clippy::disallowed_methods)]
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(took)
}
