//! Linux: its clocks, and the kernel's own word about links, addresses and routes, by netlink.

use std::{io, os::fd::OwnedFd, time::Duration};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        socket_with,
    },
    time::{ClockId, Timespec, clock_gettime},
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::changes::pauses::Clocks;

/// The groups of `linux/rtnetlink.h` that tell what can change a route.
const GROUPS: u32 = LINK | IPV4_ADDRESS | IPV4_ROUTE | IPV6_ADDRESS | IPV6_ROUTE;
const LINK: u32 = 0x1;
const IPV4_ADDRESS: u32 = 0x10;
const IPV4_ROUTE: u32 = 0x40;
const IPV6_ADDRESS: u32 = 0x100;
const IPV6_ROUTE: u32 = 0x400;

/// Both clocks, now.
pub(in crate::changes) fn clocks() -> Clocks {
    let awake = duration(clock_gettime(ClockId::Monotonic));
    Clocks { with_sleep: duration(clock_gettime(ClockId::Boottime)), awake }
}

fn duration(time: Timespec) -> Duration {
    // Neither clock is ever below zero.
    time.try_into().unwrap_or_default()
}

/// The kernel's messages. What they say is not looked at: that there are any is enough.
#[derive(Debug)]
pub(in crate::changes) struct Stirs {
    socket: AsyncFd<OwnedFd>,
}

impl Stirs {
    /// Listens from now on. Any user may.
    #[allow(unsafe_code)]
    pub(in crate::changes) fn listen() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        // SAFETY: an `OwnedFd` is open as long as it lives, and names the same descriptor all the
        // time.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(Self { socket: socket.map_err(|_| io::Error::other("it can't be waited for"))? })
    }

    /// Waits until there is a message.
    pub(in crate::changes) async fn next(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable_mut().await?;
            if let Ok(taken) = ready.try_io(|socket| take_one(socket.get_ref())) {
                return taken;
            }
        }
    }

    /// Drops the messages that have come.
    pub(in crate::changes) fn forget(&mut self) -> io::Result<()> {
        loop {
            match take_one(self.socket.get_ref()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Takes one message off. The rest of a longer one is dropped.
fn take_one(socket: &OwnedFd) -> io::Result<()> {
    match recv(socket, &mut [0; 16], RecvFlags::empty()) {
        // The kernel had more to say than fits.
        Ok(_) | Err(Errno::NOBUFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
