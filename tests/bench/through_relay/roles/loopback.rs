//! The far end of raw loopback TCP: counts or echoes.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
};

use anyhow::Result;

use crate::CHUNK;

pub(crate) fn loopback() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || -> Result<()> {
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; CHUNK];
            stream.read_exact(&mut buffer[..1])?;
            let echoes = buffer[0] == b'e';
            loop {
                match stream.read(&mut buffer)? {
                    0 => break,
                    read if echoes => stream.write_all(&buffer[..read])?,
                    _ => {}
                }
            }
            Ok(stream.write_all(b"x")?)
        });
    }
    Ok(())
}
