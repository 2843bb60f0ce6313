//! A process that hands on what comes, and nothing else: two threads, a read and a write each. Behind
//! the last of them is a terminal that gives back each key.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

use anyhow::Result;

use crate::keyboards::{BareTerminal, ECHO};

/// Listens at `path` for one connection, and joins it with the hop that listens at `next`, or with a
/// terminal if there is none.
pub(crate) fn hop(path: &Path, next: Option<&Path>) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    println!("ready");
    let (before, _) = listener.accept()?;
    match next {
        Some(next) => {
            let behind = UnixStream::connect(next)?;
            join(before, behind.try_clone()?, behind)
        }
        None => {
            let BareTerminal { reader, writer, child: _child } = BareTerminal::open(ECHO)?;
            join(before, reader, writer)
        }
    }
}

fn join(
    before: UnixStream,
    from_behind: impl Read,
    to_behind: impl Write + Send + 'static,
) -> Result<()> {
    let from_before = before.try_clone()?;
    // The process ends with the other direction, and this with it.
    std::thread::spawn(move || hand_on(from_before, to_behind));
    hand_on(from_behind, before)
}

fn hand_on(mut from: impl Read, mut to: impl Write) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read])?,
        }
    }
}
