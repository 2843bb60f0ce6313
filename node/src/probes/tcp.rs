//! A check by a connection: whether something takes one on a port of this machine.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr},
};

use tokio::net::TcpStream;

use super::{Checked, ProbeFailure};

pub(super) async fn check(port: u16) -> Checked {
    let v4 = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    let v6 = TcpStream::connect((Ipv6Addr::LOCALHOST, port));
    tokio::pin!(v4, v6);
    // Whichever takes it first; a failure counts only when both have failed.
    let error = tokio::select! {
        taken = &mut v4 => match taken {
            Ok(_) => return Ok(()),
            Err(error) => v6.await.err().map(|_| error),
        },
        taken = &mut v6 => match taken {
            Ok(_) => return Ok(()),
            Err(_) => v4.await.err(),
        },
    };
    error.map_or(Ok(()), |error: io::Error| Err(ProbeFailure::NotConnected { port, error }))
}
