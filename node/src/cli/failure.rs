//! How a verb fails: what happened and what to do next, and the exit code that says it to scripts.

use std::{fmt, io};

use gantline_client::{ConnectError, PathError, RequestError};
use gantline_protocol::{
    WireError,
    api::{Problem, ProblemCode},
};

use super::text;
use crate::{config::ConfigError, daemon::StartError, gateway::book::BookError, state::StateError};

/// What the program ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All went well.
    Ok,
    /// Something failed.
    Failed,
    /// It was asked for in a way that makes no sense.
    Usage,
    /// A machine could not be reached.
    Unreachable,
    /// It took longer than it was given.
    TimedOut,
    /// A person interrupted it.
    Interrupted,
    /// What a command on a machine ended with.
    Passed(u8),
}

impl Exit {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::TimedOut => 4,
            Self::Interrupted => 130,
            Self::Passed(code) => code,
        }
    }
}

/// Why a verb came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// Which exit code it gives.
    pub(super) exit: Exit,
    what: String,
    next: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, what: what.to_string(), next: None }
    }

    /// Something failed.
    pub(super) fn failed(what: impl fmt::Display) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// What was asked for makes no sense.
    pub(super) fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The same failure, with what a person can do next.
    pub(super) fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }

    /// The same failure, with what was being done before its words.
    pub(super) fn while_doing(mut self, doing: impl fmt::Display) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lines(&self.what))?;
        match &self.next {
            Some(next) => write!(f, "\n  {}", text::lines(next).replace('\n', "\n  ")),
            None => Ok(()),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match &error {
            RequestError::Problem(problem) => problem.as_ref().into(),
            RequestError::Path(_) | RequestError::NotSent(_) => {
                Self::new(Exit::Unreachable, &error)
            }
            RequestError::Stream(_)
            | RequestError::Http(_)
            | RequestError::WebSocket(_)
            | RequestError::Malformed(_)
            | RequestError::TooLarge(_) => Self::failed(&error),
        }
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        match problem.code {
            ProblemCode::RoleForbids => Self::failed(problem).next(
                "the machine gave this device a lesser role; its owner can pair it anew: \
                 gantline pair --role owner",
            ),
            ProblemCode::Unreachable => Self::new(Exit::Unreachable, problem),
            ProblemCode::TimedOut => Self::new(Exit::TimedOut, problem),
            ProblemCode::InvalidRequest
            | ProblemCode::Unauthenticated
            | ProblemCode::PolicyForbids
            | ProblemCode::NotFound
            | ProblemCode::MethodNotAllowed
            | ProblemCode::Conflict
            | ProblemCode::TooLarge
            | ProblemCode::IdempotencyMismatch
            | ProblemCode::Rate
            | ProblemCode::Internal
            | ProblemCode::Unavailable
            | ProblemCode::Other => Self::failed(problem),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Exit::Unreachable, error)
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::new(Exit::Unreachable, error)
    }
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Self {
        match error {
            BookError::Ambiguous => Self::usage(error),
            BookError::State(_) | BookError::Forged { .. } => Self::failed(error),
        }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::usage(error)
    }
}

macro_rules! failed {
    ($($type:ty),*) => {$(
        impl From<$type> for Failure {
            fn from(error: $type) -> Self {
                Self::failed(error)
            }
        }
    )*};
}

failed!(StateError, ConfigError, StartError, io::Error, serde_json::Error);
