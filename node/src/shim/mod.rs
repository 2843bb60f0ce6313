//! The process that holds one agent and outlives the node: it has the terminal or the pipes, owns
//! the log, gives the process what is typed, and keeps how it ended. It is this same program, started
//! as `gantline shim`, with one thread, another that writes to the disk, and no runtime. `docs/shim.md` says what it promises.

mod connection;
mod disk;
mod door;
mod input;
pub mod log;
mod patience;
mod process;
pub(crate) mod record;
mod serve;
pub(crate) mod start;
mod sys;
mod tree;

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    process::ExitCode,
};

pub(crate) use input::Applied;

use serve::{Shim, StartError};
use start::{Answer, Start};

/// The verb by which a node starts a shim; no person does.
pub const VERB: &str = "shim";

/// The whole life of a shim. Its standard input is the node that wants it.
#[must_use]
pub fn run() -> ExitCode {
    match begin() {
        Some(shim) => {
            shim.serve();
            ExitCode::SUCCESS
        }
        None => ExitCode::FAILURE,
    }
}

fn begin() -> Option<Shim> {
    sys::detach().ok()?;
    let mut node = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    let null = std::fs::File::open("/dev/null").ok()?;
    rustix::stdio::dup2_stdin(&null).ok()?;
    let mut header = [0; start::LENGTH];
    // A node that has gone meanwhile wants nothing.
    node.read_exact(&mut header).ok()?;
    let mut message = vec![0; start::length_of(header).ok()?];
    node.read_exact(&mut message).ok()?;
    let answer =
        |answer: Answer| node.try_clone().and_then(|mut node| node.write_all(&answer.encode()));
    let started = Start::decode(&message).map_err(|error| Answer::Failed(error.to_string()));
    drop(message);
    let stream = node.try_clone().map_err(|error| Answer::Failed(error.to_string()));
    let started = started.and_then(|start| Shim::start(start, stream?).map_err(refusal));
    match started {
        Ok((shim, pid)) => {
            let not_enforced = shim.not_enforced().map(str::to_owned);
            // Whether or not the node is still there, the process is.
            let _ = answer(Answer::Started { pid, not_enforced });
            Some(shim)
        }
        Err(why) => {
            let _ = answer(why);
            None
        }
    }
}

fn refusal(error: StartError) -> Answer {
    match error {
        StartError::Spawn(error) => match error.raw_os_error() {
            Some(errno) => Answer::NotStarted { errno },
            None => Answer::Failed(error.to_string()),
        },
        StartError::Io(error) => Answer::Failed(error.to_string()),
    }
}
