//! The local TCP service that every tunnel leads to: counts, sends or echoes.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use anyhow::Result;

use crate::ways::tcp::{BUFFER, READY, Wish};

pub(crate) fn service() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that breaks off is told by who made it.
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut wish = [0; Wish::LENGTH];
    stream.read_exact(&mut wish)?;
    stream.write_all(&[READY])?;
    let mut buffer = vec![7; BUFFER];
    match Wish::decode(wish)? {
        Wish::Send(bytes) => {
            let mut left = bytes as usize;
            while left > 0 {
                let room = left.min(BUFFER);
                let read = stream.read(&mut buffer[..room])?;
                if read == 0 {
                    return Ok(());
                }
                left -= read;
            }
            stream.write_all(&[READY])?;
        }
        Wish::Receive(bytes) => {
            stream.read_exact(&mut [0])?;
            let mut left = bytes as usize;
            while left > 0 {
                let piece = left.min(BUFFER);
                stream.write_all(&buffer[..piece])?;
                left -= piece;
            }
        }
        Wish::Echo => loop {
            match stream.read(&mut buffer)? {
                0 => break,
                read => stream.write_all(&buffer[..read])?,
            }
        },
    }
    Ok(())
}
