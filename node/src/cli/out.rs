//! Where words go: data on stdout, everything else on stderr. Whoever stops reading ends the
//! program without a complaint.

use std::{
    env,
    io::{self, ErrorKind, IsTerminal, Write},
};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::{Exit, Failure};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to use colours on stdout.
    pub(super) fn on_stdout(self) -> bool {
        self.on(&io::stdout())
    }

    /// Whether to use colours on stderr.
    pub(super) fn on_stderr(self) -> bool {
        self.on(&io::stderr())
    }

    fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
                stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb
            }
        }
    }
}

/// Writes data to stdout.
pub(super) fn data(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()).map_err(unwritten)
}

/// Writes one JSON document, and the end of its line, to stdout.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    data(text)
}

/// Says something to a person.
pub(super) fn say(text: impl AsRef<str>) {
    // Nobody is there to be told that nobody listens.
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

/// Writes to stderr without ending the line.
pub(super) fn tell(bytes: impl AsRef<[u8]>) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(bytes.as_ref()).and_then(|()| stderr.flush());
}

/// What it means that stdout takes nothing more.
pub(super) fn unwritten(error: io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        // As if the system's own signal for it had ended the program.
        return Failure::new(Exit::Passed(141), "");
    }
    Failure::failed(format!("can't write the output: {error}"))
}
