//! What agents used, over time.
