//! What can go wrong with the history, by what its owner can do about it.

use std::io;

use rusqlite::ErrorCode;

/// What can go wrong with the history. None of it reaches an agent.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The disk is full. What was noted waits; it is written when there is space again.
    #[error("the history can't be written: the disk is full; free some space")]
    Full,
    /// The file is damaged, or not one of the node's. It is set aside.
    #[error("the history is damaged: {0}")]
    Corrupt(String),
    /// It was asked for too much at once.
    #[error("the history took too long to look through: ask for less, for example with `since`")]
    Slow,
    /// It can't be used for another reason; it is tried again.
    #[error("the history can't be used at the moment: {0}")]
    Away(String),
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::OperationInterrupted) => Self::Slow,
            Some(_) => Self::Away(text),
            // A row is not of the shape that only the node writes.
            None => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..) => Self::Corrupt(text),
                _ => Self::Away(text),
            },
        }
    }
}

impl From<io::Error> for HistoryError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Away(error.to_string()),
        }
    }
}
