//! The files in which the node keeps what must outlive it.
