//! The PTY of an agent: its process, its log, and everybody who watches.
