//! What has become of agents and what they used: kept in SQLite, and never waited for by whoever
//! has something to tell.

mod journal;
mod note;

pub use journal::{Journal, MAX_NOTES, MAX_SAMPLES};
pub use note::{
    Began, Changed, Edited, Ended, LastLines, MAX_ARGV, MAX_LINES, MAX_REASON, Note, Removed,
};
