//! The history as a real node serves it.
